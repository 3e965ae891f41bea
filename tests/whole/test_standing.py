"""A film stored in any of the eight ways is read standing, and what is found lies on the same
anatomy in the stored pixels.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import sr_text
from builders import chest, variant
from fake_engine import FakeEngine, Known
from numpy.typing import NDArray
from pydicom import dcmread
from report_builders import object_of

from dicom_node import findings_file, outputs, rules
from dicom_node.geometry import Box, Fit
from dicom_node.headers import read_study
from dicom_node.report import Report
from dicom_node.vocabulary import Vocabulary
from models.prepare import PREPARE
from models.questions import QUESTIONS
from workers import reading

CONFIG = Path(__file__).resolve().parents[2] / "config"
ORIENTATIONS = [
    (row, column)
    for row, column in itertools.product("LRHF", repeat=2)
    if (row in "LR") != (column in "LR")
]
ROWS, COLUMNS = 321, 260  # of the standing film

#: Where each finding is on the standing film, its site, and the value of its pixels there.
PLACES = {
    "atelectasis": (Box(30, 220, 70, 270), "right lower lung zone", 3600),
    "consolidation": (Box(170, 40, 215, 99), "left upper lung zone", 3800),
    "pleural effusion": (Box(185, 250, 240, 301), "left pleural space", 4000),
}
SIDES = {"atelectasis": "RIGHT", "consolidation": "LEFT", "pleural effusion": "LEFT"}
#: Of the codes in the SR.
CODES = {"atelectasis": "46621007", "consolidation": "95436008", "pleural effusion": "60046008"}
#: The model speaks in thousandths of the square, and the square may be half a pixel off.
TOLERANCE = max(ROWS, COLUMNS) / 2000 + 0.5


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return findings_file.load(CONFIG / "findings.yaml")


def standing() -> NDArray[np.uint16]:
    """Different in every corner, with a block for each finding."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    pixels: NDArray[np.uint16] = (300 + 5 * x + 4 * y).astype(np.uint16)
    for box, _, value in PLACES.values():
        pixels[int(box.top) : int(box.bottom), int(box.left) : int(box.right)] = value
    return pixels


def as_stored(orientation: tuple[str, str]) -> NDArray[np.uint16]:
    """The standing film as one of this Patient Orientation has it (PS3.3 C.7.6.1.1.1)."""
    along_row, down_column = orientation
    pixels = standing() if along_row in "LR" else standing().T
    if along_row in "RH":
        pixels = np.fliplr(pixels)
    if down_column in "RH":
        pixels = np.flipud(pixels)
    return np.ascontiguousarray(pixels)


def block(stored: NDArray[np.uint16], value: int) -> Box:
    """Where the stored pixels have a value."""
    rows, columns = np.nonzero(stored == value)
    return Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def read(film: Path, engine: FakeEngine, vocabulary: Vocabulary) -> Report:
    names = rules.Known(prepare=PREPARE, questions=QUESTIONS, outputs=outputs.OUTPUTS)
    plan = rules.plan(read_study([film]), rules.load(CONFIG / "rules.yaml", names))
    return reading.read(
        job="1",
        revision=1,
        plan=plan,
        prior=reading.without_prior("not asked"),
        prior_path=None,
        vocabulary=vocabulary,
        engine=engine,
    )


def engine(vocabulary: Vocabulary) -> FakeEngine:
    """One that sees the findings where they are on a standing picture."""
    fit = Fit(ROWS, COLUMNS)
    known = {
        name: Known(site=site, box=fit.to_model(box)) for name, (box, site, _) in PLACES.items()
    }
    return FakeEngine(vocabulary, known)


def apart(one: Box, other: Box) -> float:
    edges = ("left", "top", "right", "bottom")
    return max(abs(getattr(one, edge) - getattr(other, edge)) for edge in edges)


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids="".join)
def test_what_is_found_lies_on_the_same_anatomy(
    tmp_path: Path, vocabulary: Vocabulary, orientation: tuple[str, str]
) -> None:
    stored = as_stored(orientation)
    film = chest(tmp_path / "film.dcm", stored, PatientOrientation=list(orientation))
    upright = chest(tmp_path / "upright.dcm", standing())
    saw, wanted = engine(vocabulary), engine(vocabulary)
    report, reference = read(film, saw, vocabulary), read(upright, wanted, vocabulary)

    # The model sees the very same picture ...
    assert len(saw.images) == len(wanted.images) > 0
    for ours, theirs in zip(saw.images, wanted.images, strict=True):
        assert np.array_equal(ours[0], theirs[0])
    # ... and what it says comes out on the same anatomy of the stored film.
    assert report.unread == reference.unread == ()
    found = {one.name: one for one in report.findings if one.box is not None}
    expected = {one.name: one for one in reference.findings if one.box is not None}
    assert found.keys() == expected.keys() == PLACES.keys()
    for name, (_, site, value) in PLACES.items():
        assert apart(found[name].box, block(stored, value)) <= TOLERANCE, name
        assert found[name].site == expected[name].site == site
        assert found[name].laterality == expected[name].laterality
        assert found[name].laterality is not None
        assert found[name].laterality.name == SIDES[name]


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids="".join)
def test_the_structured_report_points_at_the_same_anatomy(
    tmp_path: Path, vocabulary: Vocabulary, orientation: tuple[str, str]
) -> None:
    stored = as_stored(orientation)
    film = chest(tmp_path / "film.dcm", stored, PatientOrientation=list(orientation))
    made = object_of("sr", read(film, engine(vocabulary), vocabulary), vocabulary, film)
    outputs.write(made, tmp_path / "sr.dcm")
    groups = {
        group.one("Finding").code()[0]: group
        for group in sr_text.read(tmp_path / "sr.dcm").groups
        if group.all("Finding")
    }
    for name, (_, _, value) in PLACES.items():
        _, points = groups[CODES[name]].one("Image Region").graphic()
        xs, ys = zip(*points, strict=True)
        drawn = Box(min(xs), min(ys), max(xs), max(ys))
        assert apart(drawn, block(stored, value)) <= TOLERANCE, name
        side = groups[CODES[name]].one("Finding Site").one("Laterality").value
        assert side.split('"')[1].upper() == SIDES[name]


def test_a_real_film_stored_in_each_way_shows_the_same_picture(
    rg1: Path, tmp_path: Path, vocabulary: Vocabulary
) -> None:
    dataset = dcmread(rg1)
    pixels, seen = dataset.pixel_array, []
    for number, (along_row, down_column) in enumerate(ORIENTATIONS):
        turned = pixels if along_row in "LR" else pixels.T
        turned = np.fliplr(turned) if along_row in "RH" else turned
        turned = np.flipud(turned) if down_column in "RH" else turned
        film = variant(
            rg1,
            tmp_path / f"{number}.dcm",
            Rows=turned.shape[0],
            Columns=turned.shape[1],
            PixelData=np.ascontiguousarray(turned).tobytes(),
            PatientOrientation=[along_row, down_column],
        )
        one = FakeEngine(vocabulary)
        read(film, one, vocabulary)
        seen.append(one.images[0][0])
    for picture in seen[1:]:
        assert np.array_equal(picture, seen[0])
