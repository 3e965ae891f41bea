"""An earlier film, made from the real one of the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian

from dicom_node.uids import derived_uid

#: The prior is dated so long before the current film.
PRIOR_DAYS = 183
_PRIOR_DATES = {"StudyDate": "20040225", "SeriesDate": "19950327", "ContentDate": "19950327"}
# An invented opacity, so that something differs; in parts of rows and columns.
_OPACITY_CENTRE = (0.38, 0.70)
_OPACITY_RADIUS = 0.07
_OPACITY_DEPTH = 0.35


def make_prior(current: Path, prior: Path) -> None:
    """Write an earlier study made from a current one: other UIDs, dated 183 days before, one soft
    opacity added and the exposure changed. Identity is kept, so that it is a prior.
    """
    dataset = dcmread(current)
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(dataset, keyword, derived_uid("earlier", getattr(dataset, keyword)))
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.AccessionNumber = ""
    for keyword, value in _PRIOR_DATES.items():
        setattr(dataset, keyword, value)
    dataset.SeriesDescription = "PRIOR MADE FOR TESTS"
    dataset.PixelData = _altered(dataset).tobytes()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(prior, enforce_file_format=True)


def _altered(dataset: Dataset) -> NDArray[Any]:
    """The pixels with one soft round opacity more, in the stored data type."""
    pixels = dataset.pixel_array
    rows, columns = pixels.shape
    y, x = np.mgrid[0:rows, 0:columns]
    centre_y, centre_x = _OPACITY_CENTRE[0] * rows, _OPACITY_CENTRE[1] * columns
    distance = np.hypot(y - centre_y, x - centre_x) / (_OPACITY_RADIUS * rows)
    dense = _OPACITY_DEPTH * np.exp(-(distance**2))
    low, high = float(pixels.min()), float(pixels.max())
    level = (pixels - low) / (high - low)
    if dataset.PhotometricInterpretation == "MONOCHROME1":  # small values are dense
        level = level * (1 - dense)
    else:
        level = level + (1 - level) * dense
    altered: NDArray[Any] = np.round(low + np.clip(level**1.1, 0, 1) * (high - low)).astype(
        pixels.dtype
    )
    return altered
