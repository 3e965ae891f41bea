"""Drawn films as DICOM: what dciodvfy, DCMTK and this project's own reading make of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import dcmtk
import numpy as np
import pytest
from numpy.typing import NDArray
from peers import dciodvfy
from pydicom import dcmread
from pydicom.uid import UID

from dicom_node.equipment import made_by_this_project
from dicom_node.geometry import STANDING
from dicom_node.headers import read_study
from dicom_node.phantom_films import DrawnFilm, Modality, Photometric, encode, person, taken
from dicom_node.pixels import read_frame
from dicom_node.priors import compare_files
from dicom_node.report import PriorOutcome
from dicom_node.rules import Priors
from dicom_node.study import View

KINDS = [(modality, photometric) for modality in Modality for photometric in Photometric]


def grey(rows: int = 64, columns: int = 48) -> NDArray[np.uint8]:
    """Each grey there is, and another one in each corner."""
    return (np.arange(rows * columns) % 256).astype(np.uint8).reshape(rows, columns)


def film(seed: int = 7, days_earlier: int = 0) -> DrawnFilm:
    return DrawnFilm(
        grey(),
        spacing=1.375,
        person=person(seed),
        taken=taken(seed, days_earlier),
        about="CHEST PA",
        comments=f"Drawn from seed {seed}. Not a person.",
    )


def written(drawn: DrawnFilm, path: Path) -> Path:
    path.write_bytes(encode(drawn))
    return path


@pytest.fixture(params=KINDS, ids=lambda kind: f"{kind[0]} {kind[1]}")
def drawn(request: pytest.FixtureRequest) -> DrawnFilm:
    """Of each kind of object, in each photometric interpretation."""
    modality, photometric = request.param
    return replace(film(), modality=modality, photometric=photometric)


def test_dciodvfy_finds_nothing_at_all(drawn: DrawnFilm, tmp_path: Path) -> None:
    lines = dciodvfy(written(drawn, tmp_path / "film.dcm"))
    of_its_kind = {Modality.CR: "CRImage", Modality.DX: "DXImageForPresentation"}
    assert [line for line in lines if line] == [of_its_kind[drawn.modality]]


def test_it_is_shown_as_it_was_drawn(drawn: DrawnFilm, tmp_path: Path) -> None:
    path = written(drawn, tmp_path / "film.dcm")
    (instance,) = read_study([path]).instances
    shown = read_frame(instance)
    assert shown.notes == ()
    assert np.abs(shown.grey.astype(int) - drawn.grey).max() <= 1
    assert dcmtk.mean_difference(dcmtk.picture(path, tmp_path, "+Wi", "1"), drawn.grey) < 0.5


def test_the_smallest_stored_value_is_what_the_interpretation_says(
    drawn: DrawnFilm, tmp_path: Path
) -> None:
    dataset = dcmread(written(drawn, tmp_path / "film.dcm"))
    assert dataset.PhotometricInterpretation == drawn.photometric
    assert (dataset.BitsAllocated, dataset.BitsStored) == (16, 12)
    stored = dataset.pixel_array
    assert (stored.min(), stored.max()) == (0, 4095)
    white = stored[drawn.grey == 255]
    assert set(white) == ({0} if drawn.photometric is Photometric.MONOCHROME1 else {4095})


def test_the_node_reads_it_as_a_chest_film_of_an_adult(drawn: DrawnFilm, tmp_path: Path) -> None:
    path = written(drawn, tmp_path / "film.dcm")
    study = read_study([path])
    (one,) = study.instances
    assert (one.modality, one.body_part, one.view) == (drawn.modality, "CHEST", View.PA)
    assert one.orientation == STANDING
    assert (one.doubt, one.processed, one.bedside, one.secondary) == ("", "", "", False)
    assert (study.age_years or 0) >= 18
    assert one.acquired == drawn.taken
    assert made_by_this_project(dcmread(path)) is False  # or it would never be read


def test_every_file_says_that_it_shows_nobody(drawn: DrawnFilm, tmp_path: Path) -> None:
    dataset = dcmread(written(drawn, tmp_path / "film.dcm"))
    assert str(dataset.PatientName) == "PHANTOM^SEED 7"
    assert dataset.PatientID == "PHANTOM-SEED-7"
    assert dataset.StudyDescription == dataset.SeriesDescription == "PHANTOM CHEST PA"
    assert "Not a person" in dataset.ImageComments
    assert [float(side) for side in dataset.ImagerPixelSpacing] == [1.375, 1.375]


def test_the_same_film_has_the_same_bytes(drawn: DrawnFilm) -> None:
    again = replace(drawn, grey=drawn.grey.copy(), person=person(7), taken=taken(7))
    assert encode(again) == encode(drawn)


@pytest.mark.parametrize(
    "change",
    [
        {"grey": np.flipud(grey())},
        {"grey": grey().reshape(48, 64)},
        {"spacing": 1.25},
        {"person": person(8)},
        {"taken": taken(7, 1)},
        {"modality": Modality.DX},
        {"photometric": Photometric.MONOCHROME1},
        {"comments": "Drawn otherwise."},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_film_has_other_uids(change: dict[str, object], tmp_path: Path) -> None:
    """Or an archive would keep the one that came first, and show it for the other."""
    one = dcmread(written(film(), tmp_path / "one.dcm"))
    other = dcmread(written(replace(film(), **change), tmp_path / "other.dcm"))
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        assert UID(one[keyword].value).is_valid
        assert one[keyword].value != other[keyword].value


def test_persons_differ_by_seed_and_kind_and_are_adults() -> None:
    everybody = [person(seed, kind) for seed in (0, 7, 59, 60, 2**63 - 1) for kind in ("", "pair")]
    assert len({one.id for one in everybody}) == len({one.name for one in everybody}) == 10
    for one in everybody:
        assert one.birth_date is not None
        assert taken(0, days_earlier=3650).year - one.birth_date.year > 18
        assert len(one.id) <= 64  # VR LO


@pytest.mark.parametrize("days", [1, 183])
def test_the_earlier_film_of_a_person_is_its_prior(days: int, tmp_path: Path) -> None:
    now = written(film(), tmp_path / "now.dcm")
    before = replace(film(days_earlier=days), grey=np.flipud(grey()))
    study = read_study([now])
    found = compare_files(
        study=study,
        film=study.instances[0],
        rule=Priors(),
        earlier=[read_study([written(before, tmp_path / "before.dcm")])],
    )
    assert (found.prior.outcome, found.prior.days) == (PriorOutcome.USED, days)
