"""The result as one picture: prior and current film side by side, boxes drawn and labelled."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageDraw

from dicom_node import canvas as on
from dicom_node import wording
from dicom_node.canvas import LINE, MARGIN, PANEL, QUIET, Line, Mark
from dicom_node.geometry import Fit
from dicom_node.report import Finding, Presence, Report
from dicom_node.study import Frame
from dicom_node.vocabulary import Vocabulary

_LETTERS = 165  # that fit into the width


def draw(
    report: Report, vocabulary: Vocabulary, current: Frame, prior: Frame | None, path: Path
) -> None:
    """Write the picture of :func:`render` as PNG."""
    render(report, vocabulary, current, prior).save(path)


def render(
    report: Report, vocabulary: Vocabulary, current: Frame, prior: Frame | None
) -> Image.Image:
    """The picture, RGB: what must be said first, the films, and a line on each finding.

    It names no patient. See :func:`films`.

    Raises:
        BadStudy: a film is not a frontal one by its Patient Orientation.
    """
    banner = [Line(text) for text in (wording.NOT_VERIFIED, wording.origin(report)) if text]
    found = _findings(report, vocabulary)
    below = [wrapped for line in found for wrapped in on.wrap(line, _LETTERS)]
    top = LINE * len(banner) + MARGIN
    shown = films(report, vocabulary, current, prior)
    height = top + MARGIN + shown.height + MARGIN + LINE * len(below) + MARGIN
    canvas = Image.new("RGB", (on.width(2), height), on.GROUND)
    ImageDraw.Draw(canvas).rectangle((0, 0, canvas.width, top), fill=on.WARNING)
    on.write(canvas, banner, (MARGIN, MARGIN // 2))
    canvas.paste(shown, (0, top + MARGIN))
    on.write(canvas, below, (MARGIN, top + MARGIN + shown.height + MARGIN))
    return canvas


def films(
    report: Report, vocabulary: Vocabulary, current: Frame, prior: Frame | None
) -> Image.Image:
    """The prior, and beside it the current film with its boxes, each under a line that says what
    it is; RGB. Both stand as their Patient Orientation says; ``prior`` is None when there is none.

    Raises:
        BadStudy: a film is not a frontal one by its Patient Orientation.
    """
    top = LINE + MARGIN // 2
    canvas = Image.new("RGB", (on.width(2), top + PANEL), on.GROUND)
    right = 2 * MARGIN + PANEL
    _draw_prior(canvas, report, prior, (MARGIN, top))
    on.write(canvas, [Line(f"Current: {wording.film(report.film)}")], (right, 0))
    fit = _paste(canvas, current, (right, top))
    on.mark(canvas, list(_marks(report, vocabulary)), fit, (right, top))
    return canvas


def _draw_prior(
    canvas: Image.Image, report: Report, prior: Frame | None, corner: tuple[int, int]
) -> None:
    left, top = corner
    title = (left, top - LINE - MARGIN // 2)
    if prior is not None and report.prior.film is not None:
        told = f"Prior, {wording.interval(report.prior)}: {wording.film(report.prior.film)}"
        on.write(canvas, [Line(told)], title)
        _paste(canvas, prior, corner)
        return
    used = report.prior.film is not None
    on.write(canvas, [Line("Prior: no longer kept" if used else "No prior", QUIET)], title)
    square = (left, top, left + PANEL - 1, top + PANEL - 1)
    ImageDraw.Draw(canvas).rectangle(square, fill=(0, 0, 0))
    lines = [Line(text, QUIET) for text in textwrap.wrap(wording.comparison(report), 75)]
    on.write(canvas, lines, (left + 2 * MARGIN, top + PANEL // 2))


def _paste(canvas: Image.Image, frame: Frame, corner: tuple[int, int]) -> Fit:
    """Put a film, standing and padded to a square, at a corner; the fit that leads there."""
    rows, columns = frame.grey.shape
    fit = Fit.standing(rows, columns, frame.instance.orientation)
    on.paste(canvas, frame.grey, fit, corner)
    return fit


def _marks(report: Report, vocabulary: Vocabulary) -> Iterator[Mark]:
    for number, finding in _numbered(report):
        if finding.box is not None:
            colour = vocabulary.findings[finding.name].colour
            yield Mark(finding.box, wording.tag(number, finding, vocabulary), colour)


def _numbered(report: Report) -> Iterator[tuple[int, Finding]]:
    """The findings that are there, numbered as SR and SEG number them."""
    return iter(enumerate(report.present, start=1))


def _findings(report: Report, vocabulary: Vocabulary) -> Iterator[Line]:
    yield Line(wording.summary(report))
    for number, finding in _numbered(report):
        colour = vocabulary.findings[finding.name].colour
        yield Line(f"{number}  {wording.statement(finding, vocabulary)}", colour)
    for finding in report.findings:
        if finding.presence is Presence.ABSENT:
            yield Line(f"-  {wording.statement(finding, vocabulary)}", QUIET)
    for gap in report.unread:
        yield Line(f"?  {wording.unread(gap)}", QUIET)
