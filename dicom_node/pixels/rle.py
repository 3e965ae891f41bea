"""Whether an RLE stream holds the pixels that a film states (PS3.5 Annex G), before it is decoded.

Two bytes may stand for 128, and pydicom decodes all that is there before it counts: of a stream of
200 MB it would make 13 GB.
"""

from __future__ import annotations

import struct

_SEGMENTS = 15  # for which the header has room (G.5)
_HEADER_BYTES = 64
_NOTHING = 128  # a byte that stands for none (G.3.2)


def fits(stream: bytes, segments: int, pixels: int) -> bool:
    """Whether a stream has so many segments, each of so many bytes when decoded; a padding byte
    may follow.

    Raises:
        struct.error: its header is cut short.
    """
    stated, *offsets = struct.unpack_from(f"<{1 + _SEGMENTS}L", stream)
    if stated != segments or offsets[0] < _HEADER_BYTES:
        return False
    ends = [*offsets[1:segments], len(stream)]
    return all(
        start <= end <= len(stream) and _decoded(stream, start, end, pixels) == pixels
        for start, end in zip(offsets[:segments], ends, strict=True)
    )


def _decoded(stream: bytes, place: int, end: int, most: int) -> int:
    """The bytes that a segment stands for; as soon as they are more than ``most``, any such."""
    decoded = 0
    while place < end - 1 and decoded <= most:
        code = stream[place]
        if code < _NOTHING:
            decoded, place = decoded + code + 1, place + code + 2
        elif code > _NOTHING:
            decoded, place = decoded + 257 - code, place + 2
        else:
            place += 1
    return decoded
