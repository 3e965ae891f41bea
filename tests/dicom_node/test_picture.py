"""The picture: read back as pixels, and the words that were drawn into it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from report_builders import MADE, prior_of, report_on, several, unchanged, unread

from dicom_node import canvas, picture, wording
from dicom_node.geometry import Box
from dicom_node.report import (
    BoxShows,
    Film,
    Finding,
    NotRead,
    NotReadBecause,
    Presence,
    Report,
    Weights,
)
from dicom_node.study import Frame, Instance, View
from dicom_node.vocabulary import Vocabulary

#: Patient Orientation, and how numpy turns the standing picture into what is then stored.
STORED: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "LF": lambda standing: standing,
    "RF": np.fliplr,
    "RH": lambda standing: np.rot90(standing, 2),
    "LH": np.flipud,
    "HL": lambda standing: np.rot90(standing, -1),
    "FR": np.rot90,
    "FL": np.transpose,
    "HR": lambda standing: np.rot90(standing.T, 2),
}
ROWS, COLUMNS = 400, 360  # of the standing picture: the padding is even
#: A bright block in the standing picture: the patient's right lower lung, so to say.
TOP, BOTTOM, LEFT, RIGHT = 240, 320, 60, 160


def frame(orientation: str = "LF") -> Frame:
    standing = np.tile(np.linspace(20, 90, COLUMNS).astype(np.uint8), (ROWS, 1))
    standing[:40, :40] = 120  # a marker in the corner at the patient's right shoulder
    standing[TOP:BOTTOM, LEFT:RIGHT] = 255
    grey = np.ascontiguousarray(STORED[orientation](standing))
    instance = Instance(
        path=Path("film.dcm"),
        sop_class_uid="1.2.840.10008.5.1.4.1.1.1",
        sop_instance_uid="1.2.3.1",
        series_instance_uid="1.2.3.2",
        study_instance_uid="1.2.3.3",
        modality="CR",
        body_part="CHEST",
        view=View.PA,
        rows=grey.shape[0],
        columns=grey.shape[1],
        acquired=datetime(2020, 1, 2, 10, 15),
        orientation=(orientation[0], orientation[1]),
    )
    return Frame(instance, grey)


def block(of: Frame) -> Box:
    """Where the block is in the stored frame, by looking."""
    rows, columns = np.nonzero(of.grey == 255)
    return Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def on_block(of: Frame) -> Report:
    finding = Finding("consolidation", Presence.PRESENT, box=block(of), box_shows=BoxShows.FINDING)
    return report_on(Film.of(of.instance), finding)


def drawn(
    report: Report, vocabulary: Vocabulary, folder: Path, current: Frame, prior: Frame | None = None
) -> NDArray[np.uint8]:
    picture.draw(report, vocabulary, current, prior, folder / "picture.png")
    return np.asarray(Image.open(folder / "picture.png"))


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is written into pictures from now on, in order."""
    said: list[str] = []
    write = ImageDraw.ImageDraw.text

    def listen(pen: ImageDraw.ImageDraw, xy: Any, text: str, *args: Any, **kwargs: Any) -> None:
        said.append(text)
        write(pen, xy, text, *args, **kwargs)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", listen)
    return said


