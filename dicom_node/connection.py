"""The connection under an association that this node opens, plain or by TLS.

In place of pynetdicom's, which does not say why there is none; waits without end within a PDU; and
takes the tickets that a TLS 1.3 server sends on its own for a PDU that has begun (its issue 364).
"""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from typing import Any

from pynetdicom import AE
from pynetdicom.transport import T_CONNECT, AddressInformation, AssociationSocket

from dicom_node import tls
from dicom_node.errors import Misconfigured
from dicom_node.peer import Peer


class Caller(AE):
    """An application entity whose associations with one peer go over a :class:`Connection`."""

    def __init__(self, peer: Peer) -> None:
        """Not connected yet."""
        super().__init__(ae_title=peer.calling_ae_title)
        self._peer = peer
        self.connection_timeout = peer.timeout_seconds
        self.acse_timeout = peer.timeout_seconds
        self.dimse_timeout = peer.timeout_seconds
        self.network_timeout = peer.timeout_seconds

    def _create_socket(self, assoc: Any, address: Any, tls_args: Any) -> Connection:  # noqa: ARG002 - pynetdicom's
        return Connection(assoc, self._peer, address)


class Connection(AssociationSocket):
    """What pynetdicom reads from and writes to; ``failure`` says why it ended before its time."""

    def __init__(self, association: Any, peer: Peer, address: AddressInformation) -> None:
        """Not connected yet."""
        super().__init__(association, address=address)
        self._shutdown_socket()  # bound, which a connection need not be
        self._peer = peer
        self.failure = f"{peer.name} does not answer at its host and port"
        if peer.tls is not None:
            self.failure = (
                f"{peer.name} gives no answer by TLS; does it know who signed our certificate?"
            )

    def connect(self, primitive: T_CONNECT) -> None:
        """Connect, and shake hands if this peer is called by TLS."""
        try:
            self.socket = _connected(self._peer)
        except (OSError, Misconfigured) as error:
            self.socket = None
            self.failure = _failure(self._peer, error)
            primitive.result = "Evt17"
        else:
            own = self.socket.getsockname()
            self.assoc.requestor.address_info = AddressInformation.from_tuple(own)
            self._is_connected = True
            primitive.result = "Evt2"
            if self._peer.tls is None:
                self.failure += ", though somebody listens there; does it want TLS?"
        self.provider_queue.put(primitive)
        self._ready.set()

    @property
    def secured_by(self) -> str:
        """The version of TLS (``TLS 1.3``), empty in plain."""
        version = self.socket.version() if isinstance(self.socket, ssl.SSLSocket) else None
        return (version or "").replace("TLSv", "TLS ")

    @property
    def ready(self) -> bool:
        """Whether there is something to read."""
        if self._is_connected and isinstance(self.socket, _TlsSocket):
            return self.socket.has_come()
        found: bool = super().ready
        return found

    def recv(self, nr_bytes: int) -> bytearray:
        """So many bytes, or fewer when the peer has ended or says nothing for too long."""
        try:
            found: bytearray = super().recv(nr_bytes)
        except OSError as error:
            self.failure = _failure(self._peer, error)
            return bytearray()
        return found


class _TlsSocket(ssl.SSLSocket):
    """A socket that knows whether bytes have come for who reads, and not for TLS itself."""

    _ahead: bytes | None = None  # a byte that has been read already; b"": the end
    _error: OSError | None = None  # what was said instead, and is said once only

    def has_come(self) -> bool:
        """Whether :meth:`recv` would return at once."""
        if self._ahead is None:
            patience = self.gettimeout()
            self.settimeout(0)
            try:
                self._ahead = super().recv(1)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return False
            except OSError as error:
                self._ahead, self._error = b"", error
            finally:
                self.settimeout(patience)
        return True

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """What has come, up to so many bytes; empty at the end."""
        if self._ahead is None:
            return super().recv(buflen, flags)
        if self._error is not None:
            raise self._error
        ahead = self._ahead
        if ahead:
            self._ahead = None
        return ahead

    def shutdown(self, how: int) -> None:
        """Say goodbye first, without waiting for the answer (RFC 8446 6.1)."""
        with suppress(OSError, ValueError):
            self.settimeout(0)
            self.unwrap()
        socket.socket.shutdown(self, how)


def _connected(peer: Peer) -> socket.socket:
    plain = socket.create_connection((peer.host, peer.port), timeout=peer.timeout_seconds)
    if peer.tls is None:
        return plain
    try:
        context = tls.client_context(peer.tls.credentials, check_name=bool(peer.tls.server_name))
        context.sslsocket_class = _TlsSocket
        return context.wrap_socket(plain, server_hostname=peer.tls.server_name or None)
    except BaseException:
        plain.close()
        raise


def _failure(peer: Peer, error: OSError | Misconfigured) -> str:
    if isinstance(error, Misconfigured):
        return f"{peer.name} is not called: {error}"
    refused = isinstance(error, ConnectionRefusedError)
    if isinstance(error, ssl.SSLError) or (peer.tls is not None and not refused):
        return f"{peer.name} cannot be called by TLS: {tls.why(error)}"
    return f"{peer.name} does not answer at its host and port"
