"""`make fuzz`: at least 20,000 inputs, and a table. Ends with 1 where any of them found a fault.

FUZZ_INPUTS=...  how many      FUZZ_SEED=...  which; it is printed
"""

from __future__ import annotations

import logging
import os
import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path

from inputs import campaign_of


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())
    total = int(os.environ.get("FUZZ_INPUTS", "21000"))
    seed = int(os.environ.get("FUZZ_SEED", str(int(time.time()))))
    _tell(f"seed {seed}")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        tallies = campaign_of(total, seed, Path(folder), told=_tell)
    inputs, seconds = sum(one.inputs for one in tallies), time.monotonic() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    _tell(f"{inputs} inputs in {seconds:.0f} s, {peak} MiB of memory at most")
    faults = [fault for one in tallies for fault in (*one.crashes, *one.leaks)]
    _tell("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
