"""Who is at the port: how many are let in, and who is shown out for saying nothing.

What pynetdicom's own limits do not do for one who accepts associations: its count of associations
holds those too that only connected; its time for a message is for answers to its own requests; its
idle time counts whole PDUs, so that a slow line looks idle; and it tells nobody of an association
that ends because writing failed.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from dicom_node.receive.line import Limits, Line

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.2
_FAREWELL_SECONDS = 5.0
#: Connections that have asked for nothing yet, at most: in all, and of one address.
_MOST_UNSEATED, _MOST_UNSEATED_OF_ONE = 200, 50


@dataclass(frozen=True, slots=True)
class Sender:
    """An application elsewhere: the title by which it calls, and from where."""

    calling: str
    address: str

    def __str__(self) -> str:
        """As a log line names it: machines and applications, no patient."""
        return f"{self.calling!r} at {self.address}"


@dataclass(slots=True, eq=False)
class _Guest:
    line: Line
    address: str
    association: Any = None
    sender: Sender | None = None  # once it has been let in
    served: bool = False  # the node is at work for it, so that it may be silent
    dismissed: bool = False  # it was told to go

    @property
    def is_unseated(self) -> bool:
        """Whether it is connected, but not let in."""
        return self.sender is None and self.line.fileno() >= 0

    @property
    def is_in(self) -> bool:
        """Whether it was let in and has not said goodbye: its threads may end a little later."""
        if self.sender is None or self.line.fileno() < 0:
            return False
        return not (self.association.is_released or self.association.is_aborted)

    @property
    def has_left(self) -> bool:
        if self.association is None or self.association.ident is None:  # its thread has not begun
            return self.line.fileno() < 0
        return not self.association.is_alive() and not self.association.dul.is_alive()

    def outstays(self, limits: Limits) -> bool:
        """Whether it has been silent for too long; a PDU that has begun is for its line to end."""
        if self.sender is None or self.served or self.dismissed:
            return False
        within_message = self.association.dimse.message is not None
        allowed = limits.message_seconds if within_message else limits.idle_seconds
        return time.monotonic() - self.line.heard > allowed


class Guests:
    """All that are connected. ``left`` is told of each association that was let in and ended."""

    def __init__(self, limits: Limits, left: Callable[[Any], None]) -> None:
        """Begin with :meth:`start`."""
        self.limits = limits
        self._left = left
        self._lock = threading.RLock()
        self._guests: list[_Guest] = []
        self._ending = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="guests")

    def start(self) -> None:
        """Begin to look after them."""
        self._thread.start()

    @property
    def has_ended(self) -> bool:
        """Whether they are not looked after any more."""
        return self._ended.is_set()

    def stop(self) -> None:
        """Show all out: politely, and then by closing the connection. Nobody comes any more."""
        for farewell in (_abort, _hang_up):
            for guest in self._all():
                farewell(guest)
            deadline = time.monotonic() + _FAREWELL_SECONDS
            while self._is_anybody_in() and time.monotonic() < deadline:
                time.sleep(_LOOK_SECONDS / 4)
        self._ending.set()
        self._thread.join()

    def knock(self, line: Line, address: str) -> bool:
        """Somebody connected; false when too many have that ask for nothing."""
        with self._lock:
            unseated = [one.address for one in self._guests if one.is_unseated]
            if len(unseated) >= _MOST_UNSEATED or (
                unseated.count(address) >= _MOST_UNSEATED_OF_ONE
            ):
                log.warning("connection from %s closed: too many ask for nothing", address)
                return False
            self._guests.append(_Guest(line, address))
            return True

    def came(self, association: Any) -> None:
        """The association that will use a connection."""
        self._of_line(association.dul.socket.socket).association = association

    def address(self, association: Any) -> str:
        """From where an association is asked for."""
        return self._of(association).address

    def let_in(self, association: Any, sender: Sender, why_not: Callable[[int, int], Any]) -> Any:
        """Let an association in, or not: as ``why_not`` says of how many are in already, in all
        and of this sender. Returns what it says.
        """
        with self._lock:
            senders = [one.sender for one in self._guests if one.is_in]
            refusal = why_not(len(senders), senders.count(sender))
            if refusal is None:
                self._of(association).sender = sender
            return refusal

    @contextmanager
    def served(self, association: Any) -> Iterator[None]:
        """While the node is at work for it, a guest waits and is not expected to speak."""
        guest = self._of(association)
        guest.served = True
        try:
            yield
        finally:
            guest.line.heard = time.monotonic()
            guest.served = False

    def _look(self) -> None:
        try:
            self._look_until_told()
        finally:
            self._ended.set()

    def _look_until_told(self) -> None:
        while not self._ending.wait(_LOOK_SECONDS):
            self._see_off()
            for guest in self._all():
                if guest.outstays(self.limits):
                    log.warning("association of %s ended: it was silent too long", guest.sender)
                    guest.dismissed = True
                    _abort(guest)
        self._see_off()

    def _see_off(self) -> None:
        for guest in self._all():
            if guest.has_left:
                with self._lock:
                    self._guests.remove(guest)
                if guest.sender is not None:
                    self._left(guest.association)

    def _is_anybody_in(self) -> bool:
        return any(guest.sender is not None for guest in self._all())

    def _all(self) -> list[_Guest]:
        with self._lock:
            return list(self._guests)

    def _of(self, association: Any) -> _Guest:
        return next(one for one in self._all() if one.association is association)

    def _of_line(self, line: Line) -> _Guest:
        return next(one for one in self._all() if one.line is line)


def _abort(guest: _Guest) -> None:
    if guest.association is not None and guest.association.is_established:
        guest.association.abort(block=False)
    elif guest.sender is None:  # in pynetdicom's view there is nothing to abort yet
        _hang_up(guest)


def _hang_up(guest: _Guest) -> None:
    with suppress(OSError):  # it may have ended just now
        guest.line.shutdown(socket.SHUT_RDWR)
