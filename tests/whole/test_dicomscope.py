"""The presentation state in a viewer: the marks lie where they belong, the film looks as before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import report_builders
from builders import chest, variant
from dicomscope import COLUMNS, ROWS, DicomScope, Place, Shot, changed
from numpy.typing import NDArray
from pydicom import dcmread
from report_builders import film_of, object_of, report_on, several, unchanged

from dicom_node import outputs

_NEAR = 3  # pixels of the screen
_WIDER = 1.15  # the viewer's letters, than those that the places of labels are worked out with


@pytest.fixture(scope="module")
def scope(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DicomScope]:
    with DicomScope(tmp_path_factory.mktemp("dicomscope") / "viewer") as viewer:
        yield viewer


@pytest.fixture(scope="module")
def black(scope: DicomScope, rg1: Path, tmp_path_factory: pytest.TempPathFactory) -> Shot:
    """A black film as large as the real one."""
    header = dcmread(rg1, stop_before_pixels=True)
    pixels = np.zeros((header.Rows, header.Columns), np.uint16)
    return scope.show(chest(tmp_path_factory.mktemp("black") / "film.dcm", pixels))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_only_the_marks_are_drawn_and_they_are_where_they_belong(
    photometric: str, scope: DicomScope, black: Shot, rg1: Path, tmp_path: Path
) -> None:
    film = variant(rg1, tmp_path / "film.dcm", PhotometricInterpretation=photometric)
    report = report_on(film_of(film), *unchanged(several(film_of(film))[:2]))
    state = object_of("gsps", report, report_builders.vocabulary(), film)
    outputs.write(state, tmp_path / "gsps.dcm")

    without = scope.show(film)
    marks = changed(without, scope.apply(tmp_path / "gsps.dcm"))

    place = Place.of(without, black, report.film.rows)
    rest = marks.copy()
    for finding in report.findings:
        assert finding.box is not None
        box = finding.box
        expected = place.area(box.left, box.top, box.right, box.bottom)
        frame = marks & _inside(expected, 2 * _NEAR) & ~_inside(expected, -2 * _NEAR)
        assert np.abs(np.subtract(_bounds(frame), expected)).max() <= _NEAR
        assert _drawn_sides(frame) > 0.95
        rest &= ~frame
    (annotation,) = state.GraphicAnnotationSequence
    for text in annotation.TextObjectSequence:
        left, top = text.BoundingBoxTopLeftHandCorner
        right, bottom = text.BoundingBoxBottomRightHandCorner
        wider = left + _WIDER * (right - left)
        expected = place.area(left, top, wider, bottom)
        letters = rest & _inside(expected, _NEAR)
        assert letters.sum() > 20 * len(text.UnformattedTextValue)
        assert np.abs(np.subtract(_bounds(letters), expected)[0]) <= _NEAR
        rest &= ~letters
    assert not rest.any()


def _inside(area: tuple[float, ...], margin: float) -> NDArray[np.bool_]:
    """The pixels of the screen in a rectangle that is wider by a margin on each side."""
    y, x = np.ogrid[0:ROWS, 0:COLUMNS]
    left, top, right, bottom = area
    inside: NDArray[np.bool_] = (
        (left - margin <= x) & (x <= right + margin) & (top - margin <= y) & (y <= bottom + margin)
    )
    return inside


def _bounds(pixels: NDArray[np.bool_]) -> tuple[float, ...]:
    y, x = np.nonzero(pixels)
    return x.min(), y.min(), x.max() + 1, y.max() + 1


def _drawn_sides(frame: NDArray[np.bool_]) -> float:
    """Which part of the sides of a frame is there."""
    left, top, right, bottom = (int(edge) for edge in _bounds(frame))
    cut = frame[top:bottom, left:right]
    near = 2 * _NEAR
    sides = (cut[:near].any(0), cut[-near:].any(0), cut[:, :near].any(1), cut[:, -near:].any(1))
    return min(float(side.mean()) for side in sides)
