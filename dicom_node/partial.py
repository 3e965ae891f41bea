"""Parts of a DICOM file: its first elements, read within a bound, and its data set as bytes.

A header is small, but what stands before it in the file need not be: a private element may be as
large as the file, and a deflated data set (PS3.5 A.5) of one megabyte may inflate to a gigabyte.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO, cast

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_dataset, read_file_meta_info, read_partial

from dicom_node.errors import BadStudy

#: Of a header no more than this is read; a thousand times what headers have.
MOST_BYTES = 4 * 1024 * 1024

#: The whole data set is deflated (PS3.5 A.5, A.7, A.10); pydicom knows the first only.
_DEFLATED = (
    "1.2.840.10008.1.2.1.99",  # Deflated Explicit VR Little Endian
    "1.2.840.10008.1.2.4.95",  # JPIP Referenced Deflate
    "1.2.840.10008.1.2.4.205",  # JPIP HTJ2K Referenced Deflate
)
_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
_PREAMBLE_BYTES = 132  # with the prefix DICM (PS3.10 7.1)
_GROUP_LENGTH_BYTES = 12  # the element (0002,0000) itself, which it does not count
_LONGEST_ELEMENT_HEADER = 8
_PIECE_BYTES = 65_536


def first_part(path: Path, keywords: Collection[str], *, needed: Collection[str]) -> Dataset:
    """Some elements of a Part 10 file that stand before its pixels.

    Reading ends behind the last of ``keywords`` once all ``needed`` have been seen, else (in a
    data set out of order, against PS3.5 7.1) at the pixels. Elements between are passed over.

    Raises:
        BadStudy: more than :data:`MOST_BYTES` would have to be read, or an element is cut short.
        OSError: the file cannot be read.
        Exception: of those in ``headers.UNDECODABLE``, where it is no DICOM.
    """
    tags = [cast(int, tag_for_keyword(keyword)) for keyword in keywords]
    missing = {tag_for_keyword(keyword) for keyword in needed}
    last = max(tags)

    def stop(tag: int, vr: str | None, length: int) -> bool:  # noqa: ARG001 - pydicom gives them
        missing.discard(tag)
        return tag in _PIXELS or (tag > last and not missing)

    transfer_syntax, begin = data_set_of(path)
    with path.open("rb") as file:
        if transfer_syntax in _DEFLATED:
            file.seek(begin)
            start, whole = _inflated(file)
            source: Any = _Sparing(io.BytesIO(start), whole=whole)
            return read_dataset(source, False, True, stop_when=stop, specific_tags=[*tags])
        source = _Sparing(file)
        return read_partial(source, stop_when=stop, specific_tags=[*tags])


def data_set_of(path: Path) -> tuple[str, int]:
    """The transfer syntax of a Part 10 file, and at which byte its data set begins.

    Raises:
        InvalidDicomError: the file has no meta information (PS3.10 7.1).
        OSError: it cannot be read.
    """
    meta = read_file_meta_info(path)
    length = meta.get("FileMetaInformationGroupLength")
    if length is None:
        raise InvalidDicomError("the group length of the file meta information is missing")
    begin = _PREAMBLE_BYTES + _GROUP_LENGTH_BYTES + int(length)
    return str(meta.get("TransferSyntaxUID") or ""), begin


def data_set_sha256(path: Path) -> str:
    """The digest, as hexadecimal digits, of a data set's bytes and of their transfer syntax.

    Not of the meta information, which names the software that wrote the file: the same object
    received by another version of this node has the same digest.

    Raises:
        InvalidDicomError: the file has no meta information.
        OSError: it cannot be read.
    """
    transfer_syntax, begin = data_set_of(path)
    digest = hashlib.sha256(f"{transfer_syntax}\n".encode())
    with path.open("rb") as file:
        file.seek(begin)
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()


class _Sparing:
    """A file of which only so much may be read; passing over costs nothing."""

    def __init__(self, file: BinaryIO, *, whole: bool = True) -> None:
        """``whole``: false when the file goes on, but what follows is not at hand."""
        self._file = file
        self._whole = whole
        self._left = MOST_BYTES
        self.name = ""

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > self._left:
            raise BadStudy(f"its header is larger than {MOST_BYTES // 1024**2} MiB")
        found = self._file.read(size)
        self._left -= len(found)
        if len(found) < size and not self._whole:
            raise BadStudy(f"its header is larger than {MOST_BYTES // 1024**2} MiB")
        if len(found) < size and size > _LONGEST_ELEMENT_HEADER:
            raise BadStudy("it ends within an element of its header")
        return found

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _inflated(file: BinaryIO) -> tuple[bytes, bool]:
    """The beginning of what is deflated here, and whether that is all of it."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    start = bytearray()
    while not inflater.eof and len(start) < MOST_BYTES:
        piece = inflater.unconsumed_tail or file.read(_PIECE_BYTES)
        if not piece:
            break
        start += inflater.decompress(piece, MOST_BYTES - len(start))
    return bytes(start), inflater.eof or len(start) < MOST_BYTES
