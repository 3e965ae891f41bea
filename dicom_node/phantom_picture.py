"""Drawn films as one picture, with the boxes of what was drawn into them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from dicom_node import canvas as on
from dicom_node.canvas import LINE, MARGIN, PANEL, Line, Mark
from dicom_node.geometry import STANDING, Fit

NOT_A_PERSON = "PHANTOM: drawn by a program. Not a person, not for diagnosis."

_LETTERS = 82  # that fit below one film
_BANNER = (38, 70, 110)


@dataclass(frozen=True, slots=True)
class Panel:
    """A film with its title, its boxes and what is written below it.

    ``grey`` is uint8 (rows, columns), bright is dense, standing.
    """

    title: str
    grey: NDArray[np.uint8] = field(repr=False)
    marks: Sequence[Mark]
    legend: Sequence[Line]


def draw(panels: Sequence[Panel]) -> bytes:
    """The films beside each other, in the order given, as PNG."""
    legends = [[part for line in one.legend for part in on.wrap(line, _LETTERS)] for one in panels]
    top = LINE + 2 * MARGIN
    films = top + LINE + MARGIN // 2
    below = films + PANEL + MARGIN
    height = below + LINE * max(len(one) for one in legends) + MARGIN
    canvas = Image.new("RGB", (on.width(len(panels)), height), on.GROUND)
    ImageDraw.Draw(canvas).rectangle((0, 0, canvas.width, top - MARGIN), fill=_BANNER)
    on.write(canvas, [Line(NOT_A_PERSON)], (MARGIN, MARGIN // 2))
    for number, (panel, legend) in enumerate(zip(panels, legends, strict=True)):
        left = on.width(number)
        rows, columns = panel.grey.shape
        fit = Fit.standing(rows, columns, STANDING)
        on.write(canvas, [Line(panel.title)], (left, top))
        on.paste(canvas, panel.grey, fit, (left, films))
        on.mark(canvas, panel.marks, fit, (left, films))
        on.write(canvas, legend, (left, below))
    file = io.BytesIO()
    canvas.save(file, "PNG")
    return file.getvalue()
