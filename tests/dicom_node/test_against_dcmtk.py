"""The picture of a film against DCMTK's of the same film with the same window: at most one grey
level of 255 on average. docs/pixels.md tells the figures.
"""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path
from typing import Any

import dcmtk
import numpy as np
import pytest
from builders import chest
from numpy.typing import NDArray
from peers import need
from pydicom import dcmread
from pydicom.uid import JPEG2000TransferSyntaxes

from dicom_node.headers import read_study
from dicom_node.pixels import read_frame
from dicom_node.study import Frame

MOST = 1.0  # greys of 255, on average
BITS = (8, 10, 12, 14, 15, 16)
FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
PHOTOMETRIC = ("MONOCHROME1", "MONOCHROME2")


def frame(path: Path) -> Frame:
    (film,) = read_study([path]).instances
    return read_frame(film)


def made_film(path: Path, bits: int, signed: bool, **elements: Any) -> tuple[Path, float, float]:
    """A film over all its values, with rubbish in the bits above those; a window within them."""
    allocated = 8 if bits == 8 else 16
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    y, x = np.mgrid[0:60, 0:70]
    values = np.round(low + (high - low) * (0.6 * x / 69 + 0.4 * y / 59)).astype(np.int64)
    rubbish = np.random.default_rng(bits).integers(0, 1 << 16, values.shape) << bits
    words = (values & ((1 << bits) - 1)) | rubbish
    pixels = (words & ((1 << allocated) - 1)).astype(f"u{allocated // 8}")
    centre, width = round((low + high) / 2 + (high - low) * 0.07), round((high - low) * 0.55)
    chest(
        path,
        pixels,
        **{
            "BitsAllocated": allocated,
            "BitsStored": bits,
            "HighBit": bits - 1,
            "PixelRepresentation": int(signed),
            "WindowCenter": centre,
            "WindowWidth": width,
        }
        | elements,
    )
    return path, centre, width


@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize("bits", BITS)
def test_each_window_function_and_photometric_interpretation(
    tmp_path: Path, bits: int, signed: bool
) -> None:
    for photometric, function in itertools.product(PHOTOMETRIC, FUNCTIONS):
        path, centre, width = made_film(
            tmp_path / "film.dcm",
            bits,
            signed,
            PhotometricInterpretation=photometric,
            VOILUTFunction=function,
        )
        # DCMTK knows no LINEAR_EXACT: the LINEAR window that is the same (C.11.2.1.3.2).
        window = (
            ("+Ww", str(centre + 0.5), str(width + 1))
            if function == "LINEAR_EXACT"
            else ("+Wi", "1")
        )
        shown = frame(path)
        difference = dcmtk.mean_difference(shown.grey, dcmtk.picture(path, tmp_path, *window))
        assert shown.notes == ()
        assert difference <= MOST, (photometric, function)


@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize("slope", [0.25, 3.5, -1])
def test_rescale(tmp_path: Path, signed: bool, slope: float) -> None:
    for photometric in PHOTOMETRIC:
        path, centre, width = made_film(tmp_path / "film.dcm", 12, signed)
        elements = {
            "PhotometricInterpretation": photometric,
            "RescaleSlope": slope,
            "RescaleIntercept": -200,
            "WindowCenter": slope * centre - 200,
            "WindowWidth": max(abs(slope) * width, 1),
        }
        made_film(path, 12, signed, **elements)
        difference = dcmtk.mean_difference(
            frame(path).grey, dcmtk.picture(path, tmp_path, "+Wi", "1")
        )
        assert difference <= MOST, photometric


@pytest.fixture(scope="module")
def films(real_films: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    """Every real chest film, and the same as dcm2pnm can read it: it decodes nothing by itself."""
    folder = tmp_path_factory.mktemp("films")
    readable = {}
    for number, film in enumerate(real_films):
        readable[film] = film
        syntax = dcmread(film, stop_before_pixels=True).file_meta.TransferSyntaxUID
        if syntax.is_compressed:
            readable[film] = folder / f"{number}.dcm"
            if syntax in JPEG2000TransferSyntaxes:  # which DCMTK lacks
                command = [need("gdcmconv", "libgdcm-tools"), "--raw", film, readable[film]]
                subprocess.run(command, check=True, capture_output=True)
            else:
                dcmtk.convert("dcmdjpeg", film, readable[film])
    return readable


def own_range(film: Path, grey: NDArray[np.uint8]) -> tuple[str, ...]:
    """The window that a film without one is shown with, worked out from its stored values."""
    dataset = dcmread(film)
    values = dataset.pixel_array.astype(float) * float(dataset.get("RescaleSlope", 1))
    values += float(dataset.get("RescaleIntercept", 0))
    low, high = np.quantile(values, [0.001, 0.999], method="inverted_cdf")
    return "+Ww", str((low + high + 1) / 2), str(high - low + 1)


def test_every_real_chest_film(films: dict[Path, Path], tmp_path: Path) -> None:
    for film, readable in films.items():
        shown = frame(film)
        stated = "WindowCenter" in dcmread(film, stop_before_pixels=True)
        assert (shown.notes == ()) == stated, film.name
        window = ("+Wi", "1") if stated else own_range(readable, shown.grey)
        theirs = dcmtk.picture(readable, tmp_path, *window)
        difference = dcmtk.mean_difference(shown.grey, theirs)
        assert difference <= MOST, film.name
