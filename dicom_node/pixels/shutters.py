"""Which pixels of a film are to be seen, and which the beam did not reach: shutter, collimator.

Both are stated as rectangle, circle and polygon, several at once, in rows and columns counted from
1 (PS3.3 C.7.6.11 Display Shutter, C.8.7.3 X-Ray Collimator). A pixel is inside when it is inside
each of them; the edges themselves are inside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydicom import Dataset

_CORNERS = 3  # of a polygon, at least
_FAR = 100_000  # pixels; no vertex lies so far out
_LEAST = 0.01  # part of the film: what leaves less open is a mistake


@dataclass(frozen=True, slots=True)
class Kind:
    """Whose attributes are read: ``word`` as it stands in their keywords."""

    word: str
    shape: str


SHUTTER = Kind("Shutter", "ShutterShape")
COLLIMATOR = Kind("Collimator", "CollimatorShape")

_Shape = tuple[int, int]
_Inside = NDArray[np.bool_]


class _Wrong(Exception):
    """A shape that cannot be used, and why."""


def inside(
    dataset: Dataset, kind: Kind, shape: tuple[int, int]
) -> tuple[NDArray[np.bool_] | None, tuple[str, ...]]:
    """What the shapes of the data set leave open: bool (rows, columns), None where they close
    nothing; and what could not be used of them.
    """
    name = kind.word.lower()
    open_, notes = None, []
    for stated in _words(dataset, kind.shape):
        try:
            drawn = _DRAW.get(stated, _unknown)(dataset, kind.word, shape)
            open_ = _also(open_, drawn)
        except _Wrong as wrong:
            notes.append(f"The film's {name} is ignored, for it {wrong}.")
    return (None if open_ is None or open_.all() else open_), tuple(notes)


def _rectangle(dataset: Dataset, word: str, shape: _Shape) -> _Inside:
    edges = ("LeftVertical", "RightVertical", "UpperHorizontal", "LowerHorizontal")
    (left,), (right,), (upper,), (lower,) = (
        _numbers(dataset, f"{word}{edge}Edge", 1) for edge in edges
    )
    if left > right or upper > lower:
        raise _Wrong("is inside out")
    drawn = np.zeros(shape, np.bool_)
    drawn[max(upper - 1, 0) : max(lower, 0), max(left - 1, 0) : max(right, 0)] = True
    return _touching(drawn)


def _circle(dataset: Dataset, word: str, shape: _Shape) -> _Inside:
    row, column = _numbers(dataset, f"CenterOfCircular{word}", 2)
    (radius,) = _numbers(dataset, f"RadiusOfCircular{word}", 1)
    if radius < 1:
        raise _Wrong("has no radius")
    y, x = np.ogrid[1 : shape[0] + 1, 1 : shape[1] + 1]
    return _touching((y - row) ** 2 + (x - column) ** 2 <= radius**2)


def _polygon(dataset: Dataset, word: str, shape: _Shape) -> _Inside:
    numbers = _numbers(dataset, f"VerticesOfThePolygonal{word}", None)
    if len(numbers) % 2 or len(numbers) < 2 * _CORNERS:
        raise _Wrong("has too few vertices")
    if max(map(abs, numbers)) > _FAR:
        raise _Wrong("lies beside the film")
    vertices = [(column - 1, row - 1) for row, column in zip(numbers[::2], numbers[1::2],
                                                             strict=True)]  # fmt: skip
    canvas = Image.new("1", (shape[1], shape[0]))
    ImageDraw.Draw(canvas).polygon(vertices, fill=1, outline=1)
    return _touching(np.array(canvas, np.bool_))


def _unknown(dataset: Dataset, word: str, shape: _Shape) -> _Inside:  # noqa: ARG001 - as the others
    raise _Wrong("has a shape that is not known")


_DRAW: Mapping[str, Callable[[Dataset, str, _Shape], _Inside]] = MappingProxyType(
    {"RECTANGULAR": _rectangle, "CIRCULAR": _circle, "POLYGONAL": _polygon}
)


def _touching(drawn: _Inside) -> _Inside:
    if not drawn.any():
        raise _Wrong("lies beside the film")
    return drawn


def _also(open_: _Inside | None, drawn: _Inside) -> _Inside:
    both = drawn if open_ is None else open_ & drawn
    if both.mean() < _LEAST:
        raise _Wrong("leaves almost nothing of the film open")
    return both


def _words(dataset: Dataset, keyword: str) -> list[str]:
    value = dataset.get(keyword) or ()
    values = [value] if isinstance(value, str) else list(value)
    return [str(one).strip().upper() for one in values]


def _numbers(dataset: Dataset, keyword: str, count: int | None) -> list[int]:
    try:
        value = dataset.get(keyword)
        listed = [value] if isinstance(value, int | str) else list(value or ())
        numbers = [int(one) for one in listed]
    except (TypeError, ValueError):
        raise _Wrong("is not stated in whole numbers") from None
    if count is not None and len(numbers) != count:
        raise _Wrong("is not wholly stated")
    return numbers
