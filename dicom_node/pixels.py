"""From stored pixels to the picture that a film is meant to be looked at (PS3.4 N.2)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.pixels.processing import apply_modality_lut, apply_voi, apply_windowing

from dicom_node.errors import BadStudy, Unreachable
from dicom_node.headers import UNDECODABLE
from dicom_node.study import Frame, Instance

_BEYOND = 1e12  # farther out than any stored value


def read_frame(instance: Instance) -> Frame:
    """The picture of a single-frame greyscale image.

    Modality LUT, then the first VOI LUT or else the first window with its function, then
    MONOCHROME1 inverted. Without either, the range from least to greatest value is shown.

    Raises:
        BadStudy: the pixels cannot be decoded, are in colour or of several frames.
    """
    dataset, stored = _decoded(instance.path)
    if stored.ndim != 2:  # noqa: PLR2004 - rows and columns
        raise BadStudy("the film is not a single greyscale frame")
    try:
        level, notes = _level(dataset, apply_modality_lut(stored, dataset).astype(np.float64))
    except UNDECODABLE as error:
        raise BadStudy(f"LUT or window cannot be applied ({type(error).__name__})") from None
    if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
        level = 1 - level
    grey = np.round(255 * level).astype(np.uint8)
    if grey.min() == grey.max():
        raise BadStudy("the film is blank: every pixel has the same grey")
    return Frame(instance=instance, grey=grey, notes=notes)


def pixel_digest(path: Path) -> str:
    """SHA-256 over shape and decoded values: equal for copies of one film, however compressed
    without loss and whatever their UIDs.

    Raises:
        BadStudy: the pixels cannot be decoded.
    """
    _, stored = _decoded(path)
    digest = hashlib.sha256(str(stored.shape).encode())
    digest.update(stored.astype("<i8").tobytes())
    return digest.hexdigest()


def _decoded(path: Path) -> tuple[Dataset, NDArray[np.integer]]:
    try:
        dataset = dcmread(path)
        stored = dataset.pixel_array
    except FileNotFoundError:
        raise BadStudy("the file of a film is gone") from None
    except OSError as error:
        raise Unreachable(f"the file of a film cannot be read: {error.strerror}") from None
    except UNDECODABLE as error:
        raise BadStudy(f"pixels cannot be decoded ({type(error).__name__})") from None
    return dataset, stored


def _level(
    dataset: Dataset, values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Values as parts of the range that is shown, 0 to 1, and what had to be assumed."""
    if dataset.get("VOILUTSequence"):
        bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
        shown = apply_voi(values.astype(np.int64), dataset, index=0).astype(np.float64)
        return np.clip(shown / (2**bits - 1), 0, 1), ()
    if dataset.get("WindowCenter") is not None and dataset.get("WindowWidth") is not None:
        # The two values beyond all others tell the range that the library maps the window to.
        probe = np.append(values.ravel(), (-_BEYOND, _BEYOND))
        with np.errstate(over="ignore"):
            shown = apply_windowing(probe, dataset, index=0).astype(np.float64)
        low, high = shown[-2], shown[-1]
        return ((shown[:-2] - low) / (high - low)).reshape(values.shape), ()
    low, high = values.min(), values.max()
    note = "The film states no window: shown from its least to its greatest value."
    return (values - low) / max(high - low, 1e-9), (note,)
