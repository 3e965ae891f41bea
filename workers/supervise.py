"""Everything on one machine: edge, worker and sender as processes of one command."""

from __future__ import annotations

import ctypes
import logging
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)

_PARTS = ("edge", "sender", "worker")
_PR_SET_PDEATHSIG = 1  # prctl(2)
_LONGEST_PAUSE_SECONDS = 60.0
_STEADY_SECONDS = 60.0
_STOP_SECONDS = 30.0


@dataclass(slots=True)
class _Part:
    name: str
    process: subprocess.Popen[bytes]
    started: float = field(default_factory=time.monotonic)
    pause: float = 1.0
    due: float | None = None  # when it is started again, once it has ended


def run(config: Path, stop: threading.Event) -> int:
    """Run the parts until told to stop; one that ends by itself is started again, later and later.

    Returns the exit status: that of a part that could not even start, else 0.
    """
    parts = [_Part(name, _start(name, config)) for name in _PARTS]
    try:
        while not stop.wait(0.2):
            for part in parts:
                status = part.process.poll()
                if status == MISCONFIGURED:  # it said why; starting it again would not help
                    return status
                if status is not None:
                    _restart(part, config, status)
    finally:
        _end([part.process for part in parts])
    return 0


#: Exit status of a part whose configuration cannot be used.
MISCONFIGURED = 2


def _restart(part: _Part, config: Path, status: int) -> None:
    """Start a part that has ended, at once or when its pause is over; others do not wait for it."""
    now = time.monotonic()
    if part.due is None:
        if now - part.started > _STEADY_SECONDS:
            part.pause = 1.0
        log.error("%s ended with status %d; again in %.0f s", part.name, status, part.pause)
        part.due, part.pause = now + part.pause, min(2 * part.pause, _LONGEST_PAUSE_SECONDS)
    if now >= part.due:
        part.process, part.started, part.due = _start(part.name, config), now, None


def _start(name: str, config: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "workers", name, "--config", str(config)]
    return subprocess.Popen(command, preexec_fn=_die_with_parent)  # noqa: PLW1509, S603 - no threads yet; our own program


def _die_with_parent() -> None:
    """A part whose supervisor is killed must not go on holding the port."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + _STOP_SECONDS
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
