"""Associations that wait for what comes, where pynetdicom's look for it a thousand times a second.

Of an association pynetdicom runs two threads, which sleep for a millisecond and look, and reads
4 KiB at a time. With sixteen associations that is most of what receiving costs. Here, while an
association is open and nothing else is due, the one thread waits for bytes, the other for a whole
message; bytes are read as many as there are; and an answer goes out from the thread that gives it.
All else (beginning, release, abort) is as it was.
"""

from __future__ import annotations

import queue
import select
import threading
from typing import Any

from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.transport import AssociationSocket

#: After so long it is looked all the same: for an abort that another thread asks for.
_LOOK_SECONDS = 0.05
_DATA_TRANSFER = "Sta6"  # PS3.8 9.2.2: the association is open, and nobody wants to end it
_AT_ONCE_BYTES = 262_144


def wait_for_bytes(association: Any) -> None:
    """Let an association wait; before it begins."""
    # pynetdicom makes these itself, of its own classes.
    association.dul.__class__ = _Provider
    association.dul.socket.__class__ = _Connection
    association._reactor_checkpoint = _Checkpoint(association.dimse.msg_queue)
    association.dul.to_user_queue = _Heard(association.dimse.msg_queue)


class _Connection(AssociationSocket):
    @property
    def ready(self) -> bool:
        """Whether there is something to read; while the association is open, waits for it."""
        if self.assoc.dul.state_machine.current_state != _DATA_TRANSFER or self._is_buffered():
            return bool(super().ready)
        if self.socket is None or not self._is_connected:
            return False
        poll = select.poll()
        try:
            poll.register(self.socket, select.POLLIN)
            return bool(poll.poll(_LOOK_SECONDS * 1000))
        except (OSError, ValueError):  # it was closed just now
            self.event_queue.put("Evt17")  # PS3.8 9.2.3: transport connection closed
            return False

    def recv(self, nr_bytes: int) -> bytearray:
        """So many bytes; fewer where the connection ended before."""
        found = bytearray()
        connection: Any = self.socket
        while (left := nr_bytes - len(found)) > 0:
            piece = connection.recv(min(left, _AT_ONCE_BYTES))
            if not piece:
                break
            found += piece
        return found

    def _is_buffered(self) -> bool:
        """Whether bytes were read off the connection that nobody has asked for yet (TLS)."""
        pending = getattr(self.socket, "pending", None)
        return pending is not None and bool(pending())


class _Provider(DULServiceProvider):
    def send_pdu(self, primitive: Any) -> None:
        """Send an answer at once; the other thread waits for bytes, and would not look for it."""
        if isinstance(primitive, P_DATA) and self.state_machine.current_state == _DATA_TRANSFER:
            self._send(P_DATA_TF(primitive))
        else:
            super().send_pdu(primitive)


class _Checkpoint(threading.Event):
    """Passed by the association's thread each time before it looks for a message."""

    def __init__(self, messages: queue.Queue[Any]) -> None:
        super().__init__()
        self._messages = messages
        self.set()

    def wait(self, timeout: float | None = None) -> bool:
        passed = super().wait(timeout)
        with self._messages.not_empty:
            if not self._messages.queue:
                self._messages.not_empty.wait(_LOOK_SECONDS)
        return passed


class _Heard(queue.Queue[Any]):
    """What the caller wants of the association itself, its release for one; wakes its thread."""

    def __init__(self, messages: queue.Queue[Any]) -> None:
        super().__init__()
        self._messages = messages

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        super().put(item, block, timeout)
        self._messages.put((None, None))  # as pynetdicom itself does when the connection ends