@pytest.mark.parametrize("orientation", STORED)
def test_a_box_stands_around_what_it_shows_in_every_orientation(
    orientation: str, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    film = frame(orientation)
    image = drawn(on_block(film), vocabulary, tmp_path, film).astype(int)
    colour = vocabulary.findings["consolidation"].colour
    # The current film is 800 pixels square, 40 from the left of the right half; 20 of the film's
    # 400 pixels of width are padding on either side.
    scale, x0 = 2, 2 * 20 + 800
    y0 = first_row_of_film(image, x0)
    left, right = x0 + (20 + LEFT) * scale, x0 + (20 + RIGHT) * scale
    top, bottom = y0 + TOP * scale, y0 + BOTTOM * scale
    middle_x, middle_y = (left + right) // 2, (top + bottom) // 2
    for y, x in ((middle_y, left), (middle_y, right), (top, middle_x), (bottom, middle_x)):
        near = image[y - 3 : y + 4, x - 3 : x + 4].reshape(-1, 3)
        assert (near == colour).all(axis=1).any(), (y, x)
    assert (image[middle_y, middle_x] == 255).all()  # inside is the block
    assert image[middle_y, left - 12].max() < 100  # outside is not


def test_every_orientation_makes_the_same_picture(vocabulary: Vocabulary, tmp_path: Path) -> None:
    pictures = []
    for orientation in STORED:
        film = frame(orientation)
        pictures.append(drawn(on_block(film), vocabulary, tmp_path, film, film))
    assert all(np.array_equal(pictures[0], one) for one in pictures[1:])


def test_the_prior_is_on_the_left_and_without_boxes(
    vocabulary: Vocabulary, tmp_path: Path, words: list[str]
) -> None:
    film = frame()
    earlier = replace(film, grey=np.full_like(film.grey, 77))
    report = replace(on_block(film), prior=prior_of(Film.of(film.instance)))
    image = drawn(report, vocabulary, tmp_path, film, earlier)
    half = image[200:800, 80:760]
    assert (half == 77).all()
    assert any(text.startswith("Prior, 183 days earlier: PA") for text in words)
    assert any(text.startswith("Current: PA") for text in words)


def test_without_a_prior_it_says_why(
    vocabulary: Vocabulary, tmp_path: Path, words: list[str]
) -> None:
    film = frame()
    drawn(on_block(film), vocabulary, tmp_path, film)
    assert "No prior" in words
    assert "the archive has no earlier study" in " ".join(words)


@pytest.mark.parametrize("weights", Weights)
def test_the_banner_says_that_nobody_verified_it(
    weights: Weights, vocabulary: Vocabulary, tmp_path: Path, words: list[str]
) -> None:
    film = frame()
    report = replace(on_block(film), made=replace(MADE, weights=weights))
    image = drawn(report, vocabulary, tmp_path, film)
    assert any(text.startswith("AI made this; nobody verified it") for text in words)
    assert any("DEMONSTRATION" in text for text in words) is (weights is Weights.DEMONSTRATION)
    red = image[5, :].astype(int)
    assert (red[:, 0] > red[:, 1] + 100).all()


def test_every_finding_and_gap_is_listed(
    vocabulary: Vocabulary, tmp_path: Path, words: list[str]
) -> None:
    film = frame()
    reference = Film.of(film.instance)
    report = report_on(reference, *unchanged(several(reference)), unread=unread())
    drawn(report, vocabulary, tmp_path, film)
    told = "\n".join(words)
    for finding in report.findings:
        assert wording.statement(finding, vocabulary) in told
    assert "location not read (the answer does not parse)" in told
    assert "1 Consolidation" in words
    assert "right lower lung zone, 87.3 %" in words


def test_a_film_that_was_not_read_is_shown_with_the_reason(
    vocabulary: Vocabulary, tmp_path: Path, words: list[str]
) -> None:
    film = frame()
    refused = NotRead(NotReadBecause.NOT_SUITABLE, "it is a knee")
    drawn(report_on(Film.of(film.instance), not_read=refused), vocabulary, tmp_path, film)
    assert "Not suitable: it is a knee. This says nothing about findings." in words
    assert not [text for text in words if "without a prior" in text]


def test_it_is_legible_and_the_same_each_time(vocabulary: Vocabulary, tmp_path: Path) -> None:
    film = frame()
    first = drawn(on_block(film), vocabulary, tmp_path, film)
    content = (tmp_path / "picture.png").read_bytes()
    drawn(on_block(film), vocabulary, tmp_path, film)
    assert (tmp_path / "picture.png").read_bytes() == content
    assert first.shape[1] >= 1600
    assert Image.open(tmp_path / "picture.png").info == {}  # no words beside the pixels


@pytest.mark.parametrize(
    "corner", [(0, 0), (700, 0), (0, 780), (780, 780), (400, 400), (790, 5), (5, 790)]
)
def test_labels_stay_in_the_film_and_cover_no_other(corner: tuple[int, int]) -> None:
    panel = canvas.Area(100, 200, 900, 1000)
    left, top = panel.left + corner[0], panel.top + corner[1]
    box = canvas.Area(left, top, min(left + 90, 900), min(top + 60, 1000))
    taken: list[canvas.Area] = []
    for number in range(16):  # all sixteen findings at one place
        place = canvas.free_place(box, 250 + 3 * number, 45, panel, taken)
        assert place.within(panel)
        assert all(place.beside(other) for other in taken)
        taken.append(place)


def test_labels_of_overlapping_boxes_are_all_whole(vocabulary: Vocabulary, tmp_path: Path) -> None:
    """Each label is a filled rectangle in the colour of its finding, whatever else is there."""
    film = frame()
    names = ["consolidation", "atelectasis", "lung opacity", "fracture", "pneumothorax"]
    found = [
        Finding(name, Presence.PRESENT, box=block(film), box_shows=BoxShows.FINDING)
        for name in names
    ]
    image = drawn(report_on(Film.of(film.instance), *found), vocabulary, tmp_path, film)
    film_only = image[: 130 + 800]  # not the list below
    for name in names:
        alone = (film_only == vocabulary.findings[name].colour).all(axis=2)
        assert alone.sum() > 1000, name


def first_row_of_film(image: NDArray[np.int_], x0: int) -> int:
    """The row where the corner marker begins, which is the first of the film."""
    column = image[:, x0 + 60, 0]
    rows = np.nonzero(np.abs(column - 120) <= 2)[0]
    return int(rows[0])
