"""Each transfer syntax gives the stored values, and what is corrupt or absurd gives a reason."""

from __future__ import annotations

import logging
import random
import resource
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import dcmtk
import numpy as np
import pytest
from builders import chest, identities_in
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from dicom_node.errors import BadStudy
from dicom_node.pixels.decoding import PLUGINS, decode
from dicom_node.pixels.layout import LONGEST_SIDE

STREAMS = Path(__file__).parent / "streams"
ROWS, COLUMNS = 48, 40

#: How each stream is made of a native film: DCMTK's program and its options.
BY_DCMTK: dict[UID, tuple[str, ...]] = {
    JPEGBaseline8Bit: ("dcmcjpeg", "+eb"),
    JPEGExtended12Bit: ("dcmcjpeg", "+ee", "+bt"),
    JPEGLossless: ("dcmcjpeg", "+el", "+sv", "4"),
    JPEGLosslessSV1: ("dcmcjpeg", "+e1"),
    JPEGLSLossless: ("dcmcjpls", "+el"),
    JPEGLSNearLossless: ("dcmcjpls", "+en", "+md", "2"),
    RLELossless: ("dcmcrle",),
    DeflatedExplicitVRLittleEndian: ("dcmconv", "+td"),
    ExplicitVRBigEndian: ("dcmconv", "+tb"),
    ImplicitVRLittleEndian: ("dcmconv", "+ti"),
    ExplicitVRLittleEndian: ("dcmconv", "+te"),
}
ALL = [*BY_DCMTK, JPEG2000Lossless, JPEG2000, HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K]
#: How far a stored value may be from the original: nothing where the syntax loses nothing.
#: (DCMTK's lossy JPEG begins at the film's least value and says so in Rescale Intercept.)
LOSSES = {JPEGBaseline8Bit: 20, JPEGExtended12Bit: 220, JPEGLSNearLossless: 2, JPEG2000: 60,
          HTJ2K: 40}  # fmt: skip

each_syntax = pytest.mark.parametrize("syntax", ALL, ids=lambda one: one.keyword)
each_compressed = pytest.mark.parametrize("syntax", list(PLUGINS), ids=lambda one: one.keyword)


