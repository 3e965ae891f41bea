"""Which earlier film is compared with, in an archive and among files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders import chest, chest_picture, new_uids, variant
from pydicom import dcmread

from dicom_node.archives import FoundSeries, FoundStudy
from dicom_node.errors import Unreachable
from dicom_node.headers import read_studies, read_study
from dicom_node.priors import FoundPrior, compare_files, find_prior
from dicom_node.report import PriorOutcome
from dicom_node.rules import Priors
from dicom_node.study import Patient, Study

RULE = Priors(modalities=("CR", "DX"), body_parts=("CHEST",), maximum_age_days=1000, count=2)
EARLIER = {"StudyDate": "20190101", "AcquisitionDate": "20190101"}


@pytest.fixture
def current(tmp_path: Path) -> Path:
    return chest(tmp_path / "current.dcm")


@pytest.fixture
def earlier(tmp_path: Path) -> Callable[..., Path]:
    """Makes an earlier film of the same patient, other pixels."""

    def make(**elements: Any) -> Path:
        seed = len(list(tmp_path.iterdir()))
        return chest(tmp_path / f"{seed}.dcm", chest_picture(seed=seed), **(EARLIER | elements))

    return make


def compare(current: Path, *earlier: Path) -> FoundPrior:
    study = read_study([current])
    (film,) = study.instances
    return compare_files(study=study, film=film, rule=RULE, earlier=read_studies(earlier))


def test_an_earlier_film_is_used(current: Path, earlier: Callable[..., Path]) -> None:
    path = earlier()
    found = compare(current, path)
    assert found.path == path
    assert (found.prior.outcome, found.prior.days) == (PriorOutcome.USED, 366)
    assert found.prior.film is not None
    assert [one.verdict for one in found.prior.candidates] == ["used"]


def test_the_latest_of_several(current: Path, earlier: Callable[..., Path]) -> None:
    older = earlier()
    newer = earlier(StudyDate="20191201", AcquisitionDate="20191201")
    assert compare(current, older, newer).path == newer


@pytest.mark.parametrize(
    ("elements", "outcome", "reason"),
    [
        ({"PatientBirthDate": "19500203"}, PriorOutcome.REFUSED, "Birth Date differs"),
        ({"PatientName": "Somebody^Else"}, PriorOutcome.REFUSED, "Name differs"),
        ({"PatientSex": "M"}, PriorOutcome.REFUSED, "Sex differs"),
        ({"Modality": "CT"}, PriorOutcome.NOT_COMPARABLE, "Modality is CT"),
        ({"BodyPartExamined": "HAND"}, PriorOutcome.NOT_COMPARABLE, "HAND"),
        ({"ViewPosition": "LL"}, PriorOutcome.NOT_COMPARABLE, "lateral"),
        ({"AcquisitionDate": "20150101"}, PriorOutcome.NOT_COMPARABLE, "days old"),
        ({"AcquisitionDate": "20200102"}, PriorOutcome.NONE_FOUND, "not acquired before"),
        ({"AcquisitionDate": "20210102"}, PriorOutcome.NONE_FOUND, "not acquired before"),
        (
            dict.fromkeys(("StudyDate", "SeriesDate", "AcquisitionDate"), ""),
            PriorOutcome.NOT_COMPARABLE,
            "time of acquisition is not stated",
        ),
    ],
)
def test_what_may_not_be_compared(
    current: Path,
    earlier: Callable[..., Path],
    elements: dict[str, Any],
    outcome: PriorOutcome,
    reason: str,
) -> None:
    found = compare(current, earlier(**elements))
    assert found.path is None
    assert found.prior.outcome is outcome
    assert reason in found.prior.reason
    assert found.prior.film is None


def test_a_copy_of_the_film_is_no_prior(current: Path, tmp_path: Path) -> None:
    copy = variant(current, tmp_path / "copy.dcm", **new_uids(), **EARLIER)
    assert "copy of the current film" in compare(current, copy).prior.reason


def test_another_frontal_view_is_used_and_said(current: Path, earlier: Callable[..., Path]) -> None:
    assert compare(current, earlier(ViewPosition="AP")).prior.reason == "views differ: AP then PA"


class Shelf:
    """An archive of files, to reach what real ones do only in bad hours."""

    def __init__(self, *paths: Path) -> None:
        self.studies = {one.study_instance_uid: one for one in read_studies(paths)}
        self.fetched: list[str] = []
        self.asked_of: list[Patient] = []

    def find_studies(self, patient: Patient) -> list[FoundStudy]:
        self.asked_of.append(patient)
        return [
            FoundStudy(uid, one.patient, one.date, ("CR",)) for uid, one in self.studies.items()
        ]

    def find_series(self, study_instance_uid: str) -> list[FoundSeries]:
        (film,) = self.studies[study_instance_uid].instances
        return [FoundSeries(study_instance_uid, film.series_instance_uid, "CR", "")]

    def retrieve(
        self, series: FoundSeries, into: Path, *, message_id: int, seconds: float
    ) -> list[Path]:
        self.fetched.append(series.study_instance_uid)
        return [one.path for one in self.studies[series.study_instance_uid].instances]

    def has_instance(self, *uids: str) -> bool:
        raise NotImplementedError


def find(current: Path, shelf: Shelf, wait_seconds: float = 60) -> FoundPrior:
    study: Study = read_study([current])
    (film,) = study.instances
    return find_prior(
        study=study,
        film=film,
        rule=RULE,
        archive=shelf,
        retrieve=lambda series, seconds: shelf.retrieve(
            series, Path(), message_id=1, seconds=seconds
        ),
        wait_seconds=wait_seconds,
    )


def test_no_more_are_fetched_than_the_rule_says(
    current: Path, earlier: Callable[..., Path]
) -> None:
    laterals = [earlier(ViewPosition="LL") for _ in range(3)]
    shelf = Shelf(*laterals)
    found = find(current, shelf)
    assert len(shelf.fetched) == RULE.count
    assert found.prior.outcome is PriorOutcome.NOT_COMPARABLE
    assert [one.verdict for one in found.prior.candidates][-1] == "not fetched: enough others were"


def test_the_time_for_priors_ends(current: Path, earlier: Callable[..., Path]) -> None:
    shelf = Shelf(earlier())
    found = find(current, shelf, wait_seconds=-1)
    assert (found.prior.outcome, shelf.fetched) == (PriorOutcome.NOT_IN_TIME, [])


def test_what_the_query_refuses_is_not_fetched(current: Path, earlier: Callable[..., Path]) -> None:
    shelf = Shelf(earlier(PatientSex="M"), earlier(StudyDate="20200301"), current)
    found = find(current, shelf)
    assert shelf.fetched == []
    assert found.prior.outcome is PriorOutcome.REFUSED
    assert len(found.prior.candidates) == 2  # the study itself is none


@pytest.mark.parametrize("identifier", ["", "*", "47?1"])
def test_no_query_without_a_plain_patient_id(tmp_path: Path, identifier: str) -> None:
    from dicom_node.archives import ARCHIVES
    from dicom_node.peer import Peer

    film = chest(tmp_path / "film.dcm", PatientID=identifier)
    nobody = Peer("nobody", "NOBODY", "127.0.0.1", 1, "TESTS", 1)  # port 1: a query would fail
    study = read_study([film])
    found = find_prior(
        study=study,
        film=study.instances[0],
        rule=RULE,
        archive=ARCHIVES["dimse"](nobody, "c-get"),
        retrieve=lambda *_: [],
        wait_seconds=1,
    )
    assert found.prior.outcome is PriorOutcome.NOT_ASKED


def test_an_archive_that_is_away_is_an_outcome(current: Path) -> None:
    class Away(Shelf):
        def find_studies(self, patient: Patient) -> list[FoundStudy]:
            raise Unreachable("archive does not answer")

    found = find(current, Away())
    assert (found.prior.outcome, found.prior.reason) == (
        PriorOutcome.NOT_IN_TIME,
        "archive does not answer",
    )


def test_the_demonstration_prior_is_one(rg1: Path, tmp_path: Path) -> None:
    from dicom_node.demo_films import PRIOR_DAYS, make_prior

    make_prior(rg1, tmp_path / "prior.dcm")
    found = compare_files(
        study=(study := read_study([rg1])),
        film=study.instances[0],
        rule=RULE,
        earlier=[read_study([tmp_path / "prior.dcm"])],
    )
    assert (found.prior.outcome, found.prior.days) == (PriorOutcome.USED, PRIOR_DAYS)
    assert dcmread(tmp_path / "prior.dcm").SeriesDescription == "PRIOR MADE FOR DEMONSTRATION"


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"PixelData": bytes(96 * 80 * 2)}, "blank"),
        ({"PatientOrientation": ["A", "L"]}, "not that of a frontal film"),
    ],
)
def test_a_prior_that_cannot_be_shown_does_not_stop_the_film(
    current: Path, earlier: Callable[..., Path], elements: dict[str, Any], reason: str
) -> None:
    found = compare(current, earlier(**elements))
    assert found.prior.outcome is PriorOutcome.NOT_COMPARABLE
    assert reason in found.prior.reason
