"""What a program and all that it started have used, from /proc (Linux)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PARENT, _FIRST_TIME, _LAST_TIME = 1, 11, 14  # fields of /proc/PID/stat behind the name
_QUIET_CPU, _LOOK_SECONDS, _MOST_LOOKS = 0.06, 0.5, 40


def family(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    for other in Path("/proc").glob("[0-9]*"):
        fields = _fields(int(other.name))
        if fields and int(fields[_PARENT]) == pid:
            yield from family(int(other.name))


def cpu_seconds(pid: int) -> float:
    """Of user and system, with those processes of the family that have ended and are reaped."""
    return sum(
        sum(map(int, fields[_FIRST_TIME : _LAST_TIME + 1])) / _TICKS
        for fields in map(_fields, family(pid))
        if fields
    )


def settled_cpu_seconds(pid: int) -> float:
    """The same once it has come to rest: what is done behind the answers counts too."""
    used = cpu_seconds(pid)
    for _ in range(_MOST_LOOKS):
        time.sleep(_LOOK_SECONDS)
        before, used = used, cpu_seconds(pid)
        if used - before <= _QUIET_CPU:
            break
    return used


def peak_megabytes(pid: int) -> float:
    """Of resident memory, in all: the highest of each process, which need not be at one time."""
    kilobytes = 0
    for member in family(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            for line in Path(f"/proc/{member}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    kilobytes += int(line.split()[1])
    return kilobytes / 1024


def _fields(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
