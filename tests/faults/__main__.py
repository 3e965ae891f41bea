"""``make faults``: many random faults on one stage after another; prints a table.

::

    python -m faults [--seed N] [--faults 500] [--rounds M] [--from K] [--only NAME]
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from faults.breaking import FAULTS, MISSED
from faults.check import DOUBLED, LOST, STUCK, WRONG
from faults.plan import RoundPlan, draw
from faults.rounds import Broken, Played, play
from faults.stage import Stage

#: Of each round.
_FAULTS = 10
#: A stage is set up anew after so many; one has Redis, the next the broker of files.
_ROUNDS = 8


def run(seed: int, rounds: Iterable[int], folder: Path, only: Sequence[str] = ()) -> list[Played]:
    """Play rounds, and print each as it ends."""
    done: list[Played] = []
    chunks: dict[int, list[int]] = defaultdict(list)
    for number in rounds:
        chunks[number // _ROUNDS].append(number)
    try:
        for chunk, numbers in chunks.items():
            with Stage(folder / f"stage-{chunk}", redis=chunk % 2 == 0) as stage:
                for number in numbers:
                    done.append(play(stage, planned(stage, seed, number, only)))
                    _tell(done[-1])
    except KeyboardInterrupt:
        sys.stdout.write("interrupted\n")
    return done


def planned(stage: Stage, seed: int, number: int, only: Sequence[str] = ()) -> RoundPlan:
    """The plan of a round, of the faults that this stage can have."""
    there = {
        name: fault
        for name, fault in FAULTS.items()
        if fault.needs(stage) and (not only or any(one in name for one in only))
    }
    return draw(seed, number, list(there), [one.weight for one in there.values()], _FAULTS)


def table(done: Sequence[Played]) -> str:
    """Fault, how often, how often something was at work that it could break, problems of the
    rounds that it was in, median time to recovery.
    """
    by_name: dict[str, list[tuple[Played, Broken]]] = defaultdict(list)
    for played in done:
        for broken in played.broken:
            by_name[broken.name].append((played, broken))
    kinds = (LOST, DOUBLED, STUCK, WRONG)
    head = f"{'fault':40} {'times':>5} {'met':>5} " + " ".join(f"{kind:>7}" for kind in kinds)
    lines = [f"{head} {'recovery':>9}"]
    for name in [*(name for name in FAULTS if name in by_name)]:
        rounds = {played.plan.number: played for played, _ in by_name[name]}.values()
        counts = " ".join(f"{_count(rounds, kind):7}" for kind in kinds)
        broken = [one for _, one in by_name[name]]
        times = [one.recovered for one in broken if one.recovered is not None]
        middle = f"{median(times):7.1f} s" if times else "     none"
        lines.append(f"{name:40} {len(broken):5} {_met(broken):5} {counts} {middle}")
    counts = " ".join(f"{_count(done, kind):7}" for kind in kinds)
    faults = [one for played in done for one in played.broken]
    studies = len({one.films.study for played in done for one in played.sent})
    name = f"all, {len(done)} rounds, {studies} studies"
    lines.append(f"{name:40} {len(faults):5} {_met(faults):5} {counts}")
    return "\n".join(lines)


def _met(broken: Sequence[Broken]) -> int:
    return sum(one.met not in MISSED for one in broken)


def _count(rounds: Iterable[Played], kind: str) -> int:
    return sum(problem.kind == kind for played in rounds for problem in played.problems)


def _tell(played: Played) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {played.plan}; {played.seconds:.0f} s\n")
    for broken in played.broken:
        sys.stdout.write(f"    {broken.name}: {broken.met}\n")
    for problem in played.problems:
        sys.stdout.write(f"  !! {problem}\n")
    sys.stdout.flush()


def main() -> int:
    options = argparse.ArgumentParser(prog="faults")
    options.add_argument("--seed", type=int, default=int(time.time()))
    options.add_argument("--faults", type=int, default=500)
    options.add_argument("--rounds", type=int, default=0, help="instead of --faults")
    options.add_argument("--from", type=int, default=0, dest="first", help="number of a round")
    options.add_argument("--only", action="append", default=[], help="part of a fault's name")
    options.add_argument("--folder", type=Path, default=None)
    chosen = options.parse_args()
    number = chosen.rounds or -(-chosen.faults // _FAULTS)
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="faults-"))
    sys.stdout.write(f"seed {chosen.seed}, {number} rounds, in {folder}\n")
    # Ends with the table of what was done until then.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    done = run(chosen.seed, range(chosen.first, chosen.first + number), folder, chosen.only)
    sys.stdout.write(f"\nseed {chosen.seed}\n{table(done)}\n")
    return 1 if any(played.problems for played in done) else 0


if __name__ == "__main__":
    sys.exit(main())
