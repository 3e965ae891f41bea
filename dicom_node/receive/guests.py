"""Who is at the port: how many are let in, and who is shown out for saying nothing.

What pynetdicom's own limits do not do for one who accepts associations: its count of associations
holds those too that only connected; its time for a message is for answers to its own requests; its
idle time counts whole PDUs, so that a slow line looks idle; and it tells nobody of an association
that ends because writing failed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
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


@dataclass(slots=True)
class _Pace:
    """How something comes in: a message, or a PDU that belongs to none yet, by its number."""

    sending: object
    begun: float  # as time.monotonic counts
    received: int  # bytes of the connection when looked at last
    looked: float = 0.0  # when that was

    def is_too_slow(self, now: float, received: int, limits: Limits) -> str:
        """Why it is; empty if not."""
        if now - self.begun > limits.object_seconds:
            return "an object took too long"
        since = now - max(self.looked, self.begun)
        if since > limits.message_seconds:
            if received - self.received < limits.lowest_bytes_per_second * since:
                return "it sends too slowly"
            self.received, self.looked = received, now
        return ""


@dataclass(slots=True, eq=False)
class _Guest:
    line: Line
    address: str
    association: Any = None
    sender: Sender | None = None  # once it has been let in
    served: bool = False  # the node is at work for it, so that it may be silent
    dismissed: bool = False  # it was told to go
    useful: float = field(default_factory=time.monotonic)  # when it came, or last brought something
    pace: _Pace = field(default_factory=lambda: _Pace(None, 0, 0))

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

    def outstays(self, limits: Limits) -> str:
        """Why it has to go; empty when it may stay. Silence in a PDU is for its line to end."""
        if self.sender is None or self.served or self.dismissed:
            return ""
        now, message = time.monotonic(), self.association.dimse.message
        if now - self.line.heard > (
            limits.idle_seconds if message is None else limits.message_seconds
        ):
            return "it was silent too long"
        sending = message
        if message is None and self.line.is_within_pdu:
            sending = self.line.pdus
        if sending is None:
            self.pace = _Pace(None, now, self.line.received)
            idle = now - self.useful > limits.without_object_seconds
            return "it brought nothing for too long" if idle else ""
        if sending != self.pace.sending:
            self.pace = _Pace(sending, now, self.line.received)
        return self.pace.is_too_slow(now, self.line.received, limits)


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
            guest.line.heard = guest.useful = time.monotonic()
            guest.served = False

    def dismiss(self, association: Any, why: str) -> None:
        """End an association at once, by closing its connection."""
        guest = self._of(association)
        log.warning("association of %s ended: %s", guest.sender or guest.address, why)
        guest.dismissed = True
        _hang_up(guest)

    def _look(self) -> None:
        try:
            self._look_until_told()
        finally:
            self._ended.set()

    def _look_until_told(self) -> None:
        while not self._ending.wait(_LOOK_SECONDS):
            self._see_off()
            for guest in self._all():
                if why := guest.outstays(self.limits):
                    log.warning("association of %s ended: %s", guest.sender, why)
                    guest.dismissed = True
                    # Who reads the connection may await the rest of a PDU, and would send nothing.
                    polite = guest.association.is_established and not guest.line.is_within_pdu
                    (_abort if polite else _hang_up)(guest)
        self._see_off()

    def _see_off(self) -> None:
        for guest in self._all():
            if guest.has_left:
                guest.line.close()  # pynetdicom leaves it open where the other side had gone
                with self._lock:
                    self._guests.remove(guest)
                if guest.sender is not None:
                    self._left(guest.association)
                else:
                    guest.line.say_whether_late()

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
    guest.line.hang_up()
