"""The result as one picture: prior and current film side by side, boxes drawn and labelled."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from dicom_node import wording
from dicom_node.geometry import Box, Fit
from dicom_node.report import Finding, Presence, Report
from dicom_node.study import Frame
from dicom_node.vocabulary import Vocabulary

Colour = tuple[int, int, int]

_PANEL = 800  # side of one film's square, pixels
_MARGIN = 20
_WIDTH = 2 * _PANEL + 3 * _MARGIN
_LINE = 30  # height of a line of text
_TAG_LINE = 20  # height of a line in a label
_PAD = 5  # around the text of a label
_LETTERS = 165  # that fit into the width
_FONT = ImageFont.load_default(size=20)
_SMALL = ImageFont.load_default(size=16)

_GROUND: Colour = (18, 18, 18)
_PLAIN: Colour = (235, 235, 235)
_QUIET: Colour = (150, 150, 150)
_WARNING: Colour = (176, 28, 28)


class _Area(NamedTuple):
    """A rectangle of the canvas, pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def within(self, other: _Area) -> bool:
        """Whether all of it lies in another."""
        return (
            other.left <= self.left
            and self.right <= other.right
            and other.top <= self.top
            and self.bottom <= other.bottom
        )

    def beside(self, other: _Area) -> bool:
        """Whether it and another share nothing but an edge."""
        return (
            self.right < other.left
            or other.right < self.left
            or self.bottom < other.top
            or other.bottom < self.top
        )


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    colour: Colour = _PLAIN


