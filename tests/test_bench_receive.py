"""``make bench-receive`` in small: that it runs, and prints a line for each receiver."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from peers import need

_TESTS = Path(__file__).parent


def test_the_receivers_are_measured_side_by_side(tmp_path: Path) -> None:
    need("Orthanc", "orthanc")
    need("storescp", "dcmtk")
    done = subprocess.run(
        [sys.executable, "-m", "bench.receive", "--short", "--only", "CT", "--at", str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(_TESTS.parent), str(_TESTS)])},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if line.lstrip().startswith("2 ")]
    assert [row[1] for row in rows] == ["dicom-node", "storescp", "Orthanc"]
    rate = {row[1]: float(row[-6]) for row in rows}
    assert all(found > 0 for found in rate.values()), done.stdout
