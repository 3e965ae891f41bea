"""A connection at the port whose other side has to keep talking, and may not talk at length.

pynetdicom waits without end for the rest of a PDU that has begun, and makes room for as many bytes
as the PDU says it has, up to 4 GiB. Here both have a bound. It reads no more of the stream than
type and length of each PDU (PS3.8 9.3.1), which any protocol has to have that may pass.
"""

from __future__ import annotations

import logging
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass

from dicom_node.receive.asking import CALLED, CALLING

log = logging.getLogger(__name__)

_HEADER_BYTES = 6  # type, reserved, length: PS3.8 Table 9-11 and the others
_KINDS = range(1, 8)  # PS3.8 9.3.1
_TLS_HANDSHAKE = b"\x16\x03"  # type and major version of a record: RFC 8446 5.1
_TLS_HERE = "it speaks TLS, and this port is in plain (tls.port is for TLS)"
_ALWAYS_ALLOWED_BYTES = 1_048_576
_AT_LEAST_SECONDS = 0.001  # zero would mean not to wait at all


@dataclass(frozen=True, slots=True)
class Limits:
    """What a caller may ask of the node's patience and memory; times in seconds.

    ``association_seconds``: from the connection to a whole association request.
    ``message_seconds``: of silence within a message.
    ``idle_seconds``: of silence between messages.
    ``object_seconds``: for one message, however steadily it comes.
    ``lowest_bytes_per_second``: within a message, over ``message_seconds``; 0 for any.
    ``without_object_seconds``: without a message that asks for more than an echo.
    ``maximum_pdu_bytes``: what the node tells its callers to keep to (PS3.8 D.1).
    ``maximum_object_bytes``: of one object as a file.
    """

    maximum_pdu_bytes: int
    maximum_object_bytes: int
    association_seconds: float
    message_seconds: float
    idle_seconds: float
    object_seconds: float
    lowest_bytes_per_second: float
    without_object_seconds: float

    @property
    def largest_pdu_bytes(self) -> int:
        """What ends a connection. An association request is under no agreed bound, and some
        senders count a PDU's length otherwise.
        """
        return max(_ALWAYS_ALLOWED_BYTES, 2 * self.maximum_pdu_bytes)


class Line(socket.socket):
    """The accepted connection, which ends when a bound is passed."""

    def __init__(self, accepted: socket.socket, limits: Limits) -> None:
        """Take over an accepted connection, which is not to be used any more."""
        family, kind, protocol = accepted.family, accepted.type, accepted.proto
        super().__init__(family, kind, protocol, fileno=accepted.detach())
        self._begin(limits)

    def _begin(self, limits: Limits) -> None:
        self._limits = limits
        self._address = self._peer()
        self._deadline = time.monotonic() + limits.association_seconds
        self._asked = False  # whether the first PDU is here, which is to ask for an association
        self._begun = b""
        self._header = b""
        self._left = 0
        self._over = False
        self.heard = time.monotonic()
        self.received = 0  # bytes
        self.pdus = 0  # that came in whole

    def recv(self, size: int, flags: int = 0) -> bytes:
        """As that of a socket; where a bound is passed, as if the other side had closed.

        pynetdicom ends the connection then, as it does after an error, but without a trace of its
        own in the log for each program that tries the port.
        """
        if self._over:
            return b""
        self._hurry()
        try:
            found = self._hear(size, flags)
            self._acknowledge()
            self.heard = time.monotonic()
            self.received += len(found)
            self._follow(found)
        except OSError as error:
            self._end(self._why(error))
            return b""
        return found

    def say_whether_late(self) -> None:
        """Log it if pynetdicom ended the connection because nothing was asked for in time."""
        if not self._asked and not self._over and time.monotonic() >= self._deadline:
            self._end("it did not ask for an association in time")

    def hang_up(self) -> None:
        """Say no more and hear no more, also not what has come in already."""
        self._over = True
        with suppress(OSError):  # it may have ended just now
            self.shutdown(socket.SHUT_RDWR)

    @property
    def titles(self) -> tuple[bytes, bytes]:
        """Called and Calling AE Title of the first PDU, as they came but for the spaces around
        them, which mean nothing (PS3.5 6.2), and what some fill them up with instead.
        """
        called, calling = (self._begun[one].rstrip(b"\0") for one in (CALLED, CALLING))
        return called.strip(b" "), calling.strip(b" ")

    @property
    def is_within_pdu(self) -> bool:
        """Whether a PDU has begun to come in, and not ended."""
        return bool(self._header)

    def _hurry(self) -> None:
        """To ask for an association there is a time in all, not one for each byte."""
        if not self._asked:
            self.settimeout(max(self._deadline - time.monotonic(), _AT_LEAST_SECONDS))

    def _hear(self, size: int, flags: int) -> bytes:
        return super().recv(size, flags)

    def _why(self, error: OSError) -> str:
        return error.strerror or str(error)

    def _end(self, why: str) -> None:
        self._over = True
        log.warning("connection of %s ended: %s", self._address, why)

    def _peer(self) -> str:
        try:
            return str(self.getpeername()[0])
        except OSError:  # it has gone already
            return "nobody"

    def _acknowledge(self) -> None:
        """At once. A sender that waits for it before it sends the rest of a message, as TCP does
        by default, else waits for 40 ms with each object. The kernel forgets the wish each time.
        """
        with suppress(OSError):  # the other side has gone; the next call tells
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _follow(self, found: bytes) -> None:
        if not self._asked:
            self._begun += found[: CALLING.stop - len(self._begun)]
        at = 0
        while at < len(found):
            if self._left:
                taken = min(self._left, len(found) - at)
                self._left -= taken
            else:
                taken = min(_HEADER_BYTES - len(self._header), len(found) - at)
                self._header += found[at : at + taken]
                if len(self._header) < _HEADER_BYTES:
                    return
                kind, self._left = struct.unpack(">BxL", self._header)
                if kind not in _KINDS:
                    is_tls = self._header.startswith(_TLS_HANDSHAKE)
                    raise OSError(_TLS_HERE if is_tls else "what it sent is no PDU")
                if self._left > self._limits.largest_pdu_bytes:
                    raise OSError("a PDU is larger than what is allowed")
            at += taken
            if self._left == 0:
                self._header = b""
                self.pdus += 1
                self._has_asked()

    def _has_asked(self) -> None:
        if not self._asked:
            self._asked = True
            self.settimeout(self._limits.message_seconds)
