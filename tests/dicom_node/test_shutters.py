"""What shutter and collimator leave open: rows and columns from 1, the edges included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import chest
from numpy.typing import NDArray
from pydicom import Dataset

from dicom_node.headers import read_study
from dicom_node.pixels import read_frame
from dicom_node.pixels.shutters import COLLIMATOR, SHUTTER, inside
from dicom_node.study import Frame

SHAPE = (40, 60)


def stated(**elements: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def rectangle(
    left: int, right: int, upper: int, lower: int, word: str = "Shutter"
) -> dict[str, Any]:
    return {
        f"{word}Shape": "RECTANGULAR",
        f"{word}LeftVerticalEdge": left,
        f"{word}RightVerticalEdge": right,
        f"{word}UpperHorizontalEdge": upper,
        f"{word}LowerHorizontalEdge": lower,
    }


def circle(row: int, column: int, radius: int, word: str = "Shutter") -> dict[str, Any]:
    return {
        f"{word}Shape": "CIRCULAR",
        f"CenterOfCircular{word}": [row, column],
        f"RadiusOfCircular{word}": radius,
    }


def polygon(*vertices: int, word: str = "Shutter") -> dict[str, Any]:
    return {f"{word}Shape": "POLYGONAL", f"VerticesOfThePolygonal{word}": list(vertices)}


def opened(elements: dict[str, Any]) -> NDArray[np.bool_]:
    seen, notes = inside(stated(**elements), SHUTTER, SHAPE)
    assert notes == ()
    assert seen is not None
    return seen


def test_a_rectangle_has_its_edges_inside() -> None:
    seen = opened(rectangle(left=11, right=50, upper=6, lower=30))
    expected = np.zeros(SHAPE, bool)
    expected[5:30, 10:50] = True
    assert np.array_equal(seen, expected)


def test_a_circle_is_round_about_its_pixel() -> None:
    seen = opened(circle(row=20, column=30, radius=10))
    assert seen[19, 29]
    assert seen[19, 39]
    assert seen[29, 29]
    assert not seen[19, 40]
    assert not seen[27, 37]  # within the square about it, not within the circle
    assert abs(seen.sum() - np.pi * 100) < 25


def test_a_polygon_is_closed_by_itself() -> None:
    """A triangle: upper left, upper right, lower left; row before column."""
    seen = opened(polygon(1, 1, 1, 60, 40, 1))
    assert seen[0, 0]
    assert seen[0, 59]
    assert seen[39, 0]
    assert not seen[39, 59]
    assert not seen[25, 35]
    assert abs(seen.mean() - 0.5) < 0.04


def test_what_several_leave_open_is_what_all_do() -> None:
    shapes = (
        rectangle(left=11, right=50, upper=1, lower=40),
        circle(row=20, column=30, radius=25),
        polygon(1, 1, 1, 60, 40, 60, 40, 20),
    )
    together = shapes[0] | shapes[1] | shapes[2]
    together["ShutterShape"] = ["RECTANGULAR", "CIRCULAR", "POLYGONAL"]
    alone = [opened(one) for one in shapes]
    assert np.array_equal(opened(together), alone[0] & alone[1] & alone[2])


def test_the_collimator_is_read_from_its_own_attributes() -> None:
    dataset = stated(**rectangle(11, 50, 6, 30, "Collimator"), **circle(20, 30, 10))
    bounded, _ = inside(dataset, COLLIMATOR, SHAPE)
    assert bounded is not None
    assert bounded.sum() == 40 * 25


@pytest.mark.parametrize(
    "elements",
    [{}, {"ShutterShape": ""}, rectangle(1, 60, 1, 40), rectangle(-5, 90, 0, 41),
     circle(20, 30, 500)],
)  # fmt: skip
def test_a_shutter_that_closes_nothing_is_none(elements: dict[str, Any]) -> None:
    assert inside(stated(**elements), SHUTTER, SHAPE) == (None, ())


@pytest.mark.parametrize(
    ("elements", "why"),
    [
        (rectangle(50, 11, 6, 30), "is inside out"),
        (rectangle(11, 50, 30, 6), "is inside out"),
        (rectangle(61, 90, 1, 40), "lies beside the film"),
        (rectangle(-20, 0, 1, 40), "lies beside the film"),
        (rectangle(10, 12, 10, 12), "leaves almost nothing of the film open"),
        (rectangle(10, 12, 10, 12) | {"ShutterRightVerticalEdge": None}, "is not wholly stated"),
        (circle(200, 300, 10), "lies beside the film"),
        (circle(20, 30, 0), "has no radius"),
        (circle(20, 30, -5), "has no radius"),
        (polygon(1, 1, 40, 60), "has too few vertices"),
        (polygon(1, 1, 40, 60, 5), "has too few vertices"),
        (polygon(1, 1, 1, 2_000_000_000, 40, 1), "lies beside the film"),
        ({"ShutterShape": "BITMAP"}, "has a shape that is not known"),
    ],
)
def test_a_shutter_that_makes_no_sense_is_ignored_and_said(
    elements: dict[str, Any], why: str
) -> None:
    seen, notes = inside(stated(**elements), SHUTTER, SHAPE)
    assert seen is None
    assert notes == (f"The film's shutter is ignored, for it {why}.",)


def frame(path: Path) -> Frame:
    (film,) = read_study([path]).instances
    return read_frame(film)


def film(path: Path, **elements: Any) -> Path:
    """Lungs of 1000 to 2000 within a frame of unexposed detector at 60000."""
    pixels = np.full((80, 100), 60_000, np.uint16)
    pixels[10:70, 20:80] = np.linspace(1000, 2000, 60 * 60).reshape(60, 60)
    return chest(path, pixels, BitsStored=16, HighBit=15, **elements)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_outside_the_shutter_is_black(tmp_path: Path, photometric: str) -> None:
    path = film(
        tmp_path / "film.dcm",
        PhotometricInterpretation=photometric,
        WindowCenter=1500,
        WindowWidth=1200,
        **rectangle(21, 80, 11, 70),
    )
    shown = frame(path)
    outside = np.ones(shown.grey.shape, bool)
    outside[10:70, 20:80] = False
    assert not shown.grey[outside].any()
    assert shown.grey[~outside].min() > 0
    assert shown.notes == ()


@pytest.mark.parametrize("word", ["Shutter", "Collimator"])
def test_the_range_of_a_film_without_window_is_that_of_what_the_beam_reached(
    tmp_path: Path, word: str
) -> None:
    path = film(
        tmp_path / "film.dcm",
        WindowCenter=None,
        WindowWidth=None,
        **rectangle(21, 80, 11, 70, word),
    )
    shown = frame(path)
    lungs = shown.grey[10:70, 20:80]
    assert (lungs.min(), lungs.max()) == (0, 255)
    assert abs(float(lungs.mean()) - 127.5) < 1
    assert shown.grey[0, 0] == (0 if word == "Shutter" else 255)


def test_a_collimator_that_is_not_needed_is_not_told_of(tmp_path: Path) -> None:
    wrong = rectangle(80, 21, 11, 70, "Collimator")
    assert frame(film(tmp_path / "a.dcm", WindowCenter=1500, WindowWidth=1200, **wrong)).notes == ()
    notes = frame(film(tmp_path / "b.dcm", WindowCenter=None, WindowWidth=None, **wrong)).notes
    assert notes[-1] == "The film's collimator is ignored, for it is inside out."
