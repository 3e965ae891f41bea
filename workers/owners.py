"""Who holds a lease: a process by a name that no other one ever has, and whether it lives."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path

_PROCESSES = Path("/proc")
_MACHINE = Path("/etc/machine-id")  # machine-id(5); not in every container
_START = 19  # of the words behind the program's name: when it started (proc(5), field 22)


def me() -> str:
    """This process: host, machine, namespace of process ids, start and id.

    Two machines may have one name, two containers may give the same id, and a machine gives an id
    again.
    """
    return f"{_place()}:{_started(os.getpid())}:{os.getpid()}"


def is_dead(owner: str) -> bool:
    """Whether an owner was a process here and is none any more; of others nothing is known."""
    place, _, rest = owner.rpartition(":")
    place, _, started = place.rpartition(":")
    if not rest.isdecimal() or place != _place() or not _started(os.getpid()):
        return False
    return _started(int(rest)) != started


def _place() -> str:
    try:
        namespace = os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116 - follows the link
    except OSError:
        namespace = 0
    return f"{socket.gethostname()[:40]}-{_machine()}:{namespace}"


def _machine() -> str:
    """Tells machines apart, and not what its secret name is (as machine-id(5) wants it)."""
    try:
        return hashlib.sha256(_MACHINE.read_bytes()).hexdigest()[:8]
    except OSError:
        return ""


def _started(process: int) -> str:
    """When a process started, in ticks since the machine did; empty where there is none."""
    try:
        told = (_PROCESSES / str(process) / "stat").read_text()
    except OSError:
        return ""
    state, *words = told.rpartition(")")[2].split()
    return "" if state == "Z" else words[_START - 1]
