"""What a compressed stream says of itself, and whether all of it is there.

Decoders differ in what they forgive: some return a picture that is half grey, with no word. So a
stream is looked through before it is decoded: its kind, its size against the film's, its end, and
whether its parts add up.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from dicom_node.errors import BadStudy
from dicom_node.pixels import huffman

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"  # EOI is also EOC of JPEG 2000
_SOC_SIZ = b"\xff\x4f\xff\x51"
_FILL, _DHT, _SOS, _DRI, _SOT = 0xFF, 0xC4, 0xDA, 0xDD, b"\xff\x90"
_LOSSLESS, _LS = 0xC3, 0xF7
_AC = 16  # class 1 in the upper half of the byte that names a table (B.2.4.2)
#: Start-of-frame markers: C4, C8 and CC are none (T.81 table B.1); F7 is that of JPEG-LS.
_FRAMES = frozenset({*range(0xC0, 0xD0), _LS}) - {_DHT, 0xC8, 0xCC}
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JP2 = b"\x00\x00\x00\x0cjP  \r\n\x87\n"  # ITU-T T.800 I.5.1
_BOX_BYTES = 8  # length and type of a box
_MOST_BOXES = 32


@dataclass(frozen=True, slots=True)
class Coded:
    """What a stream states: ``frame`` the start-of-frame marker of JPEG (0 for JPEG 2000),
    ``precision`` the bits of a sample, ``signed`` None where the format cannot say.
    """

    frame: int
    rows: int
    columns: int
    components: int
    precision: int
    signed: bool | None = None


def of_jpeg(stream: bytes) -> Coded:
    """Look through a JPEG or JPEG-LS stream.

    Raises:
        BadStudy: it is none, is cut short, or holds fewer or more pixels than it says.
    """
    if not stream.startswith(_SOI):
        raise BadStudy("the stream is not JPEG, as the transfer syntax says it is")
    _must_end(stream)
    try:
        coded, scan = _jpeg_parts(stream)
        if scan is not None and not huffman.is_complete(scan):
            raise BadStudy("the JPEG stream is corrupt: it holds fewer or more pixels than it says")
    except (IndexError, KeyError, struct.error, ValueError):
        raise BadStudy("the JPEG stream is corrupt: its header makes no sense") from None
    return coded


def of_jpeg_2000(stream: bytes) -> Coded:
    """Look through a JPEG 2000 or HTJ2K codestream (ITU-T T.800 Annex A).

    Raises:
        BadStudy: it is none, is cut short, or lacks a tile.
    """
    start = _codestream(stream)
    if not stream.startswith(_SOC_SIZ, start):
        raise BadStudy("the stream is not JPEG 2000, as the transfer syntax says it is")
    _must_end(stream)
    try:
        right, bottom, left, top, wide, high, x0, y0, components = struct.unpack_from(
            ">8IH", stream, start + 8
        )
        depth = stream[start + 42]
        tiles = ceil((right - x0) / wide) * ceil((bottom - y0) / high)
        seen = _tiles(stream, start)
        complete = len(seen) == tiles and max(seen) < tiles
    except (IndexError, struct.error, ValueError, ZeroDivisionError):
        raise BadStudy("the JPEG 2000 stream is corrupt: its header makes no sense") from None
    if not complete:
        raise BadStudy("the JPEG 2000 stream is corrupt: its tiles are not all there")
    return Coded(0, bottom - top, right - left, components, (depth & 0x7F) + 1, depth > 0x7F)  # noqa: PLR2004


def _must_end(stream: bytes) -> None:
    if not stream.rstrip(b"\x00").endswith(_EOI):
        raise BadStudy("the compressed stream is cut short: it has no end marker")


def _jpeg_parts(stream: bytes) -> tuple[Coded, huffman.Scan | None]:
    """What the headers say, and the one scan where it is Huffman-coded and of one component."""
    tables: dict[int, bytes] = {}
    coded, interval = None, 0
    segments = list(_segments(stream))
    for marker, segment, _ in segments:
        if marker in _FRAMES and coded is not None:
            raise ValueError("two frames: nobody knows which one a decoder takes")
        if marker in _FRAMES:
            coded = _frame(marker, segment)
        elif marker == _DHT:
            tables |= _huffman_tables(segment)
        elif marker == _DRI:
            (interval,) = struct.unpack(">H", segment)
    if coded is None:
        raise ValueError("no frame")
    if coded.frame == _LS or coded.components != 1:
        return coded, None
    _, header, end = segments[-1]
    return coded, _scan(coded, header, tables, _entropy_coded(stream, end), interval)


def _scan(
    coded: Coded, header: bytes, tables: dict[int, bytes], data: bytes, interval: int
) -> huffman.Scan:
    """The scan by its header: component count, component, its two tables (B.2.3)."""
    dc = tables[header[2] >> 4]
    if coded.frame == _LOSSLESS:
        return huffman.Scan(data, dc, None, coded.rows * coded.columns, interval)
    blocks = ceil(coded.rows / 8) * ceil(coded.columns / 8)
    return huffman.Scan(data, dc, tables[_AC + (header[2] & 15)], blocks, interval)


def _segments(stream: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Marker, contents and end of each segment up to and with the header of the first scan."""
    place, marker = 2, 0
    while marker != _SOS:
        while stream[place + 1] == _FILL:  # any number of these before a marker (B.1.1.2)
            place += 1
        marker, (length,) = stream[place + 1], struct.unpack_from(">H", stream, place + 2)
        if stream[place] != _FILL:
            raise ValueError("no marker")
        end = place + 2 + length
        yield marker, stream[place + 4 : end], end
        place = end


def _frame(marker: int, segment: bytes) -> Coded:
    precision, rows, columns, components = struct.unpack_from(">BHHB", segment)
    return Coded(marker, rows, columns, components, precision)


def _huffman_tables(segment: bytes) -> dict[int, bytes]:
    """The tables of one DHT segment by class and number: 0 to 3 for DC, 16 to 19 for AC."""
    tables, place = {}, 0
    while place < len(segment):
        size = 17 + sum(segment[place + 1 : place + 17])
        tables[segment[place]] = segment[place + 1 : place + size]
        place += size
    return tables


def _entropy_coded(stream: bytes, start: int) -> bytes:
    after = _NEXT_MARKER.search(stream, start)
    if after is None or not stream.startswith(_EOI, after.start()):
        raise ValueError("more than one scan")
    return stream[start : after.start()]


def _codestream(stream: bytes) -> int:
    """Where the codestream begins: at once, or in a JP2 file (ITU-T T.800 I.4) in its box. Bytes
    that look like its beginning may stand in another box, and the decoder does not look there.
    """
    place = 0
    for _ in range(_MOST_BOXES if stream.startswith(_JP2) else 0):
        if place + _BOX_BYTES > len(stream):
            break
        length, kind = struct.unpack_from(">L4s", stream, place)
        if kind == b"jp2c":
            return place + _BOX_BYTES
        place += max(length, _BOX_BYTES)
    return 0


def _tiles(stream: bytes, start: int) -> set[int]:
    """The tiles whose parts follow each other up to the end marker (A.4.2, Psot)."""
    seen: set[int] = set()
    place = start + 2
    while not stream.startswith(_SOT, place):  # the main header
        place += 2 + int(struct.unpack_from(">H", stream, place + 2)[0])
    while stream.startswith(_SOT, place):
        tile, length = struct.unpack_from(">HI", stream, place + 4)
        seen.add(tile)
        place = place + length if length else len(stream.rstrip(b"\x00")) - 2
    if not stream.startswith(_EOI, place):
        raise ValueError("tile parts do not end at the end marker")
    return seen
