"""How stored values become greys where the film's own presentation is missing, odd or wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dcmtk
import numpy as np
import pytest
from builders import IDENTITY, chest, identities_in
from numpy.typing import NDArray
from pydicom import Dataset

from dicom_node.errors import BadStudy
from dicom_node.headers import read_study
from dicom_node.pixels import read_frame
from dicom_node.study import Frame

NO_WINDOW: dict[str, Any] = {"WindowCenter": None, "WindowWidth": None}
RANGE = "it is shown over the range of its own values, without the outermost 0.1 % at both ends."


def ramp(low: int = 0, high: int = 4095) -> NDArray[np.uint16]:
    return np.linspace(low, high, 64 * 64).round().astype(np.uint16).reshape(64, 64)


def frame(path: Path) -> Frame:
    (film,) = read_study([path]).instances
    return read_frame(film)


def shown(folder: Path, pixels: NDArray[np.uint16] | None = None, **elements: Any) -> Frame:
    return frame(chest(folder / "film.dcm", ramp() if pixels is None else pixels, **elements))


def table(values: NDArray[Any], first: int = 0, bits: int = 16, count: int | None = None) -> Any:
    """The one item of a Modality LUT or VOI LUT Sequence."""
    item = Dataset()
    item.LUTDescriptor = [len(values) if count is None else count, first, bits]
    item.LUTData = values.tobytes()
    item["LUTData"].VR = "OW"
    item.ModalityLUTType = "US"
    return [item]


def curve(length: int = 4096, top: int = 65535) -> NDArray[np.uint16]:
    return (np.linspace(0, 1, length) ** 2 * top).round().astype(np.uint16)


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        (NO_WINDOW, ""),
        ({"WindowCenter": None}, "centres and widths differ in number"),
        ({"WindowWidth": None}, "centres and widths differ in number"),
        ({"WindowCenter": [2048, 1000]}, "centres and widths differ in number"),
        ({"WindowWidth": 0}, "its width is less than its function allows"),
        ({"WindowWidth": -4096}, "its width is less than its function allows"),
        ({"WindowWidth": 0.5}, "its width is less than its function allows"),
        (
            {"WindowWidth": 0, "VOILUTFunction": "LINEAR_EXACT"},
            "its width is less than its function allows",
        ),
        (
            {"WindowWidth": -1, "VOILUTFunction": "SIGMOID"},
            "its width is less than its function allows",
        ),
        ({"WindowCenter": 60000}, "it leaves nearly every pixel black or white"),
        ({"WindowCenter": -60000}, "it leaves nearly every pixel black or white"),
        ({"WindowWidth": 1}, "it leaves nearly every pixel black or white"),
        ({"WindowWidth": 1e9}, "it leaves nearly every pixel the same grey"),
        (
            {"WindowCenter": 1e6, "WindowWidth": 1e6, "VOILUTFunction": "SIGMOID"},
            "it leaves nearly every pixel the same grey",
        ),
    ],
)
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_without_a_window_that_can_be_used_the_film_s_own_range_is_shown_and_said(
    tmp_path: Path, elements: dict[str, Any], reason: str, photometric: str
) -> None:
    made = shown(tmp_path, **elements, PhotometricInterpretation=photometric)
    first, last = (255, 0) if photometric == "MONOCHROME1" else (0, 255)
    assert (made.grey[0, 0], made.grey[-1, -1]) == (first, last)
    assert abs(float(made.grey.mean()) - 127.5) < 1
    if reason:
        assert made.notes == (
            f"The film's window is ignored: {reason}.",
            f"The film has no window that can be used: {RANGE}",
        )
    else:
        assert made.notes == (f"The film states no window: {RANGE}",)


@pytest.mark.parametrize("text", [b"NaN ", b"abc ", b"inf "])
def test_a_window_that_is_not_stated_in_numbers_is_ignored(tmp_path: Path, text: bytes) -> None:
    path = chest(tmp_path / "film.dcm", ramp(), WindowCenter="2047", WindowWidth=4096)
    written = path.read_bytes()
    assert written.count(b"DS\x04\x002047") == 1
    path.write_bytes(written.replace(b"DS\x04\x002047", b"DS\x04\x00" + text))
    made = frame(path)
    assert made.notes[0] == "The film's window is ignored: it is not stated in numbers."
    assert abs(float(made.grey.mean()) - 127.5) < 1


def test_an_unknown_function_is_taken_as_linear_and_said(tmp_path: Path) -> None:
    made = shown(tmp_path, VOILUTFunction="CUBIC")
    assert np.array_equal(made.grey, shown(tmp_path).grey)
    assert made.notes == (
        "The film's VOI LUT Function is not known: its window is taken as LINEAR.",
    )


def test_a_marker_or_a_dead_pixel_does_not_make_the_film_dark(tmp_path: Path) -> None:
    pixels = ramp(1000, 2000)
    pixels[5, 5], pixels[6, 6] = 65535, 0
    made = shown(tmp_path, pixels, BitsStored=16, HighBit=15, **NO_WINDOW)
    assert (made.grey[0, 0], made.grey[-1, -1]) == (0, 255)
    assert abs(float(made.grey.mean()) - 127.5) < 1


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    "padding",
    [{"PixelPaddingValue": 60000},
     {"PixelPaddingValue": 59990, "PixelPaddingRangeLimit": 60010},
     {"PixelPaddingValue": 60010, "PixelPaddingRangeLimit": 59990}],
    ids=["value", "up to a limit", "down to a limit"],
)  # fmt: skip
def test_padding_is_black_and_does_not_stretch_the_range(
    tmp_path: Path, padding: dict[str, int], photometric: str
) -> None:
    pixels = ramp(1000, 2000)
    pixels[:20] = 60000
    film = pixels[20:]
    made = shown(
        tmp_path,
        pixels,
        BitsStored=16,
        HighBit=15,
        PhotometricInterpretation=photometric,
        **padding,
        **NO_WINDOW,
    )
    assert not made.grey[:20].any()
    assert (made.grey[20:].min(), made.grey[20:].max()) == (0, 255)
    middle = made.grey[20:][abs(film.astype(int) - (film.min() + film.max()) / 2) < 2]
    assert abs(middle.astype(int) - 127).max() <= 2


def test_signed_padding(tmp_path: Path) -> None:
    pixels = (ramp(0, 2000).astype(np.int16) - 500).view(np.uint16)
    pixels[:20] = np.int16(-2000).view(np.uint16)
    made = shown(tmp_path, pixels, BitsStored=16, HighBit=15, PixelRepresentation=1,
                 PixelPaddingValue=-2000, PhotometricInterpretation="MONOCHROME1",
                 **NO_WINDOW)  # fmt: skip
    assert not made.grey[:20].any()
    assert made.grey[20, 0] == 255


def test_a_film_of_padding_alone_is_blank(tmp_path: Path) -> None:
    with pytest.raises(BadStudy, match="every pixel is padding"):
        shown(tmp_path, PixelPaddingValue=0, PixelPaddingRangeLimit=4095)


def test_padding_that_leaves_next_to_nothing_is_a_blank_film(tmp_path: Path) -> None:
    """A range that is wrong, for instance: the study fails, instead of a black film being read."""
    with pytest.raises(BadStudy, match="blank"):
        shown(tmp_path, PixelPaddingValue=0, PixelPaddingRangeLimit=4080)


@pytest.mark.parametrize(
    ("lut", "length"), [(curve(), 4096), (curve(1000), 1000)], ids=["whole", "part"]
)
@pytest.mark.parametrize("first", [0, 500])
def test_the_first_voi_lut_is_used(
    tmp_path: Path, lut: NDArray[np.uint16], length: int, first: int
) -> None:
    sequence = table(lut, first) + table(np.zeros(4096, np.uint16))
    made = shown(tmp_path, VOILUTSequence=sequence)  # the window does not count beside it
    expected = lut[np.clip(ramp().astype(int) - first, 0, length - 1)] / 65535 * 255
    assert np.abs(made.grey - expected).max() <= 0.51
    assert made.notes == ()


@pytest.mark.parametrize(("bits", "top"), [(8, 255), (10, 1023), (12, 4095), (16, 65535)])
def test_a_voi_lut_of_each_depth_as_dcmtk_has_it(tmp_path: Path, bits: int, top: int) -> None:
    path = chest(tmp_path / "film.dcm", ramp(), VOILUTSequence=table(curve(top=top), 0, bits))
    theirs = dcmtk.picture(path, tmp_path, "+Wl", "1")
    assert dcmtk.mean_difference(frame(path).grey, theirs) <= 1


def test_a_packed_voi_lut_of_eight_bits(tmp_path: Path) -> None:
    lut = curve(4096, 255).astype(np.uint8)
    made = shown(tmp_path, VOILUTSequence=table(lut, 0, 8))
    assert np.array_equal(made.grey, lut[ramp()])


WRONG_TABLES = [
    (table(curve(), count=4000), "its descriptor states another number of entries than there are"),
    (table(curve(), bits=12), "its entries do not fit into the bits that its descriptor states"),
    (table(curve(), bits=0), "its descriptor states bits that no table has"),
    (table(curve(), bits=32), "its descriptor states bits that no table has"),
]


@pytest.mark.parametrize(("sequence", "reason"), WRONG_TABLES)
def test_a_wrong_voi_lut_gives_way_to_the_window_and_then_to_the_range(
    tmp_path: Path, sequence: Any, reason: str
) -> None:
    made = shown(tmp_path, VOILUTSequence=sequence)
    assert np.array_equal(made.grey, shown(tmp_path).grey)
    ignored = f"The film's VOI LUT is ignored: {reason}."
    assert made.notes == (ignored,)
    made = shown(tmp_path, VOILUTSequence=sequence, **NO_WINDOW)
    assert made.notes == (ignored, f"The film has no window that can be used: {RANGE}")


def test_a_voi_lut_without_a_descriptor_is_ignored(tmp_path: Path) -> None:
    sequence = table(curve())
    del sequence[0].LUTDescriptor
    made = shown(tmp_path, VOILUTSequence=sequence)
    assert made.notes == ("The film's VOI LUT is ignored: its descriptor is not three numbers.",)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_modality_lut_comes_before_the_window(tmp_path: Path, photometric: str) -> None:
    path = chest(
        tmp_path / "film.dcm",
        ramp(),
        ModalityLUTSequence=table(curve(top=4095), 0, 12),
        WindowCenter=1500,
        WindowWidth=2000,
        PhotometricInterpretation=photometric,
    )
    theirs = dcmtk.picture(path, tmp_path, "+Wi", "1")
    assert dcmtk.mean_difference(frame(path).grey, theirs) <= 1
    assert frame(path).notes == ()


@pytest.mark.parametrize(("sequence", "reason"), WRONG_TABLES)
def test_a_wrong_modality_lut_is_ignored_and_said(
    tmp_path: Path, sequence: Any, reason: str
) -> None:
    made = shown(tmp_path, ModalityLUTSequence=sequence)
    assert np.array_equal(made.grey, shown(tmp_path).grey)
    assert made.notes == (f"The film's Modality LUT is ignored: {reason}.",)


def test_a_rescale_slope_of_nothing_is_ignored_and_said(tmp_path: Path) -> None:
    made = shown(tmp_path, RescaleSlope=0, RescaleIntercept=5)
    assert np.array_equal(made.grey, shown(tmp_path).grey)
    assert made.notes == (
        "The film's Modality LUT is ignored: Rescale Slope and Intercept make no sense.",
    )


def test_a_presentation_that_contradicts_itself_is_said(tmp_path: Path) -> None:
    agrees = shown(
        tmp_path, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE"
    )
    assert agrees.notes == ()
    differs = shown(tmp_path, PresentationLUTShape="INVERSE")
    assert np.array_equal(differs.grey, shown(tmp_path).grey)
    assert "contradicts" in differs.notes[0]


def test_notes_hold_no_identity_and_nothing_that_the_film_says(tmp_path: Path) -> None:
    said = {"VOILUTFunction": "ZEBROWSKA", "ShutterShape": "QUIRINA", "WindowWidth": 1}
    made = shown(tmp_path, **IDENTITY, **said)
    assert len(made.notes) >= 3
    assert identities_in(" ".join(made.notes)) == []
