"""``make bench-receive``: this node's edge, DCMTK's ``storescp --fork`` and Orthanc, side by side.

Each is started with an empty store, sent the same files by the same sender, and stopped, in turn;
of several rounds the medians are printed. Orthanc flushes each file before it answers by default,
``storescp`` has no option for it. ``--many`` sends small objects to one edge that goes on running,
and prints what an object costs as they become more.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console

from bench import usage
from bench.objects import FILMS, SLICES, SMALL, Kind, make
from bench.receivers import EDGE, ORTHANC, RECEIVERS, Receiver
from workers.plain import tell

_CONSOLE = Console(soft_wrap=True)
_ASSOCIATIONS = (1, 4, 16)
#: Small objects at a time, and over how many associations.
_STEP, _MANY_ASSOCIATIONS = 10_000, 4


@dataclass(frozen=True, slots=True)
class Measured:
    """One receiver, one kind, one number of associations; seconds of all objects together."""

    seconds: float
    cpu_seconds: float
    megabytes: float


def send(receiver: Receiver, paths: list[Path], associations: int, folder: Path) -> float:
    """How many seconds it takes until the last object is answered.

    The sender has as many processes as there are cores, that it may not be what limits.
    """
    associations = min(associations, len(paths))
    lists = []
    for number in range(associations):
        begin, end = (len(paths) * (number + n) // associations for n in (0, 1))
        lists.append(folder / f"share-{number}.txt")
        lists[-1].write_text("\n".join(map(str, paths[begin:end])))
    processes = min(associations, os.cpu_count() or 1)
    senders = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.sender", str(receiver.dicom_port), receiver.aet]
            + [str(one) for one in lists[number::processes]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    for sender in senders:
        assert sender.stdout is not None
        if sender.stdout.readline() != "ready\n":
            sys.exit("a sender could not open its associations")
    began = time.monotonic()
    for sender in senders:
        assert sender.stdin is not None
        sender.stdin.write("go\n")
        sender.stdin.flush()
    for sender in senders:
        assert sender.stdout is not None
        sender.stdout.readline()
    taken = time.monotonic() - began
    if any(sender.wait() for sender in senders):
        sys.exit(f"objects were refused by {type(receiver).__name__}; it says:\n{receiver.said}")
    return taken


def measure(name: str, paths: list[Path], associations: int, folder: Path) -> Measured:
    """Start a receiver, send, and stop it."""
    shutil.rmtree(folder, ignore_errors=True)
    with RECEIVERS[name](folder) as receiver:
        before = usage.settled_cpu_seconds(receiver.pid)
        seconds = send(receiver, paths, associations, folder)
        used = usage.settled_cpu_seconds(receiver.pid) - before
        megabytes = usage.peak_megabytes(receiver.pid)
        if receiver.stored() != len(paths):
            sys.exit(f"{name} has {receiver.stored()} of {len(paths)} objects")
    shutil.rmtree(folder)
    return Measured(seconds, used, megabytes)


def dd_seconds(paths: list[Path], folder: Path) -> float:
    """How long ``dd conv=fsync`` of the same files takes, one after the other."""
    folder.mkdir()
    began = time.monotonic()
    for path in paths:
        to = folder / path.name
        command = ["dd", f"if={path}", f"of={to}", "bs=1M", "conv=fsync", "status=none"]
        subprocess.run(command, check=True)
    taken = time.monotonic() - began
    shutil.rmtree(folder)
    return taken


def compare(kind: Kind, count: int, rounds: int, associations: tuple[int, ...], at: Path) -> None:
    """Print the table of one kind."""
    paths = make(kind, at / kind.modality, count)
    every: dict[tuple[int, str], list[Measured]] = {}
    copied = []
    for _ in range(rounds):
        copied.append(dd_seconds(paths, at / "dd"))
        for number in associations:
            for name in RECEIVERS:
                found = measure(name, paths, number, at / "receiver")
                every.setdefault((number, name), []).append(found)
    dd = count / median(copied)
    _tell("", f"{count} x {kind.name}, median of {rounds}; dd conv=fsync: {dd:.1f} objects/s")
    _tell(
        f"{'associations':>12}  {'receiver':16} {'objects/s':>9} {'x Orthanc':>9} {'of dd':>6} "
        f"{'CPU s':>6} {'x Orthanc':>9} {'peak MB':>7}"
    )
    for (number, name), found in every.items():
        rate = count / median(one.seconds for one in found)
        cpu = median(one.cpu_seconds for one in found)
        orthanc = every[number, ORTHANC]
        times = rate * median(one.seconds for one in orthanc) / count
        cpu_times = cpu / median(one.cpu_seconds for one in orthanc)
        peak = max(one.megabytes for one in found)
        _tell(
            f"{number:12}  {name:16} {rate:9.1f} {times:9.2f} {rate / dd:6.2f} "
            f"{cpu:6.2f} {cpu_times:9.2f} {peak:7.0f}"
        )
    shutil.rmtree(at / kind.modality)


def many(count: int, at: Path) -> None:
    """Print what an object costs, of so many more and more."""
    _tell(f"{'objects':>8} {'objects/s':>9} {'CPU ms each':>11} {'peak MB':>7}")
    with RECEIVERS[EDGE](at / "receiver") as receiver:
        for done in range(0, count, _STEP):
            number = min(_STEP, count - done)
            paths = make(SMALL, at / "small", number)
            before = usage.settled_cpu_seconds(receiver.pid)
            seconds = send(receiver, paths, _MANY_ASSOCIATIONS, at)
            used = usage.settled_cpu_seconds(receiver.pid) - before
            _tell(
                f"{done + number:8} {number / seconds:9.1f} {1000 * used / number:11.2f} "
                f"{usage.peak_megabytes(receiver.pid):7.0f}"
            )
            shutil.rmtree(at / "small")


def _tell(*lines: str) -> None:
    for line in lines:
        tell(_CONSOLE, line)


def main() -> None:
    """As the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--short", action="store_true", help="4 objects, 2 associations, once")
    parser.add_argument("--many", type=int, metavar="COUNT", help="small objects to the edge only")
    parser.add_argument("--at", type=Path, help="a folder on the disk that is to be measured")
    parser.add_argument("--associations", type=int, nargs="+", default=_ASSOCIATIONS)
    parser.add_argument("--only", choices=[FILMS.modality, SLICES.modality])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.at) as name:
        if asked.many:
            many(asked.many, Path(name))
            return
        for kind in (FILMS, SLICES):
            if asked.only in (None, kind.modality):
                count, rounds = (4, 1) if asked.short else (kind.count, asked.rounds)
                associations = (2,) if asked.short else tuple(asked.associations)
                compare(kind, count, rounds, associations, Path(name))


if __name__ == "__main__":
    main()
