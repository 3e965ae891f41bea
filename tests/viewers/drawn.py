"""Where a viewer that fits a film into its canvas draws a box, and where it is seen to have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dicom_node.geometry import Box
from dicom_node.report import Film

#: How far from where it is expected an edge is looked for, in pixels of the screen.
AROUND = 12


class Edges(NamedTuple):
    """Of a rectangle, in pixels of the screen."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Fitted:
    """A film shown as large as its canvas lets it be, in the middle; sizes in pixels."""

    film: Film
    width: int
    height: int

    @property
    def scale(self) -> float:
        """Pixels of the screen for one of the film."""
        return min(self.width / self.film.columns, self.height / self.film.rows)

    def edges(self, box: Box) -> Edges:
        """Where a box of the film stands."""
        left = (self.width - self.film.columns * self.scale) / 2
        top = (self.height - self.film.rows * self.scale) / 2
        return Edges(
            left + box.left * self.scale,
            top + box.top * self.scale,
            left + box.right * self.scale,
            top + box.bottom * self.scale,
        )


def pixels(path: Path) -> NDArray[np.int16]:
    """A picture as (rows, columns, red green blue)."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), np.int16)


def changed(before: NDArray[np.int16], after: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Which pixels are clearly another colour, (rows, columns)."""
    seen: NDArray[np.bool_] = np.abs(after - before).max(axis=-1) > 40
    return seen


def seen(change: NDArray[np.bool_], expected: Edges) -> Edges:
    """Where the edges of what changed are, close to a rectangle that is expected.

    An edge is a line of which a third at least changed: outlines are dashed, and what leads to a
    label is none. It is looked for at the outside first; NaN where there is none.
    """
    left, top, right, bottom = (round(value) for value in expected)
    down = change[max(top, 0) : bottom].mean(axis=0) > 1 / 3
    across = change[:, max(left, 0) : right].mean(axis=1) > 1 / 3
    return Edges(
        _first(down, left - AROUND, 1),
        _first(across, top - AROUND, 1),
        _first(down, right + AROUND, -1) + 1,
        _first(across, bottom + AROUND, -1) + 1,
    )


def _first(line: NDArray[np.bool_], start: int, step: int) -> float:
    for at in range(start, start + step * 2 * AROUND, step):
        if 0 <= at < len(line) and line[at]:
            return at
    return float("nan")
