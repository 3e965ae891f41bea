"""Whether a worker still hears the bell.

Now and then a worker of Celery lives, answers `ping`, and takes no message any more
(https://github.com/celery/celery/discussions/7276). So each looks by itself: where work of its
stage is left though nobody is at any, and it is idle, it rings. A worker that does not hear that
either, several times, ends; what started it starts it again.

It ends for nothing else. A broker or a ledger that is away, weights that are missing (it hears, and
can do nothing), others that are at work, and its own work begin the count anew.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from dicom_node.ledger.jobs import Stage

log = logging.getLogger(__name__)

#: Exit status of a worker that hears nothing (EX_TEMPFAIL of sysexits.h).
DEAF = 75
#: So often it rings and looks whether it has heard, within the time that it gets.
_LOOKS = 4


@dataclass(frozen=True, slots=True)
class Around:
    """What a worker asks around it."""

    is_busy: Callable[[], bool]
    is_left: Callable[[Stage], bool]
    ring: Callable[[Stage], None]


class Hearing:
    """Of one worker, what it was rung since it heard last."""

    def __init__(self, stages: Sequence[Stage], around: Around) -> None:
        """Count from nothing."""
        self._stages = stages
        self._around = around
        self._rung = {stage.name: 0 for stage in stages}
        self._looking = threading.Lock()
        # A process that Celery begins now must not inherit a connection, or a lock that is held.
        release = self._looking.release
        os.register_at_fork(
            before=self._looking.acquire, after_in_parent=release, after_in_child=release
        )

    def heard(self, stage: str) -> None:
        """A message for this stage has come."""
        self._rung[stage] = 0

    def watch(self, seconds: float) -> None:
        """Look beside the worker, and end it when it has heard nothing for so many seconds."""
        threading.Thread(target=self._look_around, args=(seconds,), daemon=True).start()

    def _look_around(self, seconds: float) -> NoReturn:
        while True:
            time.sleep(seconds / _LOOKS)
            with self._looking:
                deaf = any(list(map(self.is_deaf, self._stages)))  # all of them are rung
            if deaf:
                log.error(
                    "messages do not come, though work is left and nobody is at it: this worker "
                    "ends, to be started again"
                )
                os._exit(DEAF)

    def is_deaf(self, stage: Stage) -> bool:
        """Ring where work is left; whether that was done before, and often enough, unheard."""
        try:
            if self._around.is_busy() or not self._around.is_left(stage):
                self._rung[stage.name] = 0
                return False
            if self._rung[stage.name] >= _LOOKS:
                return True
            self._around.ring(stage)
        except Exception:  # noqa: BLE001 - ledger, broker or disk: whatever it is, told elsewhere
            self._rung[stage.name] = 0
        else:
            self._rung[stage.name] += 1
        return False
