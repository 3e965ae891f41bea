"""What goes over the network, byte by byte (PS3.8 9.3), so that it can also be wrong."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from contextlib import suppress

from pydicom.uid import ComputedRadiographyImageStorage

VERIFICATION = "1.2.840.10008.1.1"
MPPS = "1.2.840.10008.3.1.2.3.3"
EXPLICIT = "1.2.840.10008.1.2.1"
FILM = str(ComputedRadiographyImageStorage)
#: As an association here has them: context 1, 3, 5.
CONTEXTS = ((FILM, EXPLICIT), (VERIFICATION, "1.2.840.10008.1.2"), (MPPS, EXPLICIT))

RELEASE = struct.pack(">BBLL", 5, 0, 4, 0)
ABORT = struct.pack(">BBLL", 7, 0, 4, 0)
COMMAND, LAST = 1, 2


def item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(content)) + content


def pdu(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBL", kind, 0, len(content)) + content


def context(number: int, abstract: str, *transfer: str) -> bytes:
    syntaxes = b"".join(item(0x40, one.encode()) for one in transfer)
    return item(0x20, bytes([number, 0, 0, 0]) + item(0x30, abstract.encode()) + syntaxes)


def request(
    contexts: Sequence[bytes] | None = None,
    user: bytes = b"",
    calling: bytes = b"FUZZ",
    longest: int | None = 65536,
) -> bytes:
    """An A-ASSOCIATE-RQ; ``longest`` is the Maximum Length, None to say none."""
    if contexts is None:
        contexts = [context(2 * at + 1, *names) for at, names in enumerate(CONTEXTS)]
    maximum = b"" if longest is None else item(0x51, struct.pack(">L", longest))
    information = maximum + item(0x52, b"1.2.3.4") + user
    return pdu(
        1,
        struct.pack(">HH16s16s32x", 1, 0, b"DICOMNODE".ljust(16), calling.ljust(16))
        + item(0x10, b"1.2.840.10008.3.1.1.1")
        + b"".join(contexts)
        + item(0x50, information),
    )


def fragment(content: bytes, flags: int, number: int = 1) -> bytes:
    return struct.pack(">LBB", len(content) + 2, number, flags) + content


def data(*fragments: bytes) -> bytes:
    """A P-DATA-TF."""
    return pdu(4, b"".join(fragments))


def element(tag: int, value: bytes) -> bytes:
    """Of a command set: Implicit VR Little Endian."""
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value)) + value


def _uid(uid: str) -> bytes:
    return uid.encode() + b"\x00" * (len(uid) % 2)


def command(field: int, sop_class: str, *, instance: str = "", data_set: bool, more: bytes = b"",
            asked: bool = False) -> bytes:  # fmt: skip
    """A command set: 0x0001 C-STORE, 0x0030 C-ECHO, 0x0140 N-CREATE, 0x0120 N-SET."""
    named = 0x00000003 if asked else 0x00000002  # Requested or Affected SOP Class UID
    content = (
        element(named, _uid(sop_class))
        + element(0x00000100, struct.pack("<H", field))
        + element(0x00000110, b"\x01\x00")
        + (element(0x00000700, b"\x00\x00") if field == 1 else b"")
        + element(0x00000800, struct.pack("<H", 1 if data_set else 0x0101))
        + (element(named + 0xFFE, _uid(instance)) if instance else b"")
        + more
    )
    return element(0x00000000, struct.pack("<L", len(content))) + content


def store(
    content: bytes, instance: str = "1.2.3", piece: int = 60_000, context: int = 1
) -> list[bytes]:
    """The PDUs of a C-STORE: its command, then its data set in pieces."""
    asks = command(1, FILM, instance=instance, data_set=True)
    pieces = [content[at : at + piece] for at in range(0, len(content), piece)] or [b""]
    return [
        data(fragment(asks, COMMAND | LAST, context)),
        *(data(fragment(one, 0, context)) for one in pieces[:-1]),
        data(fragment(pieces[-1], LAST, context)),
    ]


ECHO = data(fragment(command(0x30, VERIFICATION, data_set=False), COMMAND | LAST, 3))


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def associated(port: int, asking: bytes | None = None) -> socket.socket:
    """A raw connection whose association is accepted."""
    connection = connected(port)
    connection.sendall(asking or request())
    kind, _ = received(connection)
    assert kind == 2, "A-ASSOCIATE-AC"
    return connection


def received(connection: socket.socket) -> tuple[int, bytes]:
    """Kind and content of the next PDU; kind 0 where the connection ends."""
    head = _exactly(connection, 6)
    if len(head) < 6:
        return 0, b""
    kind, length = struct.unpack(">BxL", head)
    return kind, _exactly(connection, length)


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    with suppress(ConnectionError):
        while len(found) < size and (more := connection.recv(size - len(found))):
            found += more
    return found


def status(connection: socket.socket) -> int:
    """The Status (0000,0900) of the response that comes next; -1 where none does."""
    kind, content = received(connection)
    at = content.find(struct.pack("<HHL", 0, 0x0900, 2))
    if kind != 4 or at < 0:
        return -1
    return int(struct.unpack_from("<H", content, at + 8)[0])


def end_of(connection: socket.socket, seconds: float = 10) -> list[int]:
    """The kinds of the PDUs that come until the other side closes."""
    connection.settimeout(seconds)
    kinds = []
    while kind := received(connection)[0]:
        kinds.append(kind)
    return kinds
