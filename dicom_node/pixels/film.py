"""From stored pixels to the picture that a film is meant to be looked at (docs/pixels.md)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dicom_node.errors import BadStudy
from dicom_node.headers import CORRUPT
from dicom_node.pixels import grey, shutters
from dicom_node.pixels.decoding import Stored, decode
from dicom_node.study import Frame, Instance

_SLAB = 256  # rows that are counted at a time: numpy counts in 64 bits
_BLANK = 0.99  # part of a film of one grey, from which on nobody could read it
#: Into so many parts a film is divided in height and in width; each has its mean. Noise of single
#: pixels does not reach the means; lungs, mediastinum and what lies beside the patient do.
_PARTS = 8
#: Greys of 255 by which the means deviate at least (standard deviation). Real chest films in DICOM
#: have 31 and more, and the faintest found anywhere, a JPEG without its window, has 9.6. Noise that
#: is spread over all greys has 2.4 at 128 by 128 pixels, 0.3 at 1000 by 1000.
_FAINTEST = 3.0
_Inside = NDArray[np.bool_] | None


def read_frame(instance: Instance) -> Frame:
    """The picture of a single-frame greyscale image.

    Modality LUT, then the first VOI LUT or else the first window with its function, then
    MONOCHROME1 inverted; padding and what lies outside the shutter black. Where the film states
    none, or one that cannot be used, its own range is shown, and the notes say so.

    Raises:
        BadStudy: the pixels cannot be decoded, are in colour or of several frames, or the film is
            blank.
        Unreachable: the disk cannot be read now.
    """
    film = decode(instance.path)
    if film.dataset.get("PhotometricInterpretation") not in ("MONOCHROME1", "MONOCHROME2"):
        raise BadStudy("Photometric Interpretation is neither MONOCHROME1 nor MONOCHROME2")
    try:
        picture, notes = _picture(film)
    except CORRUPT as error:
        raise BadStudy(f"LUT or window cannot be applied ({type(error).__name__})") from None
    if _most_common(picture) > _BLANK:
        raise BadStudy("the film is blank: (nearly) every pixel has the same grey")
    if contrast(picture) < _FAINTEST:
        raise BadStudy("the film is blank: it shows noise and nothing else")
    return Frame(instance=instance, grey=picture, notes=notes)


def contrast(picture: NDArray[np.uint8]) -> float:
    """How much a picture shows besides noise: the standard deviation, in greys of 255, of the means
    of 8 by 8 parts.

    The spread of single pixels would not tell: where a film's window shows next to nothing, its own
    range is shown, and that spreads the faintest noise over all greys.
    """
    bands = np.array_split(picture, min(_PARTS, picture.shape[0]), axis=0)
    across = min(_PARTS, picture.shape[1])
    means = [[part.mean() for part in np.array_split(band, across, axis=1)] for band in bands]
    return float(np.std(means))


def pixel_digest(path: Path) -> str:
    """SHA-256 over shape and decoded values: equal for copies of one film, however compressed
    without loss and whatever their UIDs.

    Raises:
        BadStudy: the pixels cannot be decoded.
        Unreachable: the disk cannot be read now.
    """
    film = decode(path)
    digest = hashlib.sha256(str(film.words.shape).encode())
    meanings = film.meanings.astype("<i4")
    for start in range(0, len(film.words), _SLAB):
        digest.update(meanings[film.words[start : start + _SLAB]].tobytes())
    return digest.hexdigest()


def _picture(film: Stored) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    dataset, meanings = film.dataset, film.meanings
    seen, shutter_notes = shutters.inside(dataset, shutters.SHUTTER, film.words.shape)
    exposed, collimator_notes = shutters.inside(dataset, shutters.COLLIMATOR, film.words.shape)
    padding = grey.padding(dataset, meanings)
    counts = _counts(film, _both(seen, exposed))
    counts[padding] = 0
    if not counts.any():
        raise BadStudy("the film is blank: every pixel is padding")
    shown = grey.greys(dataset, meanings, counts)
    shown.table[padding] = 0
    picture = shown.table[film.words]
    if seen is not None:
        picture[~seen] = 0
    notes = (*shown.assumed, *shutter_notes, *(collimator_notes if shown.own_range else ()))
    return picture, notes


def _most_common(picture: NDArray[np.uint8]) -> float:
    """Which part of the pixels has the commonest grey."""
    counts = sum(np.bincount(row, minlength=256) for row in picture)
    return float(np.max(counts)) / picture.size


def _both(one: _Inside, other: _Inside) -> _Inside:
    """What both leave open; the first alone where they have nothing in common."""
    if one is None or other is None:
        return other if one is None else one
    both: NDArray[np.bool_] = one & other
    return both if both.any() else one


def _counts(film: Stored, inside: _Inside) -> NDArray[np.int64]:
    """How many pixels have each word, among those inside."""
    counts = np.zeros(1 << film.bits, np.int64)
    for start in range(0, len(film.words), _SLAB):
        slab = film.words[start : start + _SLAB]
        part = slab.ravel() if inside is None else slab[inside[start : start + _SLAB]]
        counts += np.bincount(part, minlength=len(counts))
    return counts
