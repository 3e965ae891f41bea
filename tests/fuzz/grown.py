"""Data sets that hypothesis grows: elements in any order, of any VR, with lengths that lie."""

from __future__ import annotations

import struct

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

_TAGS = (
    0x00080005, 0x00080016, 0x00080018, 0x00080060, 0x00100010, 0x00100020, 0x00100030, 0x0020000D,
    0x0020000E, 0x00200020, 0x00280002, 0x00280004, 0x00280008, 0x00280010, 0x00280011, 0x00280100,
    0x00280101, 0x00280103, 0x00281050, 0x00283000, 0x0018A001, 0x00400275, 0x0040A730, 0x7FE00010,
    0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD,
)  # fmt: skip
_LONG = (b"OB", b"OW", b"UN", b"UT", b"SQ", b"UC", b"UR")
_SHORT = (b"UI", b"PN", b"LO", b"CS", b"DA", b"TM", b"IS", b"DS", b"US", b"SS", b"AT", b"FD", b"ZZ")

_values = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=20).map(str.encode),
    st.from_regex(rb"[0-9.]{1,64}", fullmatch=True),
    st.sampled_from((
        b"1.2.840.10008.5.1.4.1.1.1", b"../../etc/passwd", b"/etc/passwd\0", b"1.2.3",
        b"ISO_IR 192", b"\\ISO 2022 IR 87", b"MONOCHROME2",
        struct.pack("<H", 16), struct.pack("<H", 65535),
    )),
)  # fmt: skip


@st.composite
def _elements(draw: st.DrawFn, inner: st.SearchStrategy[bytes] = _values) -> bytes:
    tag = draw(st.one_of(st.sampled_from(_TAGS), st.integers(0x00080000, 0xFFFFFFFF)))
    value = draw(inner)
    lie = draw(st.one_of(st.none(), st.none(), st.none(), st.integers(0, 0xFFFFFFFF)))
    length = len(value) if lie is None else lie
    vr = draw(st.sampled_from(_LONG + _SHORT))
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    if vr in _LONG:
        return head + struct.pack("<2xL", length) + value
    return head + struct.pack("<H", length & 0xFFFF) + value


def _nested(children: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    def item(content: bytes) -> bytes:
        return struct.pack("<HHL", 0xFFFE, 0xE000, len(content)) + content

    return _elements(st.lists(children, max_size=4).map(lambda some: item(b"".join(some))))


_trees = st.recursive(_elements(), _nested, max_leaves=12)
_data_sets = st.lists(_trees, min_size=1, max_size=12).map(b"".join)


def data_sets(count: int, seeded: int) -> list[bytes]:
    """So many, about: the same for the same seed."""
    found: list[bytes] = []

    @seed(seeded)
    @settings(max_examples=count, database=None, deadline=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(_data_sets)
    def collect(content: bytes) -> None:
        found.append(content)

    collect()
    return found
