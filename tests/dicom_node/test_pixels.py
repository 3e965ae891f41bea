"""The picture of a film, against DCMTK's own."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import dcmtk
import numpy as np
import pytest
from builders import chest, chest_picture, drawn_picture, new_uids, variant
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.uid import JPEG2000Lossless, RLELossless

from dicom_node.errors import BadStudy
from dicom_node.headers import read_study
from dicom_node.pixels import pixel_digest, read_frame
from dicom_node.pixels.film import contrast


def picture(path: Path) -> NDArray[np.uint8]:
    (film,) = read_study([path]).instances
    return read_frame(film).grey


def lut(values: NDArray[np.uint16], first: int = 0) -> list[Dataset]:
    item = Dataset()
    item.LUTDescriptor = [len(values), first, 16]
    item.LUTData = values.tobytes()
    item["LUTData"].VR = "OW"
    return [item]


@pytest.mark.parametrize(
    ("elements", "window"),
    [
        pytest.param({}, "+Wi", id="window"),
        pytest.param({"WindowCenter": [900, 3000], "WindowWidth": [700, 50]}, "+Wi", id="first"),
        pytest.param({"PhotometricInterpretation": "MONOCHROME1"}, "+Wi", id="MONOCHROME1"),
        pytest.param(
            {"RescaleSlope": 2, "RescaleIntercept": -500, "WindowCenter": 3000}, "+Wi", id="rescale"
        ),
        pytest.param(
            {
                "VOILUTSequence": lut((np.linspace(0, 1, 4096) ** 2 * 65535).astype(np.uint16)),
                "WindowCenter": None,
                "WindowWidth": None,
            },
            "+Wl",
            id="VOI LUT",
        ),
        pytest.param({"VOILUTFunction": "SIGMOID", "WindowWidth": 1000}, "+Wi", id="SIGMOID"),
    ],
)
def test_the_picture_is_that_of_dcm2pnm(
    tmp_path: Path, elements: dict[str, Any], window: str
) -> None:
    path = chest(tmp_path / "film.dcm", **elements)
    reference = dcmtk.picture(path, tmp_path, window, "1")
    difference = np.abs(picture(path).astype(int) - reference.astype(int))
    assert difference.max() <= 1


def test_the_real_film_is_that_of_dcm2pnm(tmp_path: Path, rg1: Path) -> None:
    flags = ("+Wi", "1") if "WindowCenter" in dcmread(rg1) else ("+Wl", "1")
    reference = dcmtk.picture(rg1, tmp_path, *flags)
    difference = np.abs(picture(rg1).astype(int) - reference.astype(int))
    assert difference.max() <= 1


def test_orientation_is_as_stored(tmp_path: Path) -> None:
    grey = picture(chest(tmp_path / "film.dcm"))
    assert grey.shape == (96, 80)
    assert grey[:12, :16].min() > 230  # the marker is in the top left corner ...
    assert grey[-12:, :].max() < 230  # ... and nowhere below


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"PixelData": b"\x00" * 100}, "PixelData holds 100 bytes where .* say 15360"),
        ({"NumberOfFrames": 2, "Rows": 48}, "single greyscale frame"),
        ({"PixelData": bytes(96 * 80 * 2)}, "blank"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "neither MONOCHROME1 nor"),
    ],
)
def test_what_cannot_be_shown_is_refused(
    tmp_path: Path, elements: dict[str, Any], reason: str
) -> None:
    with pytest.raises(BadStudy, match=reason):
        picture(chest(tmp_path / "film.dcm", **elements))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("mean", [100, 2000, 4000])
@pytest.mark.parametrize("side", [200, 1000])
def test_plain_grey_with_faint_noise_is_blank(
    tmp_path: Path, mean: int, side: int, photometric: str
) -> None:
    """Its window shows one grey, so its own range would be shown: the noise, as if a film."""
    noise = np.random.default_rng(5).normal(mean, 8, (side, side)).clip(0, 4095).astype(np.uint16)
    path = chest(tmp_path / "film.dcm", noise, PhotometricInterpretation=photometric)
    with pytest.raises(BadStudy, match="the film is blank: it shows noise"):
        picture(path)


def test_a_faint_film_in_the_same_noise_is_none(tmp_path: Path) -> None:
    """What it shows deviates by less than a hundredth of the window, and can be seen."""
    noise = np.random.default_rng(5).normal(2000, 8, (300, 300))
    faint = (noise + drawn_picture() / 100).astype(np.uint16)
    assert contrast(picture(chest(tmp_path / "film.dcm", faint))) > 30


def test_no_real_chest_film_is_near_to_blank(shared_data: Path, rg1: Path) -> None:
    """Those in DICOM as they are shown, the others as they are."""
    with (shared_data / "manifest.csv").open(newline="", encoding="utf-8") as file:
        of_kind = [(row["category"], shared_data / row["file"]) for row in csv.DictReader(file)]
    films = [rg1, *(path for kind, path in of_kind if kind == "cxr-dicom")]
    assert min(contrast(picture(path)) for path in films) > 30
    drawn = [path for kind, path in of_kind if kind in ("cxr-png", "cxr-jpeg")]
    greys = [np.asarray(Image.open(path).convert("L")) for path in drawn]
    assert min(map(contrast, greys)) > 9


def test_a_copy_is_known_whatever_its_uids_and_compression(tmp_path: Path) -> None:
    original = chest(tmp_path / "film.dcm")
    digest = pixel_digest(original)
    for syntax in (RLELossless, JPEG2000Lossless):
        dataset = dcmread(variant(original, tmp_path / "copy.dcm", **new_uids()))
        dataset.compress(syntax)
        dataset.save_as(tmp_path / "copy.dcm")
        assert pixel_digest(tmp_path / "copy.dcm") == digest
    other = chest(tmp_path / "other.dcm", chest_picture(seed=1))
    assert pixel_digest(other) != digest


def test_a_film_that_is_gone_is_a_bad_study(tmp_path: Path) -> None:
    path = chest(tmp_path / "film.dcm")
    (film,) = read_study([path]).instances
    shutil.move(path, tmp_path / "elsewhere")
    with pytest.raises(BadStudy, match="is gone"):
        read_frame(film)
