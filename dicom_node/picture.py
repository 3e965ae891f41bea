"""The result as one picture: prior and current film side by side, boxes drawn and labelled."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
_LETTERS = 130  # that fit into the width
_FONT = ImageFont.load_default(size=20)
_SMALL = ImageFont.load_default(size=17)

_GROUND: Colour = (18, 18, 18)
_PLAIN: Colour = (235, 235, 235)
_QUIET: Colour = (150, 150, 150)
_WARNING: Colour = (176, 28, 28)


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
    pen.text(title, "No prior", fill=_QUIET, font=_FONT)
    pen.rectangle((left, top, left + _PANEL - 1, top + _PANEL - 1), fill=(0, 0, 0))
    lines = textwrap.wrap(wording.comparison(report.prior), 60)
    for number, line in enumerate(lines):
        place = (left + _MARGIN, top + _PANEL // 2 + _LINE * number)
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
    taken: list[tuple[float, float, float, float]] = []
    for number, finding in _numbered(report):
        if finding.box is None:
            continue
        colour = vocabulary.findings[finding.name].colour
        box = _on_canvas(fit.to_square(finding.box), fit.side, corner)
        pen.rectangle((box.left, box.top, box.right, box.bottom), outline=colour, width=3)
        label = f" {number} {wording.title(finding.name)} "
        tag = _free_place(box, pen.textlength(label, font=_SMALL), corner, taken)
        taken.append(tag)
        pen.rectangle(tag, fill=colour)
        pen.text((tag[0], tag[1] + 2), label, fill=(0, 0, 0), font=_SMALL)


def _on_canvas(square: Box, side: int, corner: tuple[int, int]) -> Box:
    scale, (x, y) = _PANEL / side, corner
    return Box(
        x + square.left * scale,
        y + square.top * scale,
        x + square.right * scale,
        y + square.bottom * scale,
    )


def _free_place(
    box: Box,
    width: float,
    corner: tuple[int, int],
    taken: list[tuple[float, float, float, float]],
) -> tuple[float, float, float, float]:
    """Where a label fits: at the box's top left corner inside the film, lower if that is taken."""
    height = _LINE - 6
    left = min(box.left, corner[0] + _PANEL - width)
    top = min(box.top, corner[1] + _PANEL - height)
    while any(
        left < other[2] and other[0] < left + width and top < other[3] and other[1] < top + height
        for other in taken
    ):
        top += height + 2
        if top + height > corner[1] + _PANEL:  # below everything: begin again from the top
            top, left = corner[1], left + width / 2
    return left, top, left + width, top + height


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
