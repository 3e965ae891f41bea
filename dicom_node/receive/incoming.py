"""The file of an object while its bytes come in."""

from __future__ import annotations

import hashlib
import struct
import uuid
from pathlib import Path

from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID, PYNETDICOM_IMPLEMENTATION_VERSION

_PREAMBLE = bytes(128) + b"DICM"
_LONGEST_UID = 64


class Incoming:
    """A Part 10 file that grows. pynetdicom takes it for the temporary file of its own.

    ``begin`` is where in it the data set begins.
    """

    def __init__(self, folder: Path, sop_class: str, sop_instance: str, syntax: str) -> None:
        """Begin it, with its meta information (PS3.10 7.1).

        Raises:
            OSError: it cannot be written.
        """
        self.path = folder / f"{uuid.uuid4().hex}.dcm"
        self.name = str(self.path)
        self.transfer_syntax = syntax
        self.file = self.path.open("xb")
        head = _PREAMBLE + _meta_information(sop_class, sop_instance, syntax)
        self.begin = len(head)
        self.file.write(head)
        # As partial.data_set_sha256 makes it of the whole file.
        self._digest = hashlib.sha256(f"{syntax}\n".encode())

    def write(self, piece: bytes) -> None:
        """Add to the data set.

        Raises:
            OSError: the disk is full, or fails.
        """
        self.file.write(piece)
        self._digest.update(piece)

    def tell(self) -> int:
        """How many bytes the file has."""
        return self.file.tell()

    def close(self) -> None:
        """Nothing more comes."""
        self.file.close()

    @property
    def sha256(self) -> str:
        """The digest of the data set and its transfer syntax, as hexadecimal digits."""
        return self._digest.hexdigest()


def _meta_information(sop_class: str, sop_instance: str, syntax: str) -> bytes:
    """In Explicit VR Little Endian. What is longer than a UID may be is cut off: the data set
    states it again, and an object is filed by that.
    """
    elements = struct.pack("<HH2sHLH", 0x0002, 0x0001, b"OB", 0, 2, 0x0100)
    uids = {
        0x0002: sop_class,
        0x0003: sop_instance,
        0x0010: syntax,
        0x0012: PYNETDICOM_IMPLEMENTATION_UID,
    }
    for element, uid in uids.items():
        elements += _text(element, b"UI", uid.encode("ascii", "replace")[:_LONGEST_UID], b"\0")
    elements += _text(0x0013, b"SH", PYNETDICOM_IMPLEMENTATION_VERSION.encode(), b" ")
    return struct.pack("<HH2sHL", 0x0002, 0x0000, b"UL", 4, len(elements)) + elements


def _text(element: int, vr: bytes, value: bytes, padding: bytes) -> bytes:
    value += padding * (len(value) % 2)
    return struct.pack("<HH2sH", 0x0002, element, vr, len(value)) + value
