"""Which earlier film is compared with, in an archive and among files."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from builders import chest, chest_picture, new_uids, variant
from earlier import PRIOR_DAYS, make_prior
from pydicom import dcmread

from dicom_node.ages import AgeRange
from dicom_node.archives import FoundSeries, FoundStudy
from dicom_node.errors import Unreachable
from dicom_node.headers import read_studies, read_study
from dicom_node.priors import FoundPrior, compare_files, find_prior
from dicom_node.report import PriorOutcome
from dicom_node.rules import Priors
from dicom_node.study import Patient, Study

RULE = Priors(
    modalities=("CR", "DX"), body_parts=("CHEST",), age=AgeRange.parse("0D-1000D"), count=2
)
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
        (
            {"AcquisitionDate": "20150101"},
            PriorOutcome.NOT_COMPARABLE,
            "not of the age that the rule allows (0D-1000D)",
        ),
        (
            {"AcquisitionDate": "20200102", "AcquisitionTime": ""},
            PriorOutcome.NOT_COMPARABLE,
            "not stated which was acquired first",
        ),
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

    body_part = ""  # of every series, as it answers

    def __init__(self, *paths: Path) -> None:
        self.studies = {one.study_instance_uid: one for one in read_studies(paths)}
        self.times: dict[str, time] = {}
        self.fetched: list[str] = []
        self.asked_of: list[Patient] = []

    def find_studies(self, patient: Patient) -> list[FoundStudy]:
        self.asked_of.append(patient)
        return [
            FoundStudy(uid, one.patient, one.date, ("CR",), self.times.get(uid, time()))
            for uid, one in self.studies.items()
        ]

    def find_series(self, study_instance_uid: str) -> list[FoundSeries]:
        (film,) = self.studies[study_instance_uid].instances
        part = self.body_part
        return [FoundSeries(study_instance_uid, film.series_instance_uid, "CR", part)]

    def retrieve(
        self, series: FoundSeries, into: Path, *, message_id: int, seconds: float
    ) -> list[Path]:
        self.fetched.append(series.study_instance_uid)
        return [one.path for one in self.studies[series.study_instance_uid].instances]

    def has_instance(self, *uids: str) -> bool:
        raise NotImplementedError


def find(current: Path, shelf: Shelf, wait_seconds: float = 60, rule: Priors = RULE) -> FoundPrior:
    study: Study = read_study([current])
    (film,) = study.instances
    return find_prior(
        study=study,
        film=film,
        rule=rule,
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


def test_the_prior_of_the_tests_is_one(rg1: Path, tmp_path: Path) -> None:
    make_prior(rg1, tmp_path / "prior.dcm")
    found = compare_files(
        study=(study := read_study([rg1])),
        film=study.instances[0],
        rule=RULE,
        earlier=[read_study([tmp_path / "prior.dcm"])],
    )
    assert (found.prior.outcome, found.prior.days) == (PriorOutcome.USED, PRIOR_DAYS)


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


# Which film: the second table of docs/identity.md

PAGE = Path(__file__).resolve().parents[2] / "docs" / "identity.md"
WHICH = [
    [cell.strip() for cell in line.strip().strip("|").split("|")]
    for line in PAGE.read_text("utf-8").split("## Which film of that person?")[1].splitlines()
    if line.startswith("|")
][2:]


def moment(text: str, level: str) -> dict[str, str]:
    """The elements of a film acquired then, where ``level`` is Study, Series or Acquisition."""
    day, _, clock = ("", "", "") if text == "no date" else text.replace("-", "").partition(" ")
    return {f"{level}Date": day, f"{level}Time": clock.replace(":", "") + "00" if clock else ""}


@pytest.mark.parametrize("row", WHICH, ids=lambda row: row[0])
def test_each_row_of_the_page(row: list[str], tmp_path: Path, earlier: Callable[..., Path]) -> None:
    _, identifier, times, outcome, used, reason = row
    stated = identifier.strip("`")
    study = chest(tmp_path / "current.dcm")
    dataset = dcmread(study)
    dataset.PatientID = stated
    dataset.save_as(study)
    shelf = Shelf(
        *(
            earlier(PatientID="4711", **moment(one, "Study"), **moment(one, "Series"),
                    **moment(one, "Acquisition"))
            for one in re.split("; ?", times)
        )
    )  # fmt: skip
    found = find(study, shelf, rule=Priors())
    assert found.prior.outcome == outcome, found.prior
    assert found.prior.reason == reason
    if used:
        assert found.prior.film is not None
        assert found.prior.film.acquired == datetime.fromisoformat(used)
    if outcome == "not asked for":
        assert shelf.asked_of == [], "nobody was asked"
    else:
        assert len(found.prior.candidates) == len(shelf.studies)
        assert [one.verdict for one in found.prior.candidates].count("used") == bool(used)


def test_of_one_day_the_film_decides_and_not_the_hour_of_the_study(
    current: Path, earlier: Callable[..., Path]
) -> None:
    """The study that was begun first got its film last."""
    begun_late, begun_early = earlier(AcquisitionTime="080000"), earlier(AcquisitionTime="170000")
    shelf = Shelf(begun_late, begun_early)
    late, early = shelf.studies
    shelf.times = {late: time(12), early: time(7)}
    found = find(current, shelf)
    assert shelf.fetched == [late, early]
    assert found.path == begun_early
    assert [(one.verdict, one.day) for one in found.prior.candidates] == [
        ("not used: another was acquired later", date(2019, 1, 1)),
        ("used", date(2019, 1, 1)),
    ]


def test_the_count_bounds_what_is_fetched_of_a_day(
    current: Path, earlier: Callable[..., Path]
) -> None:
    shelf = Shelf(*(earlier(AcquisitionTime=f"0{hour}0000") for hour in range(4)))
    shelf.times = {uid: time(hour) for hour, uid in enumerate(shelf.studies)}
    found = find(current, shelf)
    assert shelf.fetched == list(shelf.studies)[:1:-1], "the two that were begun last"
    assert found.prior.film is not None
    assert found.prior.film.acquired == datetime(2019, 1, 1, 3)
    assert [one.verdict for one in found.prior.candidates] == [
        "used",
        "not used: another was acquired later",
        *["not fetched: enough others were"] * 2,
    ]


def test_what_is_older_than_the_prior_is_not_fetched_but_told(
    current: Path, earlier: Callable[..., Path]
) -> None:
    day = {"StudyDate": "20180301", "AcquisitionDate": "20180301"}
    shelf = Shelf(earlier(**day), earlier(), earlier(**day, PatientSex="M"))
    old, new, other = shelf.studies
    found = find(current, shelf)
    assert shelf.fetched == [new]
    told = {one.study_instance_uid: (one.verdict, one.day) for one in found.prior.candidates}
    assert told == {
        new: ("used", date(2019, 1, 1)),
        old: ("not fetched: a later one is used", date(2018, 3, 1)),
        other: ("Patient's Sex differs in the archive's answer", date(2018, 3, 1)),
    }


@pytest.mark.parametrize(("body_part", "count"), [("CHEST", 1), ("", 1), ("HAND", 0)])
def test_only_what_may_hold_a_film_is_fetched(
    current: Path, earlier: Callable[..., Path], body_part: str, count: int
) -> None:
    shelf = Shelf(earlier())
    shelf.body_part = body_part
    found = find(current, shelf)
    assert len(shelf.fetched) == count
    assert (found.prior.outcome is PriorOutcome.USED) == bool(count)
    if not count:
        assert found.prior.reason == "no image that the rule allows was there"


def test_of_the_wrong_modality_nothing_is_asked(
    current: Path, earlier: Callable[..., Path]
) -> None:
    shelf = Shelf(earlier())
    found = find(current, shelf, rule=RULE.model_copy(update={"modalities": ("DX",)}))
    assert (shelf.fetched, found.prior.reason) == ([], "of another modality")


@pytest.mark.parametrize(
    ("views", "view", "used"),
    [
        (("PA",), "AP", False),
        (("PA",), "PA", True),
        (("AP",), "AP", True),
        (("PA", "AP"), "LL", False),
    ],
)
def test_the_rule_says_which_views_may_be_compared_with(
    current: Path, earlier: Callable[..., Path], views: tuple[str, ...], view: str, *, used: bool
) -> None:
    rule = RULE.model_copy(update={"views": views})
    found = find(current, Shelf(earlier(ViewPosition=view)), rule=rule)
    assert (found.prior.outcome is PriorOutcome.USED) == used


@pytest.mark.parametrize(
    ("age", "day", "used"),
    [
        ("6M-5Y", "20190702", True),  # to the day: half a year before 2020-01-02
        ("6M-5Y", "20190703", False),
        ("6M-5Y", "20150102", True),
        ("6M-5Y", "20150101", False),
        ("0D-2W", "20191219", True),
        ("0D-2W", "20191218", False),
    ],
)
def test_the_rule_says_how_old_a_prior_may_be(
    current: Path, earlier: Callable[..., Path], age: str, day: str, *, used: bool
) -> None:
    """By the answer, before anything is fetched, and by the film where the answer has no day."""
    rule = RULE.model_copy(update={"age": AgeRange.parse(age)})
    answered = Shelf(earlier(StudyDate=day, AcquisitionDate=day))
    assert (find(current, answered, rule=rule).path is not None) == used
    assert len(answered.fetched) == used
    undated = Shelf(earlier(StudyDate="", AcquisitionDate=day))
    assert (find(current, undated, rule=rule).path is not None) == used
    assert len(undated.fetched) == 1


def test_the_guard_runs_again_on_what_was_fetched(
    current: Path, earlier: Callable[..., Path]
) -> None:
    """The archive's database was corrected, and its file was not."""

    class Corrected(Shelf):
        def find_studies(self, patient: Patient) -> list[FoundStudy]:
            return [
                FoundStudy(one.study_instance_uid, patient, one.date, ("CR",))
                for one in super().find_studies(patient)
            ]

    shelf = Corrected(earlier(PatientBirthDate="19500203"))
    found = find(current, shelf)
    assert len(shelf.fetched) == 1
    assert (found.prior.outcome, found.prior.reason) == (
        PriorOutcome.REFUSED,
        "Patient's Birth Date differs",
    )


