"""Small files that ask for much memory or time end with a reason, before they get it.

Each is read in a process of its own that may have little memory, as the door reads it, as a worker
reads its header, or as a worker decodes it.
"""

from __future__ import annotations

import io
import re
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from builders import chest
from pydicom import dcmread
from pydicom.datadict import tag_for_keyword
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomFileLike
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, RLELossless
from receiving import DEFLATED, EXPLICIT, dataset, encoded, part10

from dicom_node.errors import BadStudy
from dicom_node.headers import read_study

MEBIBYTE = 1024**2
_OF = {
    "door": "from dicom_node.receive.header import read_header as read",
    "worker": "from dicom_node.headers import read_study\ndef read(path): read_study([path])",
    "decoder": "from dicom_node.pixels.decoding import decode as read",
}
_SCRIPT = """
import resource, sys, time
from pathlib import Path
from dicom_node.errors import BadStudy
{reader}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
begun = time.process_time()
try:
    read(Path(sys.argv[1]))
    why = "read"
except BadStudy as error:
    why = str(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, time.process_time() - begun, why)
"""


def read(path: Path, by: str, megabytes: int, seconds: float = 20) -> str:
    """Why it is refused; it may take so much memory more than before, and time of the CPU."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _SCRIPT.format(reader=_OF[by]), str(path)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    grown, took, why = done.stdout.split(maxsplit=2)
    assert int(grown) < megabytes * 1024, why
    assert float(took) < seconds, why
    return why.strip()


UNDEFINED = 0xFFFFFFFF
ITEM = struct.pack("<HHL", 0xFFFE, 0xE000, 0)
SEQUENCE_END = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


def sequence(tag: int, content: bytes, *, defined: bool = False) -> bytes:
    length = len(content) if defined else UNDEFINED
    head = struct.pack("<HH2s2xL", tag >> 16, tag & 0xFFFF, b"SQ", length)
    return head + content + (b"" if defined else SEQUENCE_END)


def nested(depth: int) -> bytes:
    begin = struct.pack("<HH2s2xL", 0x0008, 0x1140, b"SQ", UNDEFINED)
    begin += struct.pack("<HHL", 0xFFFE, 0xE000, UNDEFINED)
    return begin * depth + (struct.pack("<HHL", 0xFFFE, 0xE00D, 0) + SEQUENCE_END) * depth


def private(number: int) -> bytes:
    """So many elements of private creators."""
    return b"".join(
        struct.pack("<HH2sH", 0x0009 + 2 * (one // 0xF0 % 20), 0x10 + one % 0xF0, b"LO", 2) + b"X "
        for one in range(number)
    )


#: What stands in a header, where, and why the door and a worker refuse it.
HEADERS: dict[str, tuple[Callable[[], bytes], str, str, str]] = {
    "a million items": (
        lambda: sequence(0x00080006, ITEM * 1_000_000), "early",
        "more than 25000 elements", "more than 100000 elements",
    ),
    "a million items behind": (
        lambda: sequence(0x00211010, ITEM * 1_000_000), "late",
        "more than 25000 elements", "more than 100000 elements",
    ),
    "items in a value that is read": (
        lambda: sequence(0x00081032, ITEM * 1_000_000, defined=True), "early",
        "read", "read",
    ),
    "items in a value that a worker reads": (
        lambda: sequence(0x00189004, b"", defined=True)
        + sequence(0x00211010, ITEM * 8, defined=True)
        + sequence(0x00400275, ITEM * 1_000_000, defined=True), "late",
        r"element \(0040,0275\) is larger than 256 KiB", "read",
    ),
    "nested": (lambda: nested(100_000), "early", "RecursionError", "RecursionError"),
    "private creators": (
        lambda: private(300_000), "late", "more than 25000 elements", "more than 100000 elements"
    ),
    "a value without end": (
        lambda: struct.pack("<HH2s2xL", 0x0021, 0x1010, b"OB", UNDEFINED) + bytes(80 * MEBIBYTE)
        + SEQUENCE_END, "late", "larger than 4 MiB", "larger than 64 MiB",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(HEADERS))
def test_a_header_costs_little_whatever_is_in_it(tmp_path: Path, name: str) -> None:
    content, where, at_door, at_worker = HEADERS[name]
    made = dataset()
    plain = encoded(made, EXPLICIT)
    at = 0 if where == "early" else plain.index(struct.pack("<HH", 0x0028, 0x0002))
    path = part10(tmp_path / "a.dcm", made, plain[:at] + content() + plain[at:], EXPLICIT)
    for by, expected, megabytes in (("door", at_door, 60), ("worker", at_worker, 200)):
        why = read(path, by, megabytes)
        assert re.search(expected, why), f"{by}: {why}"


@pytest.mark.parametrize("by", ["worker", "decoder"])
def test_a_deflated_film_is_inflated_no_further_than_films_are_large(
    tmp_path: Path, by: str
) -> None:
    made = dataset()
    plain = encoded(made, EXPLICIT)
    at = plain.index(struct.pack("<HH", 0x0028, 0x0002)) if by == "worker" else len(plain)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    head = struct.pack("<HH2s2xL", 0x0021 if by == "worker" else 0x7FE1, 0x1010, b"OB", 10**9)
    content = deflate.compress(plain[:at] + head)
    content += b"".join(deflate.compress(bytes(MEBIBYTE)) for _ in range(1000)) + deflate.flush()
    path = part10(tmp_path / "bomb.dcm", made, content, DEFLATED)
    why = read(path, by, 200 if by == "worker" else 1300)
    assert "larger than" in why


def _with(path: Path, syntax: str, stream: bytes, **elements: int) -> Path:
    film = dcmread(chest(path, np.zeros((48, 40), np.uint16)))
    film.file_meta.TransferSyntaxUID = syntax
    for keyword, value in elements.items():
        setattr(film, keyword, value)
    film.PixelData = encapsulate([stream])
    film["PixelData"].is_undefined_length = True
    film.save_as(path)
    return path


def _jpeg_2000(rows: int, columns: int, tile: int) -> bytes:
    size = struct.pack(">HH8IH3B", 41, 0, columns, rows, 0, 0, tile, tile, 0, 0, 1, 11, 1, 1)
    part = b"\xff\x90" + struct.pack(">HHIBB", 10, 0, 14, 0, 1) + b"\xff\x93"
    return b"\xff\x4f\xff\x51" + size + part + b"\xff\xd9"


def test_a_jpeg_2000_stream_of_a_hundred_million_tiles(tmp_path: Path) -> None:
    path = _with(tmp_path / "a.dcm", JPEG2000Lossless, _jpeg_2000(10_000, 10_000, 1),
                 Rows=10_000, Columns=10_000)  # fmt: skip
    assert "its tiles are not all there" in read(path, "decoder", 60)


def test_a_codestream_in_another_box_is_not_taken_for_the_one_that_is_decoded(
    tmp_path: Path,
) -> None:
    """The decoder would find one of 60,000 by 60,000 pixels behind it."""
    signature = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
    decoy, real = _jpeg_2000(48, 40, 64), _jpeg_2000(60_000, 60_000, 60_000)
    boxes = b"".join(
        struct.pack(">L4s", len(content) + 8, kind) + content
        for kind, content in ((b"free", decoy), (b"jp2c", real))
    )
    path = _with(tmp_path / "a.dcm", JPEG2000Lossless, signature + boxes)
    assert "the stream holds 60000 rows" in read(path, "decoder", 60)


def test_an_rle_stream_of_a_hundred_thousand_runs_too_many(tmp_path: Path) -> None:
    """Of 20 MB pydicom makes 1.3 GB before it counts."""
    runs = b"\x81\x00" * 5_000_000
    head = struct.pack("<16L", 2, 64, 64 + len(runs), *[0] * 13)
    path = _with(tmp_path / "a.dcm", RLELossless, head + runs * 2)
    assert "the RLE stream is corrupt" in read(path, "decoder", 100)


def test_a_jpeg_stream_of_two_frames_is_refused(tmp_path: Path) -> None:
    """A decoder takes the first, whose size nobody has looked at."""

    def frame(rows: int, columns: int) -> bytes:
        return b"\xff\xc0" + struct.pack(">HBHHB3B", 11, 8, rows, columns, 1, 1, 0x11, 0)

    scan = b"\xff\xda" + struct.pack(">HB2B3B", 8, 1, 1, 0, 0, 63, 0)
    stream = b"\xff\xd8" + frame(65_000, 65_000) + frame(48, 40) + scan + b"\x00" * 9 + b"\xff\xd9"
    path = _with(tmp_path / "a.dcm", JPEGBaseline8Bit, stream,
                 BitsAllocated=8, BitsStored=8, HighBit=7)  # fmt: skip
    assert "its header makes no sense" in read(path, "decoder", 60)


@pytest.mark.parametrize(
    "keyword", ["PatientOrientation", "SeriesDescription", "ProtocolName", "ViewPosition",
                "BodyPartExamined", "PatientName", "PatientID", "AcquisitionTime"],
)  # fmt: skip
@pytest.mark.parametrize("word", ["L", "wirbel", "pa ", "^", "1", "é", "\\L"])
def test_long_texts_take_no_time(tmp_path: Path, keyword: str, word: str) -> None:
    """Some patterns would take time as the square of the length."""
    made = dataset(SpecificCharacterSet="ISO_IR 192")
    content = _replaced(encoded(made, EXPLICIT), keyword, (word * 60_000).encode()[:60_000])
    path = part10(tmp_path / "a.dcm", made, content, EXPLICIT)
    begun = time.process_time()
    with suppress(BadStudy):
        read_study([path])
    assert time.process_time() - begun < 3


def _replaced(plain: bytes, keyword: str, value: bytes) -> bytes:
    """The data set with a value of this length, whatever its VR allows."""
    tag = tag_for_keyword(keyword)
    assert tag is not None
    before = read_dataset(io.BytesIO(plain), False, True, stop_when=lambda one, *_: one >= tag)
    written = io.BytesIO()
    out = DicomFileLike(written)
    out.is_little_endian, out.is_implicit_VR = True, False
    write_dataset(out, before)
    start = len(written.getvalue())
    rest = plain[start:]
    if rest[:4] == struct.pack("<HH", tag >> 16, tag & 0xFFFF):
        rest = rest[8 + struct.unpack_from("<H", rest, 6)[0] :]
    vr = b"PN" if keyword == "PatientName" else b"LO"
    value += b" " * (len(value) % 2)
    return (
        plain[:start]
        + struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value))
        + value
        + rest
    )
