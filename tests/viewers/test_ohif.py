"""What a radiologist sees of the results in OHIF, over Orthanc, in a headless Chromium."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import chest, new_uids, variant
from drawn import Fitted, changed, pixels, seen
from numpy.typing import NDArray
from ohif import Viewer
from pydicom import dcmread
from report_builders import box_of, film_of, material, prior_of, report_on, several, vocabulary

from dicom_node import outputs, phantom_films
from dicom_node.phantom_films import DrawnFilm, Photometric
from dicom_node.profiles import Series
from dicom_node.report import ChangeKind, Film, NotRead, NotReadBecause, Report
from models.demonstration.drawing import phantoms

_PIXELS = 3.0  # how far from its place on the screen an edge may be seen
_SR, _SEG, _SC, _PDF = (
    "AI findings, NOT VERIFIED",
    "AI boxes of findings, NOT VERIFIED",
    "AI picture, NOT VERIFIED",
    "AI report page, NOT VERIFIED",
)
_NOTHING, _NOT_READ = "AI nothing found, NOT VERIFIED", "AI not read, NOT VERIFIED"
_TRACK = "Do you want to continue tracking measurements for this study?"
_OPEN = "Do you want to open this Segmentation?"


@dataclass(frozen=True)
class Shown:
    """A study that is open in the viewer; ``folder`` holds the picture of the film alone."""

    viewer: Viewer
    report: Report
    folder: Path

    def picture(self, name: str, outlines: int = 0) -> tuple[Any, NDArray[np.int16]]:
        path = self.folder / f"{name}.png"
        return self.viewer.do("picture", path=str(path), outlines=outlines), pixels(path)


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewer]:
    with Viewer(tmp_path_factory.mktemp("viewer")) as started:
        yield started


@pytest.fixture(scope="module")
def phantom(viewer: Viewer, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """A drawn film of somebody with a Japanese name, and every object for this viewer."""
    folder = tmp_path_factory.mktemp("phantom")
    path = drawn_film(folder / "film.dcm")
    found = report(film_of(path))
    send(viewer, found, path, tuple(outputs.OUTPUTS))
    return opened(viewer, found, folder, series=5)


def drawn_film(path: Path) -> Path:
    """The smallest stored value is white."""
    grey = phantoms.chest(28, side=1000).grey
    film = DrawnFilm(
        grey, 0.2, phantom_films.person(28), phantom_films.taken(28), "", "",
        photometric=Photometric.MONOCHROME1,
    )  # fmt: skip
    path.write_bytes(phantom_films.encode(film))
    name = {"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "PatientName": "Yamada^Tarou=山田^太郎"}
    return variant(path, path, **name)


def report(film: Film) -> Report:
    """Boxes that do not overlap, and findings without any."""
    first, second, _, *rest = several(film)
    fields = {"prior": prior_of(film)}
    third = replace(first, name="atelectasis", change=ChangeKind.RESOLVED)
    found = [
        replace(first, box=box_of(film, 0.125, 0.5, 0.375, 0.75)),
        replace(second, box=box_of(film, 0.53, 0.62, 0.8, 0.97)),
        replace(third, change=ChangeKind.STABLE, box=box_of(film, 0.55, 0.04, 0.78, 0.3)),
    ]
    return report_on(film, *found, *rest, **fields)


def send(
    viewer: Viewer, what: Report, film: Path, names: tuple[str, ...], description: str = ""
) -> None:
    """Put a film and what is written of it for OHIF into the archive."""
    made = material(what, vocabulary(), film, "ohif")
    if description:
        made = replace(made, series={**made.series, "sr": Series(9508, description)})
    viewer.orthanc.upload(film)
    for number, (reference, dataset) in enumerate(outputs.build(made, names)):
        path = film.with_name(f"{reference.output} {description} {number}.dcm")
        outputs.write(dataset, path)
        viewer.orthanc.upload(path)


def opened(viewer: Viewer, what: Report, folder: Path, series: int) -> Shown:
    viewer.do("open", study=what.film.study_instance_uid, series=series)
    shown = Shown(viewer, what, folder)
    shown.picture("film")
    assert viewer.errors == []
    return shown


def compare(shown: Shown, after: NDArray[np.int16], most: float = _PIXELS) -> None:
    """Each box of the report is seen where it belongs: in what differs from the film alone."""
    before = pixels(shown.folder / "film.png")
    assert before.std() > 30, "the film itself is not shown"
    change = changed(before, after)
    fitted = Fitted(shown.report.film, after.shape[1], after.shape[0])
    for finding in shown.report.findings:
        if finding.box is not None:
            expected = fitted.edges(finding.box)
            off = np.abs(np.subtract(seen(change, expected), expected))
            assert (off <= most).all(), (finding.name, seen(change, expected), expected)


def test_the_boxes_of_the_sr_and_their_labels_stand_where_they_belong(phantom: Shown) -> None:
    phantom.viewer.do("show", series=_SR, words=_TRACK, question=True)
    drawn, picture = phantom.picture("sr", outlines=3)
    compare(phantom, picture)
    assert sorted(label["lines"][0] for label in drawn["labels"]) == [
        "Atelectasis (stable), certainty: 87.30 %",
        "Consolidation (new), certainty: 87.30 %",
        "Pleural effusion (worsened), certainty: 64.20 %",
    ]
    change = changed(pixels(phantom.folder / "film.png"), picture)
    for label in drawn["labels"]:
        left, top, right, bottom = (round(edge) for edge in label["box"])
        assert 0 <= left < right <= picture.shape[1], label
        assert change[top:bottom, left:right].mean() > 0.1, label
    assert phantom.viewer.errors == []


def test_the_boxes_of_the_segmentation_stand_where_they_belong(phantom: Shown) -> None:
    phantom.viewer.do("show", series=_SEG, words=_OPEN, question=True)
    _, picture = phantom.picture("seg")
    compare(phantom, picture)
    assert phantom.viewer.errors == []


def test_the_name_is_shown_as_it_is_written(phantom: Shown) -> None:
    phantom.viewer.do("click", text="Patient")
    assert "Yamada, Tarou" in phantom.viewer.do("text")


def test_the_picture_and_the_page_open(phantom: Shown) -> None:
    phantom.viewer.do("show", series=_SC)
    _, picture = phantom.picture("sc")
    assert changed(pixels(phantom.folder / "film.png"), picture).mean() > 0.05
    phantom.viewer.do("show", series=_PDF)
    page = dcmread(next(phantom.folder.glob("pdf*.dcm"))).EncapsulatedDocument
    assert phantom.viewer.do("document") == hashlib.sha256(page).hexdigest()
    assert phantom.viewer.errors == []


def test_a_report_without_a_box_is_shown_in_words(viewer: Viewer, tmp_path: Path) -> None:
    film = chest(tmp_path / "film.dcm")
    known = film_of(film)
    found = report_on(known, *several(known)[4:], prior=prior_of(known))
    send(viewer, found, film, ("sr",), _NOTHING)
    because = NotRead(NotReadBecause.NOT_SUITABLE, "the model takes it for no chest film.")
    send(viewer, replace(found, findings=(), not_read=because), film, ("sr",), _NOT_READ)
    opened(viewer, found, tmp_path, series=3)
    viewer.do("show", series=_NOTHING, words="No finding above threshold.")
    assert "Pneumothorax: absent" in viewer.do("text")
    viewer.do("show", series=_NOT_READ, words="the model takes it for no chest film.")
    assert "No finding" not in viewer.do("text")
    assert viewer.errors == []


def test_the_boxes_stand_where_they_belong_on_a_real_film_with_an_odd_width(
    viewer: Viewer, rg1: Path, tmp_path: Path
) -> None:
    r"""1841 columns, MONOCHROME1. Its Pixel Spacing of 0\0, of which OHIF shows nothing, is left
    out here.
    """
    film = variant(rg1, tmp_path / "film.dcm", PixelSpacing=None, **new_uids())
    found = report(film_of(film))
    send(viewer, found, film, ("sr", "seg"))
    shown = opened(viewer, found, tmp_path, series=3)
    viewer.do("show", series=_SR, words=_TRACK, question=True)
    compare(shown, shown.picture("sr", outlines=3)[1])
    viewer.do("show", series=_SEG, words=_OPEN, question=True)
    compare(shown, shown.picture("seg")[1])
    assert viewer.errors == []
