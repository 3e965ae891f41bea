"""Films on a picture for people to look at: standing, boxes drawn, labels that cover no label."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dicom_node.geometry import Box, Fit

Colour = tuple[int, int, int]

PANEL = 800  # side of one film's square, pixels
MARGIN = 20
LINE = 30  # height of a line of text
FONT = ImageFont.load_default(size=20)
_TAG_LINE = 20  # height of a line in a label
_PAD = 5  # around the text of a label
_SMALL = ImageFont.load_default(size=16)

GROUND: Colour = (18, 18, 18)
PLAIN: Colour = (235, 235, 235)
QUIET: Colour = (150, 150, 150)
WARNING: Colour = (176, 28, 28)


class Area(NamedTuple):
    """A rectangle of the canvas, pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def within(self, other: Area) -> bool:
        """Whether all of it lies in another."""
        return (
            other.left <= self.left
            and self.right <= other.right
            and other.top <= self.top
            and self.bottom <= other.bottom
        )

    def beside(self, other: Area) -> bool:
        """Whether it and another share nothing but an edge."""
        return (
            self.right < other.left
            or other.right < self.left
            or self.bottom < other.top
            or other.bottom < self.top
        )


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text."""

    text: str
    colour: Colour = PLAIN


@dataclass(frozen=True, slots=True)
class Mark:
    """A box, in pixels of the stored frame, its colour, and the lines of its label."""

    box: Box
    lines: Sequence[str]
    colour: Colour


def width(panels: int) -> int:
    """How wide a canvas of so many films beside each other is, pixels."""
    return panels * (PANEL + MARGIN) + MARGIN


def paste(canvas: Image.Image, grey: NDArray[np.uint8], fit: Fit, corner: tuple[int, int]) -> None:
    """Put a stored frame, standing and padded to a square, at a corner."""
    square = Image.fromarray(fit.picture(grey))
    canvas.paste(square.resize((PANEL, PANEL), Image.Resampling.LANCZOS), corner)


def mark(canvas: Image.Image, marks: Sequence[Mark], fit: Fit, corner: tuple[int, int]) -> None:
    """Draw boxes on the film at a corner, and then their labels."""
    pen = ImageDraw.Draw(canvas)
    panel = Area(*corner, corner[0] + PANEL, corner[1] + PANEL)
    placed = [(one, _on_canvas(fit.to_square(one.box), fit.side, corner)) for one in marks]
    for one, box in placed:
        pen.rectangle(box, outline=one.colour, width=3)
    taken: list[Area] = []
    for one, box in placed:
        tag = free_place(box, *tag_size(one.lines), panel, taken)
        taken.append(tag)
        _draw_tag(pen, tag, box, one)


def write(canvas: Image.Image, lines: Sequence[Line], corner: tuple[int, int]) -> None:
    """Write lines of text below each other, from a corner on."""
    pen = ImageDraw.Draw(canvas)
    for number, line in enumerate(lines):
        place = (corner[0], corner[1] + LINE * number)
        pen.text(place, line.text, fill=line.colour, font=FONT)


def wrap(line: Line, letters: int) -> list[Line]:
    """A line as lines of at most so many letters."""
    return [Line(text, line.colour) for text in textwrap.wrap(line.text, letters)]


def tag_size(lines: Sequence[str]) -> tuple[float, float]:
    """Width and height of a label of these lines, pixels."""
    wide = max(_SMALL.getlength(line) for line in lines)
    return wide + 2 * _PAD, _TAG_LINE * len(lines) + _PAD


def free_place(box: Area, width: float, height: float, panel: Area, taken: list[Area]) -> Area:
    """Where a label fits inside the film and covers no other label: above its box, below it, in
    it, else the nearest place there is.
    """
    tops = [box.top - height, box.bottom, box.top]
    wanted = [(left, top) for top in tops for left in (box.left, box.right - width)]
    steps = (range(0, int(PANEL - span) + 1, _TAG_LINE // 2) for span in (width, height))
    scan = [(panel.left + x, panel.top + y) for x, y in itertools.product(*steps)]
    scan.sort(key=lambda place: abs(place[0] - box.left) + abs(place[1] - box.top))
    for left, top in [*wanted, *scan]:
        place = Area(left, top, left + width, top + height)
        if place.within(panel) and all(place.beside(other) for other in taken):
            return place
    return Area(panel.left, panel.top, panel.left + width, panel.top + height)


def _draw_tag(pen: ImageDraw.ImageDraw, tag: Area, box: Area, shown: Mark) -> None:
    if tag.beside(box):
        near = (min(max(tag.left, box.left), box.right), min(max(tag.top, box.top), box.bottom))
        pen.line(((tag.left + tag.right) / 2, (tag.top + tag.bottom) / 2, *near), shown.colour, 2)
    pen.rectangle(tag, fill=shown.colour)
    for number, line in enumerate(shown.lines):
        place = (tag.left + _PAD, tag.top + 2 + _TAG_LINE * number)
        pen.text(place, line, fill=(0, 0, 0), font=_SMALL)


def _on_canvas(square: Box, side: int, corner: tuple[int, int]) -> Area:
    scale, (x, y) = PANEL / side, corner
    return Area(
        x + square.left * scale,
        y + square.top * scale,
        x + square.right * scale,
        y + square.bottom * scale,
    )