def draw(
    report: Report, vocabulary: Vocabulary, current: Frame, prior: Frame | None, path: Path
) -> None:
    """Write the picture as PNG. Both films stand as their Patient Orientation says.

    It names no patient; boxes are on the current film, where they were found.
    """
    banner = [text for text in (wording.NOT_VERIFIED, wording.origin(report)) if text]
    below = [wrapped for line in _findings(report, vocabulary) for wrapped in _wrap(line)]
    top = _LINE * len(banner) + 2 * _MARGIN
    films = top + _LINE + _MARGIN // 2
    height = films + _PANEL + _MARGIN + _LINE * len(below) + _MARGIN
    canvas = Image.new("RGB", (_WIDTH, height), _GROUND)
    pen = ImageDraw.Draw(canvas)

    pen.rectangle((0, 0, _WIDTH, top - _MARGIN), fill=_WARNING)
    for number, warning in enumerate(banner):
        pen.text((_MARGIN, _MARGIN // 2 + _LINE * number), warning, fill=_PLAIN, font=_FONT)

    right = 2 * _MARGIN + _PANEL
    _draw_prior(canvas, report, prior, (_MARGIN, films))
    pen.text((right, top), f"Current: {wording.film(report.film)}", fill=_PLAIN, font=_FONT)
    fit = _paste(canvas, current, (right, films))
    _draw_boxes(pen, report, vocabulary, fit, (right, films))

    for number, line in enumerate(below):
        place = (_MARGIN, films + _PANEL + _MARGIN + _LINE * number)
        pen.text(place, line.text, fill=line.colour, font=_FONT)
    canvas.save(path)


def _draw_prior(
    canvas: Image.Image, report: Report, prior: Frame | None, corner: tuple[int, int]
) -> None:
    pen = ImageDraw.Draw(canvas)
    left, top = corner
    title = (left, top - _LINE - _MARGIN // 2)
    if prior is not None and report.prior.film is not None:
        told = f"Prior, {wording.interval(report.prior)}: {wording.film(report.prior.film)}"
        pen.text(title, told, fill=_PLAIN, font=_FONT)
        _paste(canvas, prior, corner)
        return
    used = report.prior.film is not None
    pen.text(title, "Prior: no longer kept" if used else "No prior", fill=_QUIET, font=_FONT)
    pen.rectangle((left, top, left + _PANEL - 1, top + _PANEL - 1), fill=(0, 0, 0))
    lines = textwrap.wrap(wording.comparison(report.prior), 75)
    for number, line in enumerate(lines):
        place = (left + 2 * _MARGIN, top + _PANEL // 2 + _LINE * number)
        pen.text(place, line, fill=_QUIET, font=_FONT)


def _paste(canvas: Image.Image, frame: Frame, corner: tuple[int, int]) -> Fit:
    """Put a film, standing and padded to a square, at a corner; the fit that leads there."""
    rows, columns = frame.grey.shape
    fit = Fit.standing(rows, columns, frame.instance.orientation)
    square = Image.fromarray(fit.picture(frame.grey))
    canvas.paste(square.resize((_PANEL, _PANEL), Image.Resampling.LANCZOS), corner)
    return fit


def _draw_boxes(
    pen: ImageDraw.ImageDraw,
    report: Report,
    vocabulary: Vocabulary,
    fit: Fit,
    corner: tuple[int, int],
) -> None:
    panel = _Area(*corner, corner[0] + _PANEL, corner[1] + _PANEL)
    boxed = [
        (number, finding, _on_canvas(fit.to_square(finding.box), fit.side, corner))
        for number, finding in _numbered(report)
        if finding.box is not None
    ]
    for _, finding, box in boxed:
        colour = vocabulary.findings[finding.name].colour
        pen.rectangle(box, outline=colour, width=3)
    taken: list[_Area] = []
    for number, finding, box in boxed:
        lines = _label(number, finding, vocabulary)
        width = max(_SMALL.getlength(line) for line in lines) + 2 * _PAD
        tag = _free_place(box, width, _TAG_LINE * len(lines) + _PAD, panel, taken)
        taken.append(tag)
        _draw_tag(pen, tag, box, lines, vocabulary.findings[finding.name].colour)


def _draw_tag(
    pen: ImageDraw.ImageDraw, tag: _Area, box: _Area, lines: list[str], colour: Colour
) -> None:
    if tag.beside(box):
        near = (min(max(tag.left, box.left), box.right), min(max(tag.top, box.top), box.bottom))
        pen.line(((tag.left + tag.right) / 2, (tag.top + tag.bottom) / 2, *near), colour, 2)
    pen.rectangle(tag, fill=colour)
    for number, line in enumerate(lines):
        place = (tag.left + _PAD, tag.top + 2 + _TAG_LINE * number)
        pen.text(place, line, fill=(0, 0, 0), font=_SMALL)


def _label(number: int, finding: Finding, vocabulary: Vocabulary) -> list[str]:
    """The finding, and in a second line where it is, its change and score."""
    name, *rest = wording.label(finding, vocabulary).split(", ")
    return [f"{number} {name}", *([", ".join(rest)] if rest else [])]


def _on_canvas(square: Box, side: int, corner: tuple[int, int]) -> _Area:
    scale, (x, y) = _PANEL / side, corner
    return _Area(
        x + square.left * scale,
        y + square.top * scale,
        x + square.right * scale,
        y + square.bottom * scale,
    )


def _free_place(box: _Area, width: float, height: float, panel: _Area, taken: list[_Area]) -> _Area:
    """Where a label fits inside the film and covers no other label: above its box, below it, in
    it, else the nearest place there is.
    """
    tops = [box.top - height, box.bottom, box.top]
    wanted = [(left, top) for top in tops for left in (box.left, box.right - width)]
    steps = (range(0, int(_PANEL - span) + 1, _TAG_LINE // 2) for span in (width, height))
    scan = [(panel.left + x, panel.top + y) for x, y in itertools.product(*steps)]
    scan.sort(key=lambda place: abs(place[0] - box.left) + abs(place[1] - box.top))
    for left, top in [*wanted, *scan]:
        place = _Area(left, top, left + width, top + height)
        if place.within(panel) and all(place.beside(other) for other in taken):
            return place
    return _Area(panel.left, panel.top, panel.left + width, panel.top + height)


def _numbered(report: Report) -> Iterator[tuple[int, Finding]]:
    """The findings that are there, numbered as SR and SEG number them."""
    return iter(enumerate(report.present, start=1))


def _findings(report: Report, vocabulary: Vocabulary) -> Iterator[_Line]:
    yield _Line(wording.summary(report))
    for number, finding in _numbered(report):
        colour = vocabulary.findings[finding.name].colour
        yield _Line(f"{number}  {wording.statement(finding, vocabulary)}", colour)
    for finding in report.findings:
        if finding.presence is Presence.ABSENT:
            yield _Line(f"-  {wording.statement(finding, vocabulary)}", _QUIET)
    for gap in report.unread:
        yield _Line(f"?  {wording.unread(gap)}", _QUIET)


def _wrap(line: _Line) -> list[_Line]:
    return [_Line(text, line.colour) for text in textwrap.wrap(line.text, _LETTERS)]
