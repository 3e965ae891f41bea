"""Where things are on a film: boxes in stored pixels, and the way to the model's square and back.

One convention, said once. A coordinate is a pixel *edge* of one stored frame: x runs right along
a row, y runs down a column, the top-left corner of the top-left pixel is (0, 0) and the
bottom-right corner of the last pixel is (columns, rows), as PS3.3 C.10.5.1.2 has it for SCOORD.
``right`` and ``bottom`` are therefore exclusive: ``grey[top:bottom, left:right]``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicom_node.errors import BadStudy

#: MedGemma 1.5 states boxes as whole numbers from 0 to this, over the padded square.
MODEL_SCALE = 1000


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of one stored frame (x right, y down, 0-based edges).

    Raises:
        ValueError: the rectangle is empty or turned inside out.
    """

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        if not (self.left < self.right and self.top < self.bottom):
            raise ValueError(f"box has no area: {self}")

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y) of the middle, in the same pixels."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    @property
    def outline(self) -> list[tuple[float, float]]:
        """Its corners (x, y) clockwise from the top left one, which closes the line too."""
        left, top, right, bottom = self.left, self.top, self.right, self.bottom
        return [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]

    def iou(self, other: Box) -> float:
        """Intersection over union with another box of the same frame, 0 to 1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        shared = max(width, 0.0) * max(height, 0.0)
        return shared / (self.area + other.area - shared)

    @property
    def area(self) -> float:
        """Pixels squared."""
        return (self.right - self.left) * (self.bottom - self.top)


#: Patient Orientation (0020,0020) of a frontal film hung as if facing the patient:
#: along a row towards the patient's left, down a column towards the feet (PS3.3 C.7.6.1.1.1).
STANDING = ("L", "F")

#: For each stated Patient Orientation of a frontal film: (quarter turns counter-clockwise, then
#: mirrored left to right?) that bring the stored frame to :data:`STANDING`.
_TURNS: dict[tuple[str, str], tuple[int, bool]] = {
    ("L", "F"): (0, False),
    ("R", "F"): (0, True),
    ("R", "H"): (2, False),
    ("L", "H"): (2, True),
    ("H", "L"): (1, False),
    ("F", "R"): (3, False),
    ("F", "L"): (3, True),
    ("H", "R"): (1, True),
}


def is_frontal(orientation: tuple[str, str] | None) -> bool:
    """Whether :meth:`Fit.standing` can stand up a film of this Patient Orientation."""
    return orientation is None or orientation in _TURNS


@dataclass(frozen=True, slots=True)
class Fit:
    """The way from one stored frame to the model's square picture, and exactly back.

    The stored frame is turned by ``turns`` quarter turns counter-clockwise, then mirrored left to
    right if ``mirrored``, then zero-padded evenly to a square (odd pixel at the bottom or right).
    Scaling to the model's own resolution needs no memory: the model speaks in thousandths of the
    square's side.
    """

    rows: int
    columns: int
    turns: int = 0
    mirrored: bool = False

    @classmethod
    def standing(cls, rows: int, columns: int, orientation: tuple[str, str] | None) -> Fit:
        """The fit that shows a frontal film standing, patient's right on the picture's left.

        ``orientation`` is Patient Orientation with each value cut to its first letter, or None
        when the film does not state it; it is then taken as stored standing.

        Raises:
            BadStudy: the orientation is not that of a frontal film (A or P in it, or senseless).
        """
        if orientation is None:
            return cls(rows, columns)
        try:
            turns, mirrored = _TURNS[orientation]
        except KeyError:
            stated = "\\".join(orientation)
            raise BadStudy(f"PatientOrientation {stated} is not that of a frontal film") from None
        return cls(rows, columns, turns, mirrored)

    @property
    def side(self) -> int:
        """Side of the padded square, in pixels of the stored frame."""
        return max(self.rows, self.columns)

    @property
    def _turned_shape(self) -> tuple[int, int]:
        return (self.rows, self.columns) if self.turns % 2 == 0 else (self.columns, self.rows)

    @property
    def _offset(self) -> tuple[int, int]:
        height, width = self._turned_shape
        return (self.side - width) // 2, (self.side - height) // 2

    def picture(self, grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Turn and pad a stored frame, uint8 (rows, columns), to uint8 (side, side).

        Raises:
            ValueError: the array is not of this fit's rows and columns.
        """
        if grey.shape != (self.rows, self.columns):
            raise ValueError(f"frame is {grey.shape}, this fit is for {(self.rows, self.columns)}")
        turned = np.rot90(grey, self.turns)
        if self.mirrored:
            turned = np.fliplr(turned)
        square = np.zeros((self.side, self.side), np.uint8)
        x, y = self._offset
        square[y : y + turned.shape[0], x : x + turned.shape[1]] = turned
        return square

    def to_square(self, box: Box) -> Box:
        """A box of the stored frame, in pixels of the padded square."""
        corners = [self._point_to_square(box.left, box.top)]
        corners.append(self._point_to_square(box.right, box.bottom))
        return _spanning(corners)

    def to_stored(self, box: Box) -> Box:
        """A box of the padded square, in pixels of the stored frame, clipped to the film.

        Raises:
            ValueError: nothing of the box lies on the film.
        """
        corners = [self._point_to_stored(box.left, box.top)]
        corners.append(self._point_to_stored(box.right, box.bottom))
        whole = _spanning(corners)
        return Box(
            left=min(max(whole.left, 0.0), self.columns),
            top=min(max(whole.top, 0.0), self.rows),
            right=min(max(whole.right, 0.0), self.columns),
            bottom=min(max(whole.bottom, 0.0), self.rows),
        )

    def from_model(self, box_2d: tuple[int, int, int, int]) -> Box:
        """MedGemma's [y0, x0, y1, x1] in thousandths of the square, as a box in stored pixels.

        Raises:
            ValueError: out of 0 to 1000, no area, or wholly on the padding.
        """
        y0, x0, y1, x1 = box_2d
        if not all(0 <= value <= MODEL_SCALE for value in box_2d):
            raise ValueError(f"box_2d {list(box_2d)} is outside 0 to {MODEL_SCALE}")
        scale = self.side / MODEL_SCALE
        return self.to_stored(Box(x0 * scale, y0 * scale, x1 * scale, y1 * scale))

    def to_model(self, box: Box) -> tuple[int, int, int, int]:
        """A box in stored pixels as MedGemma's [y0, x0, y1, x1] in thousandths of the square."""
        square, scale = self.to_square(box), MODEL_SCALE / self.side
        y0, x0, y1, x1 = (
            round(value * scale) for value in (square.top, square.left, square.bottom, square.right)
        )
        return y0, x0, y1, x1

    def _point_to_square(self, x: float, y: float) -> tuple[float, float]:
        width, height = self.columns, self.rows
        for _ in range(self.turns % 4):  # one quarter turn counter-clockwise
            x, y = y, width - x
            width, height = height, width
        if self.mirrored:
            x = width - x
        offset_x, offset_y = self._offset
        return x + offset_x, y + offset_y

    def _point_to_stored(self, x: float, y: float) -> tuple[float, float]:
        offset_x, offset_y = self._offset
        x, y = x - offset_x, y - offset_y
        height, width = self._turned_shape
        if self.mirrored:
            x = width - x
        for _ in range(self.turns % 4):  # one quarter turn back, clockwise
            x, y = height - y, x
            width, height = height, width
        return x, y


def _spanning(corners: list[tuple[float, float]]) -> Box:
    xs, ys = zip(*corners, strict=True)
    return Box(min(xs), min(ys), max(xs), max(ys))
