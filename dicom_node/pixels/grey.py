"""From stored values to grey levels: Modality LUT, VOI LUT or window, inversion (PS3.4 N.2).

A film has at most 65536 different values, so the whole way is worked out once for each of them, in
double precision, and the film is looked up in the result: no copy of it as numbers with a point.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from dicom_node.pixels import luts
from dicom_node.pixels.luts import Unusable

_Values = NDArray[np.float64]

#: A window that leaves more of the film than this black or white is none.
_SATURATED = 0.95
#: A window in which all but the outermost 1 % at both ends lies within so many greys is none.
_FLAT = 8 / 255
_WORD = 1 << 16
_RANGE = "it is shown over the range of its own values, without the outermost 0.1 % at both ends"
#: Of the pixels, at the dark and at the bright end: a marker of lead, or a dead pixel.
_OUTERMOST = 0.001


@dataclass(frozen=True, slots=True)
class Greys:
    """``table`` is uint8: the grey of each stored word, bright is dense. ``assumed`` says what had
    to be assumed. ``own_range`` tells whether the film's own values set the range.
    """

    table: NDArray[np.uint8]
    assumed: tuple[str, ...]
    own_range: bool


def padding(dataset: Dataset, meanings: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which stored values are no pixels of the film: Pixel Padding Value (0028,0120) up to or down
    to Pixel Padding Range Limit (0028,0121), both included (PS3.3 C.7.5.1.1.2).
    """
    first = _whole(dataset, "PixelPaddingValue", meanings)
    if first is None:
        return np.zeros(len(meanings), np.bool_)
    last = _whole(dataset, "PixelPaddingRangeLimit", meanings)
    low, high = sorted((first, first if last is None else last))
    return (meanings >= low) & (meanings <= high)


def greys(dataset: Dataset, meanings: NDArray[np.int32], counts: NDArray[np.int64]) -> Greys:
    """How each stored value is shown. Padding is not of its concern.

    ``meanings`` holds the stored value of each word, ``counts`` how many pixels have it, among
    those from which a range may be taken: neither padding nor behind shutter or collimator.
    """
    notes: list[str] = []
    values = meanings.astype(np.float64)
    try:
        values = luts.modality(dataset, values)
    except Unusable as why:
        notes.append(f"The film's Modality LUT is ignored: {why}.")
    level, own_range = _level(dataset, values, counts, notes)
    inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    shape = str(dataset.get("PresentationLUTShape") or "").strip().upper()
    if shape in ("IDENTITY", "INVERSE") and (shape == "INVERSE") != inverted:
        notes.append(
            "Presentation LUT Shape contradicts Photometric Interpretation: shown by the latter."
        )
    level = np.clip(1 - level if inverted else level, 0, 1)
    return Greys(np.round(255 * level).astype(np.uint8), tuple(notes), own_range)


def _level(
    dataset: Dataset, values: _Values, counts: NDArray[np.int64], notes: list[str]
) -> tuple[_Values, bool]:
    """Values as parts of the range that is shown, 0 to 1, by the first way that can be used."""
    for name, way in _WAYS.items():
        try:
            level = way(dataset, values, notes)
            if level is None:
                continue
            _judge(level, counts)
        except Unusable as why:
            notes.append(f"The film's {name} is ignored: {why}.")
        else:
            return level, False
    if not any(name in note for name in _WAYS for note in notes):
        notes.append(f"The film states no window: {_RANGE}.")
    else:
        notes.append(f"The film has no window that can be used: {_RANGE}.")
    low, high = _range(values, counts)
    return np.clip((values - low) / max(high - low, 1e-9), 0, 1), True


def _voi_lut(dataset: Dataset, values: _Values, notes: list[str]) -> _Values | None:  # noqa: ARG001
    return luts.voi(dataset, values)


def _window(dataset: Dataset, values: _Values, notes: list[str]) -> _Values | None:
    """The first window with its VOI LUT Function (C.11.2.1.2 and C.11.2.1.3)."""
    window = _first_window(dataset)
    if window is None:
        return None
    centre, width = window
    function = str(dataset.get("VOILUTFunction") or "LINEAR").strip().upper()
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        notes.append("The film's VOI LUT Function is not known: its window is taken as LINEAR.")
        function = "LINEAR"
    if width < 1 and (function == "LINEAR" or width <= 0):
        raise Unusable("its width is less than its function allows")
    if function == "SIGMOID":
        with np.errstate(over="ignore"):
            return 1 / (1 + np.exp(-4 * (values - centre) / width))
    if function == "LINEAR_EXACT":
        return np.clip((values - centre) / width + 0.5, 0, 1)
    if width == 1:
        return (values > centre - 0.5).astype(np.float64)
    return np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)


_WAYS: Mapping[str, Callable[[Dataset, _Values, list[str]], _Values | None]] = MappingProxyType(
    {"VOI LUT": _voi_lut, "window": _window}
)


def _first_window(dataset: Dataset) -> tuple[float, float] | None:
    centres = luts.numbers(dataset, "WindowCenter")
    widths = luts.numbers(dataset, "WindowWidth")
    if not centres and not widths:
        return None
    if len(centres) != len(widths):
        raise Unusable("centres and widths differ in number")
    if not (math.isfinite(centres[0]) and math.isfinite(widths[0])):
        raise Unusable("it is not stated in numbers")
    return centres[0], widths[0]


def _judge(level: _Values, counts: NDArray[np.int64]) -> None:
    """Refuse what shows next to nothing of the pixels that count."""
    total = int(counts.sum())
    black, white = (int(counts[at].sum()) for at in (level <= 0, level >= 1))
    if black + white > _SATURATED * total:
        raise Unusable("it leaves nearly every pixel black or white")
    low, high = _range(level, counts, 0.01)
    if high - low < _FLAT:
        raise Unusable("it leaves nearly every pixel the same grey")


def _range(
    values: _Values, counts: NDArray[np.int64], outermost: float = _OUTERMOST
) -> tuple[float, float]:
    """From where to where the values of the counted pixels go, but for the outermost ones."""
    order = np.argsort(values, kind="stable")
    order = order[counts[order] > 0]
    up_to = np.cumsum(counts[order])
    cut = outermost * up_to[-1]
    low = values[order[np.searchsorted(up_to, cut, side="right")]]
    high = values[order[np.searchsorted(up_to, up_to[-1] - cut, side="left")]]
    if low == high:
        low, high = values[order[0]], values[order[-1]]
    return float(low), float(high)


def _whole(dataset: Dataset, keyword: str, meanings: NDArray[np.int32]) -> int | None:
    """A value of VR US or SS, as the film's Pixel Representation has it whatever its VR said."""
    value = dataset.get(keyword)
    if not isinstance(value, int):
        return None
    value %= _WORD
    signed = meanings.min() < 0
    return value - _WORD if signed and value >= _WORD // 2 else value