def test_what_is_gone_when_it_is_looked_at_may_come_again(
    current: Path, earlier: Callable[..., Path]
) -> None:
    """Somebody else fetched it meanwhile, and the archive had it no longer."""

    class Hasty(Shelf):
        def retrieve(
            self, series: FoundSeries, into: Path, *, message_id: int, seconds: float
        ) -> list[Path]:
            paths = super().retrieve(series, into, message_id=message_id, seconds=seconds)
            for path in paths:
                path.unlink()
            return paths

    found = find(current, Hasty(earlier()))
    assert found.prior.outcome is PriorOutcome.NOT_IN_TIME
    assert found.prior.reason.endswith("the file is gone")


def test_another_study_than_was_asked_for_is_not_used(
    current: Path, earlier: Callable[..., Path]
) -> None:
    class Confused(Shelf):
        def retrieve(
            self, series: FoundSeries, into: Path, *, message_id: int, seconds: float
        ) -> list[Path]:
            return [wrong]

    wrong, asked = earlier(), earlier()
    assert find(current, Confused(asked)).prior.reason == "the archive sent another study"


def test_a_provisional_identity_of_the_site_is_refused(
    current: Path, earlier: Callable[..., Path]
) -> None:
    rule = RULE.model_copy(update={"provisional_identities": ("TESTNAME",)})
    shelf = Shelf(earlier())
    assert find(current, shelf, rule=rule).prior.outcome is PriorOutcome.REFUSED
    assert shelf.fetched == []
