"""Whether a Huffman-coded JPEG scan holds exactly the pixels that its header promises.

JPEG has no checksum, and libjpeg, in Pillow as in GDCM, fills up with grey what it does not find,
without an error. So the codes are counted here, without decoding them: a scan that ends early, or
goes on after its last pixel, is a corrupt one (ITU-T T.81: Annex F.2 for DCT, H.2 for lossless).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: A byte table over every 16 bits that may come next in the stream.
_Table = NDArray[np.uint8]

_CHUNK = 1 << 19  # bytes of the stream looked at in one go: bounds the memory, not the result
_RESTART = re.compile(rb"\xff+[\xd0-\xd7]")
_BLOCK = 64  # coefficients of a block of 8 by 8
_SPARE_BITS = 15  # a scan is filled up to the whole byte; one byte more is forgiven


@dataclass(frozen=True, slots=True)
class Scan:
    """The one scan of a single-component JPEG stream.

    ``coded`` are the entropy-coded bytes between the scan's header and the next marker that is no
    restart marker; ``dc`` and ``ac`` the Huffman tables in use (BITS and HUFFVAL, T.81 B.2.4.2),
    ``ac`` None for lossless; ``units`` the number of 8 by 8 blocks, or of pixels if lossless;
    ``interval`` the units between restart markers, 0 for none.
    """

    coded: bytes
    dc: bytes
    ac: bytes | None
    units: int
    interval: int = 0


def is_complete(scan: Scan) -> bool:
    """Whether the codes of the scan are as many as its units need, no less and no more.

    Raises:
        ValueError: a Huffman table is none.
    """
    parts = _RESTART.split(scan.coded) if scan.interval else [scan.coded]
    sizes = _sizes(scan.units, scan.interval)
    if len(parts) != len(sizes):
        return False
    tables = _tables(scan)
    return all(
        _fits(part.replace(b"\xff\x00", b"\xff"), tables, units)
        for part, units in zip(parts, sizes, strict=True)
    )


def _sizes(units: int, interval: int) -> list[int]:
    if not interval:
        return [units]
    whole, rest = divmod(units, interval)
    return [interval] * whole + ([rest] if rest else [])


def _fits(data: bytes, tables: tuple[_Table, ...], units: int) -> bool:
    end = (_walk_pixels if len(tables) == 1 else _walk_blocks)(data, tables, units)
    return end is not None and 0 <= 8 * len(data) - end <= _SPARE_BITS


def _tables(scan: Scan) -> tuple[_Table, ...]:
    """How many bits each first difference takes; for DCT also each coefficient, and how far on
    in its block it leads.
    """
    length, value = _codes(scan.dc)
    first = length + np.where(value < 16, value, 0)  # noqa: PLR2004 - 16 has no bits (H.1.2.2)
    if scan.ac is None:
        return (first.astype(np.uint8),)
    length, value = _codes(scan.ac)
    run, bits = value >> 4, value & 15
    onward = np.where((bits > 0) | (run == 15), run + 1, _BLOCK)  # noqa: PLR2004 - ZRL, else EOB
    onward[length == 0] = _BLOCK
    return first.astype(np.uint8), (length + bits).astype(np.uint8), onward.astype(np.uint8)


def _codes(table: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each 16 bits: the length of the code that they begin with, 0 for none, and its value."""
    counts, values = table[:16], table[16:]
    if len(values) < sum(counts):
        raise ValueError("Huffman table is cut short")
    length, value = np.zeros(1 << 16, np.int64), np.zeros(1 << 16, np.int64)
    start, taken = 0, 0
    for bits, count in enumerate(counts, start=1):
        width = 1 << (16 - bits)
        for one in values[taken : taken + count]:
            length[start : start + width], value[start : start + width] = bits, one
            start += width
        taken += count
    if start > 1 << 16:
        raise ValueError("Huffman table has too many codes")
    return length, value


def _at_each_bit(data: bytes, start: int, tables: tuple[_Table, ...]) -> list[bytes]:
    """What the tables say of the 16 bits from each bit of a chunk on."""
    part = np.frombuffer(data[start : start + _CHUNK + 2] + b"\xff\xff", np.uint8).astype(np.uint32)
    size = min(_CHUNK, len(data) - start)
    three = (part[:size] << 16) | (part[1 : size + 1] << 8) | part[2 : size + 2]
    shifts = np.arange(8, 0, -1, dtype=np.uint32)
    next16 = ((three[:, None] >> shifts) & 0xFFFF).astype(np.uint16)
    return [table[next16].tobytes() for table in tables]


def _walk_pixels(data: bytes, tables: tuple[_Table, ...], units: int) -> int | None:
    """The bit behind the last of the differences; None if the stream ends before."""
    left, place = units, 0
    for start in range(0, len(data), _CHUNK):
        (steps,) = _at_each_bit(data, start, tables)
        place, size = place - 8 * start, len(steps)
        while left and place < size:
            place += steps[place] or size  # no code begins so: beyond the end
            left -= 1
        place += 8 * start
    return place if not left else None


def _walk_blocks(data: bytes, tables: tuple[_Table, ...], units: int) -> int | None:
    """The bit behind the last block; None if the stream ends before."""
    left, place, at = units, 0, 0
    for start in range(0, len(data), _CHUNK):
        firsts, steps, onward = _at_each_bit(data, start, tables)
        place, size = place - 8 * start, len(steps)
        while left and place < size:
            if not at:
                place, at = place + firsts[place], 1
            while at < _BLOCK and place < size:
                at += onward[place]
                place += steps[place] or size
            if at >= _BLOCK:
                left, at = left - 1, 0
        place += 8 * start
    return place if not left else None
