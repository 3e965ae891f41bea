"""The plane that a phantom is drawn on, and the few soft shapes that everything is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: float32 (rows, columns).
Plane = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Pose:
    """How the patient stands before the film: ``tilt`` in degrees, ``right`` and ``down`` in
    millimetres from the middle of the film to the middle of the chest.
    """

    tilt: float
    right: float
    down: float


@dataclass(frozen=True, slots=True)
class Canvas:
    """Where each pixel lies in the patient, in millimetres, float32 (rows, columns).

    ``x`` grows towards the patient's left (the picture's right), ``y`` towards the feet; (0, 0) is
    the middle of the chest. ``spacing`` is the side of a pixel.
    """

    x: Plane = field(repr=False)
    y: Plane = field(repr=False)
    spacing: float

    @classmethod
    def of(cls, height: float, width: float, spacing: float, pose: Pose) -> Canvas:
        """A film of so many millimetres; pixels are seen at their middle."""
        rows, columns = round(height / spacing), round(width / spacing)
        down = ((np.arange(rows) + 0.5) * spacing - height / 2 - pose.down).astype(np.float32)
        right = ((np.arange(columns) + 0.5) * spacing - width / 2 - pose.right).astype(np.float32)
        cos, sin = (
            np.float32(np.cos(np.radians(pose.tilt))),
            np.float32(np.sin(np.radians(pose.tilt))),
        )
        x = right[None, :] * cos + down[:, None] * sin
        y = down[:, None] * cos - right[None, :] * sin
        return cls(x, y, spacing)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.x.shape

    def part(self, x: float, y: float, reach: float) -> tuple[slice, slice]:
        """The rows and columns that hold everything within ``reach`` of a point; may be empty."""
        # The tilt is small: the nearest pixel of the whole grid is found by inverting it.
        row, column = self._place(x, y)
        pixels = reach / self.spacing + 2
        rows, columns = self.shape
        return (
            slice(max(0, int(row - pixels)), min(rows, max(0, int(row + pixels + 1)))),
            slice(max(0, int(column - pixels)), min(columns, max(0, int(column + pixels + 1)))),
        )

    def _place(self, x: float, y: float) -> tuple[float, float]:
        x0, y0 = float(self.x[0, 0]), float(self.y[0, 0])
        cos, sin = (
            (float(self.x[0, 1]) - x0) / self.spacing,
            (float(self.x[1, 0]) - x0) / self.spacing,
        )
        dx, dy = x - x0, y - y0
        return (dx * sin + dy * cos) / self.spacing, (dx * cos - dy * sin) / self.spacing


def ramp(depth: Plane, edge: float) -> Plane:
    """0 outside, 1 inside, over an edge of so many millimetres around depth 0."""
    out = depth * np.float32(1 / max(edge, 1e-3)) + np.float32(0.5)
    return np.clip(out, 0, 1, out=out)


def bump(distance: Plane) -> Plane:
    """1 in the middle, falling like a bell, 0 from a distance of 2.5 on. Takes the square."""
    return np.exp(-np.minimum(distance, 6.25), dtype=np.float32)


def ellipse(
    canvas: Canvas, centre: tuple[float, float], axes: tuple[float, float], turn: float
) -> Plane:
    """Depth below the border of an ellipse, about in millimetres; ``turn`` in degrees."""
    cos, sin = np.float32(np.cos(np.radians(turn))), np.float32(np.sin(np.radians(turn)))
    dx, dy = canvas.x - np.float32(centre[0]), canvas.y - np.float32(centre[1])
    u, v = (dx * cos + dy * sin) / np.float32(axes[0]), (dy * cos - dx * sin) / np.float32(axes[1])
    return (np.float32(1) - np.sqrt(u * u + v * v)) * np.float32(min(axes))


def curve(function: Callable[[NDArray[np.float64]], NDArray[np.float64]], at: Plane) -> Plane:
    """A costly function of 0 to 1, looked up for each pixel."""
    table = function(np.linspace(0, 1, 1025)).astype(np.float32)
    return table[(np.clip(at, 0, 1) * np.float32(1024)).astype(np.int16)]


def segment(canvas: Canvas, begin: tuple[float, float], end: tuple[float, float]) -> Plane:
    """The distance of each pixel to a straight piece, in millimetres."""
    dx, dy = end[0] - begin[0], end[1] - begin[1]
    length = max(dx * dx + dy * dy, 1e-6)
    x, y = canvas.x - np.float32(begin[0]), canvas.y - np.float32(begin[1])
    along = np.clip((x * np.float32(dx) + y * np.float32(dy)) * np.float32(1 / length), 0, 1)
    x -= along * np.float32(dx)
    y -= along * np.float32(dy)
    return np.sqrt(x * x + y * y)


def stroke(
    canvas: Canvas, plane: Plane, points: Sequence[tuple[float, float]], width: float, dense: float
) -> None:
    """Draw a soft line of straight pieces onto a plane; ``width`` in millimetres."""
    for begin, end in pairwise(points):
        middle = ((begin[0] + end[0]) / 2, (begin[1] + end[1]) / 2)
        reach = float(np.hypot(end[0] - begin[0], end[1] - begin[1])) / 2 + 2 * width
        rows, columns = canvas.part(*middle, reach)
        seen = Canvas(canvas.x[rows, columns], canvas.y[rows, columns], canvas.spacing)
        if not seen.x.size:
            continue
        drawn = bump((segment(seen, begin, end) / np.float32(width)) ** 2) * np.float32(dense)
        plane[rows, columns] = (
            np.maximum(plane[rows, columns], drawn)
            if dense > 0
            else np.minimum(plane[rows, columns], drawn)
        )


def clouds(rng: np.random.Generator, shape: tuple[int, int], cells: int) -> Plane:
    """Smooth noise of mean 0 and standard deviation about 1, ``cells`` along the longer side."""
    rows, columns = shape
    longer = max(shape)
    grid = rng.standard_normal(
        (max(2, round(cells * rows / longer)) + 1, max(2, round(cells * columns / longer)) + 1)
    ).astype(np.float32)
    return np.asarray(Image.fromarray(grid).resize((columns, rows), Image.Resampling.BICUBIC))
