"""Parts of a DICOM file: its first elements, read within a bound, and its data set as bytes.

A header is small, but what stands before it in the file need not be: a private element may be as
large as the file, and a deflated data set (PS3.5 A.5) of one megabyte may inflate to a gigabyte.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn, TypeVar, cast

from pydicom import Dataset
from pydicom.datadict import dictionary_has_tag, dictionary_VR, tag_for_keyword
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_dataset, read_file_meta_info, read_partial
from pydicom.tag import Tag

from dicom_node.errors import BadStudy


@dataclass(frozen=True, slots=True)
class Bound:
    """What is read of a file, at most. An empty item of eight bytes takes 700 in memory, and
    40 microseconds.

    ``bytes``: read, or inflated; what is passed over does not count. ``reads``: of elements, items
    and values; some two for each. ``value``: bytes of one value that is kept, where it may hold
    items.
    """

    what: str
    bytes: int
    reads: int
    value: int


#: While a sender waits for its answer; a thousand times what headers have.
AT_THE_DOOR = Bound("its header", 4 * 1024**2, 50_000, 256 * 1024)
#: A header that is read by a worker.
OF_A_HEADER = Bound("its header", 64 * 1024**2, 200_000, 256 * 1024)
#: A film with its pixels: of 10,000 by 10,000 pixels they have 200 MB.
OF_A_FILM = Bound("the film", 384 * 1024**2, 200_000, 1024**2)

#: The whole data set is deflated (PS3.5 A.5, A.7, A.10); pydicom knows the first only.
_DEFLATED = (
    "1.2.840.10008.1.2.1.99",  # Deflated Explicit VR Little Endian
    "1.2.840.10008.1.2.4.95",  # JPIP Referenced Deflate
    "1.2.840.10008.1.2.4.205",  # JPIP HTJ2K Referenced Deflate
)
#: Most of what comes: whether its VR is implicit, and whether it is little endian (PS3.5 A.1, A.2).
_SIMPLE = {"1.2.840.10008.1.2": (True, True), "1.2.840.10008.1.2.1": (False, True)}
_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
_PREAMBLE_BYTES = 132  # with the prefix DICM (PS3.10 7.1)
_GROUP_LENGTH_BYTES = 12  # the element (0002,0000) itself, which it does not count
_LONGEST_ELEMENT_HEADER = 8
_UNDEFINED = 0xFFFFFFFF  # length, PS3.5 7.1.2
_PIECE_BYTES = 65_536


def first_part(
    path: Path,
    keywords: Collection[str],
    *,
    needed: Collection[str],
    bound: Bound = AT_THE_DOOR,
    known: tuple[str, int] | None = None,
) -> Dataset:
    """Some elements of a Part 10 file that stand before its pixels.

    Reading ends behind the last of ``keywords`` once all ``needed`` have been seen, else (in a
    data set out of order, against PS3.5 7.1) at the pixels. Elements between are passed over.
    ``known`` is what :func:`data_set_of` would say of the file, where that is known already.

    Raises:
        BadStudy: more than ``bound`` would have to be read, or an element is cut short.
        OSError: the file cannot be read.
        Exception: of those in ``headers.UNDECODABLE``, where it is no DICOM.
    """
    tags = [cast(int, tag_for_keyword(keyword)) for keyword in keywords]
    missing = {tag_for_keyword(keyword) for keyword in needed}
    last = max(tags)

    def stop(tag: int, vr: str | None, length: int) -> bool:  # noqa: ARG001 - pydicom gives them
        missing.discard(tag)
        if tag in tags:
            _check_value(tag, length, bound.value)
        return tag in _PIXELS or (tag > last and not missing)

    if known is not None and known[0] in _SIMPLE:
        with path.open("rb") as file:
            file.seek(known[1])
            source = _Sparing(file, bound)
            return source.telling(
                lambda: read_dataset(source, *_SIMPLE[known[0]], stop_when=stop, specific_tags=tags)  # type: ignore[arg-type]
            )
    return _read(path, bound, lambda _: stop, tags)


def film(path: Path) -> Dataset:
    """All of a Part 10 file, as far as a film can be large.

    Raises:
        BadStudy: it is larger, inflated or as it is, or one of its sequences is absurd.
        OSError: the file cannot be read.
        Exception: of those in ``headers.UNDECODABLE``, where it is no DICOM.
    """

    def check(source: _Sparing) -> _Stop:
        def stop(tag: int, vr: str | None, length: int) -> bool:
            source.is_at_pixels = tag in _PIXELS
            if (vr or _vr(tag)) == "SQ":
                _check_value(tag, length, OF_A_FILM.value)
            return False

        return stop

    return _read(path, OF_A_FILM, check, None)


_Read = TypeVar("_Read")
_Stop = Callable[[int, str | None, int], bool]


def _read(
    path: Path, bound: Bound, stop: Callable[[_Sparing], _Stop], tags: list[int] | None
) -> Dataset:
    with path.open("rb") as file:
        meta = read_file_meta_info(path)
        if meta.get("TransferSyntaxUID") not in _DEFLATED:
            source = _Sparing(file, bound)
            return source.telling(
                lambda: read_partial(source, stop_when=stop(source), specific_tags=tags)  # type: ignore[arg-type]
            )
        file.seek(data_set_of(path)[1])
        start, whole = _inflated(file, bound.bytes)
        source = _Sparing(io.BytesIO(start), bound, whole=whole)
        found = source.telling(
            lambda: read_dataset(source, False, True, stop_when=stop(source), specific_tags=tags)  # type: ignore[arg-type]
        )
        return FileDataset(path, found, file_meta=meta, is_implicit_VR=False)


def _check_value(tag: int, length: int, most: int) -> None:
    if length != _UNDEFINED and length > most:
        raise BadStudy(f"its element {Tag(tag)} is larger than {most // 1024} KiB")


def _vr(tag: int) -> str:
    return dictionary_VR(tag) if dictionary_has_tag(tag) else ""


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

    def __init__(self, file: BinaryIO, bound: Bound, *, whole: bool = True) -> None:
        """``whole``: false when the file goes on, but what follows is not at hand."""
        self._file = file
        self._whole = whole
        self._bound = bound
        self._bytes, self._reads = bound.bytes, bound.reads
        self._too_large = f"{bound.what} is larger than {bound.bytes // 1024**2} MiB"
        self._refusal: BadStudy | None = None
        self.is_at_pixels = False
        self.name = ""

    def telling(self, read: Callable[[], _Read]) -> _Read:
        """What is read by pydicom, which makes an OSError of all that happens within a sequence.

        Raises:
            BadStudy: more was to be read than may be.
            EOFError: a sequence ends where it should not.
            OSError: the file cannot be read.
        """
        try:
            return read()
        except OSError as error:
            if self._refusal is not None:
                raise self._refusal from None
            if error.errno is None:
                raise EOFError from None
            raise

    def read(self, size: int = -1) -> bytes:
        self._reads -= 1
        if size < 0 or size > self._bytes:
            self._refuse(self._too_large)
        if self._reads < 0:
            most = self._bound.reads // 2
            self._refuse(f"{self._bound.what} has more than {most} elements and items")
        found = self._file.read(size)
        self._bytes -= len(found)
        if len(found) < size and not self._whole:
            self._refuse(self._too_large)
        if len(found) < size and size > _LONGEST_ELEMENT_HEADER and not self.is_at_pixels:
            self._refuse("it ends within an element of its header")
        return found

    def _refuse(self, why: str) -> NoReturn:
        self._refusal = BadStudy(why)
        raise self._refusal

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _inflated(file: BinaryIO, most: int) -> tuple[bytes, bool]:
    """The beginning of what is deflated here, and whether that is all of it."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    start = bytearray()
    while not inflater.eof and len(start) < most:
        piece = inflater.unconsumed_tail or file.read(_PIECE_BYTES)
        if not piece:
            break
        start += inflater.decompress(piece, most - len(start))
    return bytes(start), inflater.eof or len(start) < most