def gradient() -> NDArray[np.uint16]:
    """The picture in ``streams``: 12 bits."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    return (200 + 70 * x + 20 * y + (x * y) % 64).astype(np.uint16)


def native(path: Path, bits: int = 12) -> Path:
    if bits == 8:
        pixels = (gradient() >> 4).astype(np.uint8)
        return chest(path, pixels, BitsAllocated=8, BitsStored=8, HighBit=7)  # type: ignore[arg-type]
    return chest(path, gradient())


def film(folder: Path, syntax: UID) -> tuple[Path, NDArray[np.int64]]:
    """A film of this transfer syntax, and the values that went in."""
    bits = 8 if syntax == JPEGBaseline8Bit else 12
    source, made = native(folder / "native.dcm", bits), folder / f"{syntax.keyword}.dcm"
    values = dcmread(source).pixel_array.astype(np.int64)
    if syntax in BY_DCMTK:
        program, *options = BY_DCMTK[syntax]
        dcmtk.convert(program, *options, source, made)
    elif syntax in (JPEG2000, JPEG2000Lossless):
        dataset = dcmread(source)
        dataset.compress(syntax, **({"j2k_cr": [8]} if syntax == JPEG2000 else {}))
        dataset.save_as(made)
    else:
        dataset = dcmread(source)
        dataset.file_meta.TransferSyntaxUID = syntax
        with_stream(dataset, (STREAMS / f"{syntax.keyword}.j2c").read_bytes(), made)
    return made, values


def with_stream(dataset: Dataset, stream: bytes, path: Path) -> Path:
    dataset.PixelData = encapsulate([stream])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)
    return path


def stream_of(dataset: Dataset) -> bytes:
    (stream,) = generate_frames(dataset.PixelData, number_of_frames=1)
    return stream.rstrip(b"\x00")


def stored(path: Path) -> NDArray[np.int32]:
    decoded = decode(path)
    values: NDArray[np.int32] = decoded.meanings[decoded.words]
    return values


@each_syntax
def test_each_transfer_syntax_gives_the_stored_values(tmp_path: Path, syntax: UID) -> None:
    path, values = film(tmp_path, syntax)
    assert dcmread(path).file_meta.TransferSyntaxUID == syntax
    assert np.abs(stored(path) - values).max() <= LOSSES.get(syntax, 0)


@pytest.mark.parametrize(
    ("options", "bits", "syntax"),
    [(("+eb",), 8, JPEGBaseline8Bit), (("+ee", "+be"), 8, JPEGExtended12Bit),
     (("+ee", "+bt"), 12, JPEGExtended12Bit)],
)  # fmt: skip
def test_lossy_jpeg_is_decoded_as_dcmtk_decodes_it(
    tmp_path: Path, options: tuple[str, ...], bits: int, syntax: UID
) -> None:
    made = tmp_path / "made.dcm"
    dcmtk.convert("dcmcjpeg", *options, native(tmp_path / "native.dcm", bits), made)
    assert dcmread(made).file_meta.TransferSyntaxUID == syntax
    dcmtk.convert("dcmdjpeg", made, tmp_path / "raw.dcm")
    theirs = dcmread(tmp_path / "raw.dcm").pixel_array.astype(int)
    assert np.abs(stored(made) - theirs).max() <= 1  # other rounding in the inverse DCT


@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 15, 16])
@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, RLELossless, JPEGLosslessSV1, JPEGLossless, JPEGLSLossless,
     JPEG2000Lossless],
    ids=lambda one: one.keyword,
)  # fmt: skip
def test_every_number_of_bits_with_and_without_sign(
    tmp_path: Path, syntax: UID, bits: int, signed: bool
) -> None:
    allocated = 8 if bits == 8 else 16
    low = -(1 << bits - 1) if signed else 0
    spread = np.linspace(low, low + (1 << bits) - 1, ROWS * COLUMNS).round()
    values = spread.astype(np.int64).reshape(ROWS, COLUMNS)
    source = chest(
        tmp_path / "native.dcm",
        values.astype(f"{'i' if signed else 'u'}{allocated // 8}"),  # type: ignore[arg-type]
        BitsAllocated=allocated,
        BitsStored=bits,
        HighBit=bits - 1,
        PixelRepresentation=int(signed),
    )
    made = tmp_path / "made.dcm"
    if syntax == JPEG2000Lossless:
        dataset = dcmread(source)
        dataset.compress(syntax)
        dataset.save_as(made)
    else:
        program, *options = BY_DCMTK[syntax]
        dcmtk.convert(program, *options, source, made)
    assert np.array_equal(stored(made), values)


@pytest.mark.parametrize("high", [11, 13, 15])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless],
                         ids=lambda one: one.keyword)  # fmt: skip
def test_bits_beside_the_stored_ones_may_hold_anything(
    tmp_path: Path, syntax: UID, high: int
) -> None:
    """Overlays in unused bits (retired), left-aligned values of old devices, or rubbish."""
    rubbish = np.random.default_rng(3).integers(0, 1 << 16, (ROWS, COLUMNS))
    mask = 0xFFF << (high - 11)
    words = (rubbish & ~mask) | (gradient().astype(np.int64) << (high - 11))
    source = chest(tmp_path / "native.dcm", words.astype(np.uint16), HighBit=high)
    program, *options = BY_DCMTK[syntax]
    dcmtk.convert(program, *options, source, tmp_path / "made.dcm")
    assert np.array_equal(stored(tmp_path / "made.dcm"), gradient())


def test_fragments_of_one_frame_are_joined(tmp_path: Path) -> None:
    path, values = film(tmp_path, JPEGLSLossless)
    dataset = dcmread(path)
    dataset.PixelData = encapsulate([stream_of(dataset)], fragments_per_frame=3, has_bot=False)
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)
    assert np.array_equal(stored(path), values)


def test_nine_ways_to_store_one_slice_give_the_same_values(shared_data: Path) -> None:
    files = sorted((shared_data / "neurolabusc+dcm_qa_ts" / "In").glob("*.dcm"))
    first, *others = (stored(path) for path in files)
    assert len(others) == 8
    for path, values in zip(files[1:], others, strict=True):
        assert np.array_equal(values, first), path.name


def cut(stream: bytes, part: float) -> bytes:
    return stream[: int(len(stream) * part)]


@each_compressed
@pytest.mark.parametrize("ended", [False, True], ids=["cut", "cut and ended"])
def test_a_stream_that_is_cut_short_is_never_half_a_picture(
    tmp_path: Path, syntax: UID, ended: bool
) -> None:
    """Pillow and GDCM fill up with grey, without an error, when an end marker follows."""
    path, _ = film(tmp_path, syntax)
    dataset = dcmread(path)
    stream = stream_of(dataset)
    for part in (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97):
        tail = stream[-2:] if ended else b""
        broken = with_stream(dataset, cut(stream, part) + tail, tmp_path / "broken.dcm")
        reason = r"stream|frame" if ended or syntax == RLELossless else "no end marker"
        with pytest.raises(BadStudy, match=reason) as caught:
            decode(broken)
        assert len(str(caught.value)) < 100, part


def test_an_rle_stream_with_too_many_bytes_is_refused(tmp_path: Path) -> None:
    """It lost its place somewhere; pydicom cuts the rest off and warns."""
    path, _ = film(tmp_path, RLELossless)
    dataset = dcmread(path)
    (stream,) = generate_frames(dataset.PixelData, number_of_frames=1)
    two_more = b"\xff\x07"  # a run (PS3.5 G.3.2)
    with_stream(dataset, stream + two_more, path)
    with pytest.raises(BadStudy, match="the RLE stream is corrupt"):
        decode(path)


SOT = b"\xff\x90\x00\x0a"  # each tile part begins so (ITU-T T.800 A.4.2)


def test_a_stream_of_tiles_needs_every_tile(tmp_path: Path) -> None:
    dataset = dcmread(native(tmp_path / "native.dcm"))
    dataset.file_meta.TransferSyntaxUID = HTJ2KLossless
    stream = (STREAMS / "HTJ2KLossless-tiles.j2c").read_bytes()
    path = with_stream(dataset, stream, tmp_path / "film.dcm")
    assert np.array_equal(stored(path), gradient())
    header, *tiles = stream.removesuffix(b"\xff\xd9").split(SOT)
    assert len(tiles) == 6
    for lost in range(6):
        kept = [SOT + one for number, one in enumerate(tiles) if number != lost]
        with_stream(dataset, b"".join([header, *kept, b"\xff\xd9"]), path)
        with pytest.raises(BadStudy, match="its tiles are not all there"):
            decode(path)


@each_syntax
def test_a_file_that_is_cut_short_is_never_half_a_picture(tmp_path: Path, syntax: UID) -> None:
    path, _ = film(tmp_path, syntax)
    whole = path.read_bytes()
    for part in (0.6, 0.8, 0.95, 0.99):
        path.write_bytes(cut(whole, part))
        with pytest.raises(BadStudy):
            decode(path)


@each_compressed
def test_a_stream_with_flipped_bits_ends_with_a_reason_or_decodes_whole(
    tmp_path: Path, syntax: UID
) -> None:
    """No compressed syntax has a checksum, so some flips nobody can find; but none is a crash."""
    path, _ = film(tmp_path, syntax)
    dataset, chance = dcmread(path), random.Random(5)
    stream = stream_of(dataset)
    for _ in range(25):
        broken = bytearray(stream)
        broken[chance.randrange(len(stream))] ^= 1 << chance.randrange(8)
        try:
            words = decode(with_stream(dataset, bytes(broken), tmp_path / "broken.dcm")).words
        except BadStudy:
            continue
        assert words.shape == (ROWS, COLUMNS)


#: Of 40 flips in each stream so many at least are found; measured, see docs/pixels.md.
FOUND = {JPEGBaseline8Bit: 5, JPEGExtended12Bit: 3, JPEGLSLossless: 20}


@pytest.mark.parametrize("syntax", list(FOUND), ids=lambda one: one.keyword)
def test_flips_that_lose_the_place_in_the_stream_are_found(tmp_path: Path, syntax: UID) -> None:
    path, _ = film(tmp_path, syntax)
    dataset, chance, found = dcmread(path), random.Random(9), 0
    stream = stream_of(dataset)
    for _ in range(40):
        broken = bytearray(stream)
        place = chance.randrange(len(stream) // 2, len(stream) - 2)  # beyond all headers
        broken[place] ^= 1 << chance.randrange(8)
        try:
            decode(with_stream(dataset, bytes(broken), tmp_path / "broken.dcm"))
        except BadStudy:
            found += 1
    assert found >= FOUND[syntax]


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"Rows": 65535, "Columns": 65535}, "not those of a film"),
        ({"Rows": LONGEST_SIDE + 1}, "not those of a film"),
        ({"Rows": 0}, "not those of a film"),
        ({"Rows": None}, "Rows is missing"),
        ({"PixelRepresentation": None}, "PixelRepresentation is missing"),
        ({"Rows": ROWS + 1}, r"PixelData holds 3840 bytes where .* say 3920"),
        ({"Rows": ROWS - 1}, r"PixelData holds 3840 bytes where .* say 3760"),
        ({"Columns": COLUMNS - 1}, "PixelData holds 3840 bytes"),
        ({"PixelData": None}, "holds no pixels"),
        ({"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}, "only 8 and 16"),
        ({"BitsStored": 17, "HighBit": 16}, "do not fit"),
        ({"HighBit": 3}, "do not fit"),
        ({"SamplesPerPixel": 3}, "single greyscale frame"),
        ({"NumberOfFrames": 2}, "single greyscale frame"),
    ],
)
def test_what_the_headers_may_not_say(
    tmp_path: Path, elements: dict[str, Any], reason: str
) -> None:
    path = chest(tmp_path / "film.dcm", gradient(), **elements)
    with pytest.raises(BadStudy, match=reason):
        decode(path)


def test_a_few_spare_bytes_at_the_end_are_no_harm(tmp_path: Path) -> None:
    spare = gradient().tobytes() + b"\x00\x00"
    path = chest(tmp_path / "film.dcm", gradient(), PixelData=spare)
    assert np.array_equal(stored(path), gradient())


@each_compressed
def test_a_stream_of_another_size_than_the_film_is_refused(tmp_path: Path, syntax: UID) -> None:
    path, _ = film(tmp_path, syntax)
    for elements in ({"Rows": ROWS + 8}, {"Columns": COLUMNS - 8}, {"Rows": 9000, "Columns": 9000}):
        dataset = dcmread(path)
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)
        dataset.save_as(tmp_path / "other.dcm")
        with pytest.raises(BadStudy, match="stream"):
            decode(tmp_path / "other.dcm")


#: Streams that are told apart, and under which other names each is the same kind of stream.
KINDS = [
    {JPEGBaseline8Bit, JPEGExtended12Bit},
    {JPEGLossless, JPEGLosslessSV1},
    {JPEGLSLossless, JPEGLSNearLossless},
    {JPEG2000Lossless, JPEG2000, HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K},
    {RLELossless},
]


@pytest.mark.parametrize(
    ("syntax", "said"),
    [(min(kind), said) for kind in KINDS for said in PLUGINS if said not in kind],
    ids=lambda one: one.keyword,
)
def test_a_transfer_syntax_that_is_not_the_stream_s_is_refused(
    tmp_path: Path, syntax: UID, said: UID
) -> None:
    path, _ = film(tmp_path, syntax)
    dataset = dcmread(path)
    dataset.file_meta.TransferSyntaxUID = said
    dataset.save_as(path)
    with pytest.raises(BadStudy, match="stream"):
        decode(path)


def test_a_compressed_film_that_says_it_is_not_is_refused(tmp_path: Path) -> None:
    path, _ = film(tmp_path, JPEGLSLossless)
    dataset = dcmread(path)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    stream = stream_of(dataset)
    dataset.PixelData = stream + bytes(len(stream) % 2)
    dataset["PixelData"].is_undefined_length = False
    dataset.save_as(path)
    with pytest.raises(BadStudy, match="PixelData holds"):
        decode(path)


REFUSED = {
    "2026-05-26-oob-monochrome-65535.dcm": "not those of a film",
    "20-wrong-transfer-syntax.dcm": "no whole stream",
    "MR_truncated.dcm": "PixelData holds",
    "MR_small_padded.dcm": "PixelData holds",
    "SC_rgb_small_odd.dcm": "single greyscale frame",
    "badVR.dcm": "cannot be decoded",
    "PAT001-IM-0001-0000.dcm": "PixelRepresentation is missing",
    "GH223.dcm": "is missing",
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_broken_files_are_refused_with_the_reason(shared_data: Path, name: str) -> None:
    (path,) = shared_data.rglob(name)
    with pytest.raises(BadStudy, match=REFUSED[name]):
        decode(path)


def test_a_stream_of_the_other_sign_is_read_by_the_film_s(shared_data: Path) -> None:
    """13 bits in both, unsigned in the stream, signed in the film: two's complement all the same,
    as GDCM reads it too.
    """
    (path,) = shared_data.rglob("J2K_pixelrep_mismatch.dcm")
    values = stored(path)
    assert values.min() == -2000  # its padding
    assert values.max() < 4096


def test_other_sign_and_other_bits_are_not_guessed(tmp_path: Path) -> None:
    path, _ = film(tmp_path, JPEG2000Lossless)
    dataset = dcmread(path)
    dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit = 1, 11, 10
    dataset.save_as(path)
    with pytest.raises(BadStudy, match="both the number of bits and the sign"):
        decode(path)


def test_a_stream_with_more_bits_than_are_stored_has_to_do_without_them(tmp_path: Path) -> None:
    path, values = film(tmp_path, JPEG2000Lossless)
    dataset = dcmread(path)
    dataset.BitsStored, dataset.HighBit = 11, 10
    dataset.save_as(path)
    assert values.max() > 2047
    with pytest.raises(BadStudy, match="do not fit into BitsStored 11"):
        decode(path)


def test_the_file_of_65535_rows_and_columns_costs_neither_time_nor_memory(
    shared_data: Path,
) -> None:
    (path,) = shared_data.rglob("2026-05-26-oob-monochrome-65535.dcm")
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with pytest.raises(BadStudy):
        decode(path)
    assert time.monotonic() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


def test_no_decoder_under_the_gpl_is_there_or_asked() -> None:
    """pylibjpeg-libjpeg is GPL-3.0. Each syntax has one plug-in, so that none is used by chance."""
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.version("pylibjpeg-libjpeg")
    assert set(PLUGINS.values()) == {"pillow", "gdcm", "pyjpegls", "pylibjpeg", "pydicom"}
    of_pylibjpeg = {uid for uid, plugin in PLUGINS.items() if plugin == "pylibjpeg"}
    found = {
        point.value.split(":")[0].split(".")[0]
        for uid in of_pylibjpeg
        for point in metadata.entry_points(group="pylibjpeg.pixel_data_decoders")
        if point.name == uid
    }
    assert found == {"openjpeg"}
    for package in ("pillow", "python-gdcm", "pyjpegls", "pylibjpeg", "pylibjpeg-openjpeg",
                    "pydicom"):  # fmt: skip
        about = metadata.metadata(package)
        licence = f"{about.get('License')} {about.get('License-Expression')}" + " ".join(
            line for line in about.get_all("Classifier") or () if "License" in line
        )
        assert "GPL" not in licence, package


def test_a_reason_and_the_log_hold_no_identity(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from builders import IDENTITY, variant

    path, _ = film(tmp_path, JPEGLSLossless)
    path = variant(path, path, **IDENTITY)
    dataset = dcmread(path)
    broken = with_stream(dataset, cut(stream_of(dataset), 0.5) + b"\xff\xd9", path)
    with caplog.at_level(logging.DEBUG), pytest.raises(BadStudy) as caught:
        decode(broken)
    assert identities_in(str(caught.value) + caplog.text) == []


MEASURE = """
import resource, sys
from dicom_node.headers import read_study
from dicom_node.pixels import read_frame
from pathlib import Path
(film,) = read_study([Path(sys.argv[1])]).instances
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
frame = read_frame(film)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_large_film_needs_no_copies_without_end(tmp_path: Path) -> None:
    """4000 by 5000 pixels of 16 bits are 38 MB in the file, and a picture of 19 MB."""
    y, x = np.ogrid[0:4000, 0:5000]
    pixels = (x * 0.3 + y * 0.4 + 200).astype(np.uint16)
    path = chest(tmp_path / "film.dcm", pixels)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 200  # MB
