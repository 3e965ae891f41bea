"""The marks over a film as graphic annotations (PS3.3 C.10.5): boxes, labels and arrows.

Where a label stands is worked out as for the picture: on the film as a screen shows it, 800 pixels
long. A viewer that writes larger or smaller begins its labels where they should begin.
"""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from highdicom import pr

from dicom_node import canvas, equipment, wording
from dicom_node.canvas import Area
from dicom_node.geometry import Box
from dicom_node.outputs.identifiers import tracked
from dicom_node.report import Film, Report
from dicom_node.vocabulary import Vocabulary

_LETTER = 8.5  # mean width of a letter on the screen
_HEAD = 12  # length of both strokes of an arrow's head on the screen
_SPREAD = math.radians(25)  # of each stroke, away from the shaft

_Point = tuple[float, float]
_graphic = partial(pr.GraphicObject, pr.GraphicTypeValues.POLYLINE, units="PIXEL")


@dataclass(frozen=True, slots=True)
class Marks:
    """What is drawn over a film, in pixels of the stored frame counted at the edges."""

    graphics: list[pr.GraphicObject] = field(default_factory=list)
    texts: list[pr.TextObject] = field(default_factory=list)


def draw(report: Report, vocabulary: Vocabulary) -> Marks:
    """A closed polyline and a label for each box, an arrow where the label cannot stand at its box,
    and above all what must be read first. Labels cover no other label and stay inside of the film.
    """
    marks, screen = Marks(), _Screen(report.film)
    taken = [_draw_first(report, screen, marks)]
    for one in tracked(report, vocabulary):
        if one.finding.box is not None:
            lines = wording.tag(one.number, one.finding, vocabulary)
            box = screen.area(one.finding.box)
            place = canvas.free_place(box, *canvas.tag_size(lines), screen.panel, taken)
            taken.append(place)
            names: dict[str, Any] = {"tracking_id": one.identifier, "tracking_uid": one.uid}
            marks.graphics.append(_graphic(np.array(one.finding.box.outline), **names))
            if place.beside(box):
                marks.graphics.append(_graphic(np.array(screen.stored(*_arrow(place, box)))))
            marks.texts.append(_text(lines, place, screen, text_justification="LEFT", **names))
    return marks


@dataclass(frozen=True, slots=True)
class _Screen:
    """A film on a screen, and the way between them."""

    film: Film

    @property
    def panel(self) -> Area:
        """All of the film."""
        return Area(0, 0, self.film.columns * self._scale, self.film.rows * self._scale)

    def area(self, box: Box) -> Area:
        """Where a box of the film is."""
        return Area(*(side * self._scale for side in (box.left, box.top, box.right, box.bottom)))

    def stored(self, *points: _Point) -> list[_Point]:
        """Points in pixels of the stored frame, none of them beside it."""
        columns, rows = self.film.columns, self.film.rows
        return [
            (min(max(x / self._scale, 0.0), columns), min(max(y / self._scale, 0.0), rows))
            for x, y in points
        ]

    @property
    def _scale(self) -> float:
        return canvas.PANEL / max(self.film.rows, self.film.columns)


def _draw_first(report: Report, screen: _Screen, marks: Marks) -> Area:
    """What must be read first, over the whole width at the top: the neck leaves room there."""
    panel = screen.panel
    inset = min(canvas.MARGIN, panel.right / 4, panel.bottom / 4)  # at the edge viewers cut it off
    width = panel.right - 2 * inset
    lines = [
        line
        for text in (wording.NOT_VERIFIED, wording.origin(report))
        for line in textwrap.wrap(text, max(int(width / _LETTER), 1))
    ]
    place = Area(inset, inset, inset + width, inset + canvas.tag_size(lines)[1])
    marks.texts.append(_text(lines, place, screen, text_justification="CENTER"))
    return place


def _text(lines: list[str], place: Area, screen: _Screen, **options: Any) -> pr.TextObject:
    (left, top), (right, bottom) = screen.stored(place[:2], place[2:])
    return pr.TextObject(
        equipment.plain("\r\n".join(lines)),
        units="PIXEL",
        bounding_box=(left, top, right, bottom),
        **options,
    )


def _arrow(place: Area, box: Area) -> list[_Point]:
    """One line of five points: from the label to the box, and the two strokes of the head."""
    tail = _nearest(place, ((box.left + box.right) / 2, (box.top + box.bottom) / 2))
    tip = _nearest(box, tail)
    back = math.atan2(tail[1] - tip[1], tail[0] - tip[0])
    strokes = [
        (tip[0] + _HEAD * math.cos(angle), tip[1] + _HEAD * math.sin(angle))
        for angle in (back - _SPREAD, back + _SPREAD)
    ]
    return [tail, tip, strokes[0], tip, strokes[1]]


def _nearest(area: Area, point: _Point) -> _Point:
    return (
        min(max(area.left, point[0]), area.right),
        min(max(area.top, point[1]), area.bottom),
    )
