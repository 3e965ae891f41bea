"""The port for TLS: lines on which TLS is spoken, within the bounds of any other line."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dicom_node import tls
from dicom_node.errors import Misconfigured
from dicom_node.receive.door import Rejection, unknown_caller
from dicom_node.receive.line import Limits, Line
from dicom_node.tls import Certificate, Credentials

log = logging.getLogger(__name__)


class TlsLine(Line, ssl.SSLSocket):  # type: ignore[misc]  # names of parameters
    """A line whose handshake is done by who reads first, in the time to ask for an association."""

    certificate: Certificate | None = None  # what the caller has proved, once it has

    def _begin(self, limits: Limits) -> None:
        # One thread reads while another answers, and OpenSSL bears one at a time.
        self._turn = threading.Lock()
        super()._begin(limits)

    def send(self, data: Any, flags: int = 0) -> int:
        """Some of these bytes; how many."""
        with self._turn:
            return ssl.SSLSocket.send(self, data, flags)

    def pending(self) -> int:
        """How many bytes were read off the connection that nobody has asked for yet."""
        with self._turn:
            return ssl.SSLSocket.pending(self)

    def shutdown(self, how: int) -> None:
        """From whatever thread: OpenSSL, which bears one only, is not told. That of ``ssl`` would
        also let go on in plain with what has come meanwhile.
        """
        socket.socket.shutdown(self, how)

    def _hear(self, size: int, flags: int) -> bytes:
        with self._turn:
            if self.version() is None:
                self.do_handshake()
                self.certificate = tls.certificate_of(self)
                self._hurry()
            return ssl.SSLSocket.recv(self, size, flags)

    def _why(self, error: OSError) -> str:
        return tls.why(error)


class Lines:
    """Makes TLS lines; a certificate that was renewed counts from the next connection on."""

    def __init__(self, credentials: Credentials, *, ask: bool) -> None:
        """``ask``: whether callers have to show a certificate.

        Raises:
            Misconfigured: a file is missing or cannot be used.
        """
        self._credentials = credentials
        self._ask = ask
        self._written = self._when()
        self._context = self._load()

    def line(self, accepted: socket.socket, limits: Limits) -> TlsLine:
        """Take over an accepted connection, which is not to be used any more.

        Raises:
            OSError: it has ended already.
        """
        self._renew()
        line = self._context.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
        assert isinstance(line, TlsLine)
        line._begin(limits)
        return line

    def _renew(self) -> None:
        written = self._when()
        if written == self._written:
            return
        self._written = written
        try:
            self._context = self._load()
            log.info("the files of TLS have changed and are used now")
        except Misconfigured as error:  # perhaps only one of two has been written yet
            log.error("the files of TLS have changed, those of before are used: %s", error)  # noqa: TRY400 - no bug of ours

    def _load(self) -> ssl.SSLContext:
        context = tls.server_context(self._credentials, ask=self._ask)
        context.sslsocket_class = TlsLine
        return context

    def _when(self) -> tuple[int, ...]:
        files = (self._credentials.authority, self._credentials.certificate, self._credentials.key)
        try:
            return tuple(one.stat().st_mtime_ns for one in files if one is not None)
        except OSError:  # being replaced
            return ()


@dataclass(frozen=True, slots=True)
class Callers:
    """Which AE titles may call only with which certificate: a name in it, or its SHA-256."""

    of: Mapping[str, tuple[str, ...]]

    def stranger(self, calling: str, line: Line) -> Rejection | None:
        """Why a caller is not who its title says; None when it is, or anybody may use the title."""
        allowed = self.of.get(calling.strip())
        if allowed is None:
            return None
        shown = line.certificate if isinstance(line, TlsLine) else None
        if shown is None:
            return unknown_caller("its title is in tls.callers, and it shows no certificate")
        if {*shown.names, shown.fingerprint} & set(allowed):
            return None
        return unknown_caller(
            f"its certificate, SHA-256 {shown.fingerprint}, is not that of its title in tls.callers"
        )
