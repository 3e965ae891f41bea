"""How pynetdicom's own threads and those of this node keep out of each other's way.

An association has two of pynetdicom's: its own, and one for the connection (``dul``).

Of an association that this node opens, pynetdicom's thread and who sends take from one queue. It is
asked to stop at an event before anything is sent; but between passing that event and looking into
the queue it counts as stopped. On a machine with much to do it then takes an answer that comes
quickly ("Received unexpected C-STORE service message"), and who sent waits until time is up for
what has been answered.

And Python before 3.13 gives an error to one or both of two threads that ask at the same time
whether a third one lives, if that ends at this moment (``threading.Thread._stop``): pynetdicom's
own thread asks that about the connection's, and so does who releases the association.
"""

from __future__ import annotations

import threading
from typing import Any

_LOOK_AGAIN_SECONDS = 0.05  # whether the thread still lives


def stand_aside(association: Any) -> None:
    """Let an association's own thread be stopped for sure whenever something is sent on it, and
    ask in turns whether that of its connection lives.
    """
    association._reactor_checkpoint = _Checkpoint(association)
    _take_turns(association)


def _take_turns(association: Any) -> None:
    turn, is_alive = threading.Lock(), association.dul.is_alive

    def one_at_a_time() -> bool:
        with turn:
            alive: bool = is_alive()
            return alive

    association.dul.is_alive = one_at_a_time


class _Checkpoint:
    """In place of pynetdicom's :class:`threading.Event`; the association's thread waits here,
    others close and open it.
    """

    def __init__(self, association: Any) -> None:
        self._association = association  # which is its thread
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
            if self._association is threading.current_thread():  # it does not wait for itself
                return
            while not self._stands and self._association.is_alive():
                self._changed.wait(_LOOK_AGAIN_SECONDS)
            # pynetdicom waits for this without end. It is not so where who sends has served a
            # request meanwhile, as pynetdicom's thread does when it goes on.
            self._association._is_paused = True

    def wait(self) -> None:
        with self._changed:
            self._stands = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_open)
            self._stands = False
