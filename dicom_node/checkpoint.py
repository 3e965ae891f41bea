"""Where pynetdicom's own thread stands aside while an answer is waited for.

Of an association that this node opens, pynetdicom's thread and who sends take from one queue. It is
asked to stop at an event before anything is sent; but between passing that event and looking into
the queue it counts as stopped. On a machine with much to do it then takes an answer that comes
quickly ("Received unexpected C-STORE service message"), and who sent waits until time is up for
what has been answered.
"""

from __future__ import annotations

import threading
from typing import Any

_LOOK_AGAIN_SECONDS = 0.05  # whether the thread still lives


def stand_aside(association: Any) -> None:
    """Let an association's own thread be stopped for sure whenever something is sent on it."""
    association._reactor_checkpoint = _Checkpoint(association)


class _Checkpoint:
    """In place of pynetdicom's :class:`threading.Event`; that ``thread`` waits here, others close
    and open it.
    """

    def __init__(self, thread: threading.Thread) -> None:
        self._thread = thread
        self._changed = threading.Condition()
        self._is_open = True
        self._stands = False

    def set(self) -> None:
        with self._changed:
            self._is_open = True
            self._changed.notify_all()

    def clear(self) -> None:
        """Close, and return once the thread stands here, or has ended."""
        with self._changed:
            self._is_open = False
            if self._thread is threading.current_thread():  # it does not wait for itself
                return
            while not self._stands and self._thread.is_alive():
                self._changed.wait(_LOOK_AGAIN_SECONDS)

    def wait(self) -> None:
        with self._changed:
            self._stands = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_open)
            self._stands = False
