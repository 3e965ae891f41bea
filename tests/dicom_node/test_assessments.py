"""Assessments that come in by C-STORE: whose they are, and what the ledger keeps of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import receiving
from assessors import (
    ACCEPTED,
    AFTER_MODIFICATION,
    REJECTED,
    assessment,
    entry,
    nested,
    observed,
    referenced,
    related,
    save,
    status,
)
from builders import IDENTITY, chest, identities_in
from ledger_rows import read_job
from pydicom import Dataset, dcmread
from pynetdicom.dsutils import encode
from receiving import EXPLICIT, Node, associated, part10, send, settle
from receiving import status as status_of
from report_builders import film_of, object_of, report_on, several, unchanged, vocabulary
from sqlalchemy import select, update

from dicom_node.errors import Unreachable
from dicom_node.ledger import arrivals, assessments, history, jobs, tables
from dicom_node.ledger.arrivals import Arrival
from dicom_node.ledger.assessments import Latest, Verdict
from dicom_node.receive.scan import scan
from dicom_node.report import Report
from dicom_node.tracking import tracking_uids


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with receiving.node(tmp_path / "node") as started:
        yield started


@pytest.fixture
def told(tmp_path: Path) -> Report:
    film = film_of(chest(tmp_path / "film.dcm", StudyInstanceUID="1.2.3"))
    return report_on(film, *unchanged(several(film)))


def rows(node: Node) -> list[tuple[str, str, str, int | None]]:
    """(result, finding, verdict, job) of all that is entered."""
    with node.database.reading() as connection:
        return [
            (row.result_sop_instance_uid, row.tracking_uid, row.verdict, row.job_id)
            for row in connection.execute(select(tables.assessments).order_by("id"))
        ]


def arrive(node: Node, folder: Path, *made: Dataset) -> str:
    """Send objects, one association each, until the recorder has entered them."""
    said = ""
    for number, one in enumerate(made):
        said += send(node, save(one, folder / f"{number}.dcm"))
        study, uid = str(one.StudyInstanceUID), str(one.SOPInstanceUID)
        settle(lambda: arrivals.entered(node.database, study, uid))  # noqa: B023 - at once
    return said


def latest(node: Node, job: int) -> list[tuple[str, str, str, int]]:
    return [
        (one.result, one.finding_name, str(one.verdict), one.count)
        for one in assessments.of_job(node.database, job)
    ]


def test_an_assessment_is_tied_to_the_result_that_it_names(
    node: Node, told: Report, tmp_path: Path
) -> None:
    job = read_job(node.database, told)
    uid = tracking_uids(told)[1]
    made = assessment(
        entry(referenced(f"1.2.{job}"), status(ACCEPTED)),
        entry(referenced(f"1.2.{job}"), *observed(uid), status(REJECTED)),
        entry(referenced(f"1.2.{job}")),
        study=told.film.study_instance_uid,
    )
    arrive(node, tmp_path, made)
    assert rows(node) == [
        (f"1.2.{job}", "", "accepted", job),
        (f"1.2.{job}", uid, "rejected", job),
    ]
    assert latest(node, job) == [
        (f"1.2.{job}", "", "accepted", 1),
        (f"1.2.{job}", "pleural effusion", "rejected", 1),
    ]
    assert [event.what for event in history.history(node.database, job)] == [
        "assessment from STORESCU: 1 accepted, 1 rejected, "
        "not understood: it does not have one Result Assessment Status (AIRAI_06)"
    ]
    assert len(jobs.listing(node.database)) == 1  # it opened none


def test_sent_twice_it_counts_once_and_a_later_one_stands_beside_it(
    node: Node, told: Report, tmp_path: Path
) -> None:
    job = read_job(node.database, told)
    about = referenced(f"1.2.{job}")
    first = assessment(entry(about, status(REJECTED)))
    arrive(node, tmp_path, first, first, assessment(entry(about, status(ACCEPTED))))
    assert [verdict for _, _, verdict, _ in rows(node)] == ["rejected", "accepted"]
    assert latest(node, job) == [(f"1.2.{job}", "", "accepted", 2)]
    # Also where the same object comes as one of another study.
    again = assessment(entry(about, status(REJECTED)), study="1.2.99")
    again.SOPInstanceUID = first.SOPInstanceUID
    arrive(node, tmp_path, again)
    assert latest(node, job) == [(f"1.2.{job}", "", "accepted", 2)]


def test_what_is_said_in_another_study_is_of_no_result(
    node: Node, told: Report, tmp_path: Path
) -> None:
    """Misfiled or forged: it may be about somebody else."""
    job = read_job(node.database, told)
    entries = entry(referenced(f"1.2.{job}"), status(REJECTED))
    arrive(node, tmp_path, assessment(entries, study="1.2.99"))
    assert rows(node) == [(f"1.2.{job}", "", "rejected", None)]
    assert latest(node, job) == []


def test_a_withdrawn_result_is_still_known(node: Node, told: Report, tmp_path: Path) -> None:
    job = read_job(node.database, told)
    with node.database.writing() as connection:
        connection.execute(update(tables.deliveries).values(withdrawn_by=1))
        connection.execute(update(tables.jobs).values(retractions=1))
    uid = tracking_uids(replace(told, retractions=1))[0]
    study = told.film.study_instance_uid
    whole = entry(referenced(f"1.2.{job}"), status(REJECTED))
    arrive(node, tmp_path, assessment(whole, entry(*observed(uid), status(ACCEPTED)), study=study))
    assert [row[3] for row in rows(node)] == [job, job]


def test_a_finding_leads_to_the_only_job_of_its_study(
    node: Node, told: Report, tmp_path: Path
) -> None:
    uid = tracking_uids(told)[0]
    job = read_job(node.database, told)
    # The follow-up has the same UID, in another study.
    other = replace(told.film, study_instance_uid="1.2.77")
    followed = replace(told.findings[0], tracking_uid=uid)
    read_job(node.database, report_on(other, followed))
    made = [assessment(entry(*observed(uid), status(ACCEPTED)), study=told.film.study_instance_uid)]
    arrive(node, tmp_path, *made)
    assert rows(node) == [("", uid, "accepted", job)]
    # Two revisions have it: nobody says which is meant.
    read_job(node.database, replace(told, revision=2, findings=(followed,)))
    made[0].SOPInstanceUID = "1.2.3.77"
    arrive(node, tmp_path, *made)
    assert rows(node)[1] == ("", uid, "accepted", None)


def test_a_changed_copy_is_tied_by_the_original(node: Node, told: Report, tmp_path: Path) -> None:
    job = read_job(node.database, told)
    arrive(
        node,
        tmp_path,
        assessment(
            entry(referenced("1.2.888"), status(ACCEPTED, AFTER_MODIFICATION)),
            ReferencedInstanceSequence=related(original=f"1.2.{job}", changed="1.2.888"),
        ),
    )
    assert rows(node) == [("1.2.888", "", "modified", job)]


def test_what_is_of_nobody_here_is_kept_without_a_job_and_told_without_identity(
    node: Node, told: Report, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    read_job(node.database, told)
    caplog.set_level(logging.DEBUG)
    made = assessment(entry(referenced("1.9.9"), status(ACCEPTED)), **IDENTITY)
    arrive(node, tmp_path, made)
    assert rows(node) == [("1.9.9", "", "accepted", None)]
    assert "an assessment names 1 result(s) that are not of this ledger" in caplog.text
    assert identities_in(caplog.text) == []


def test_an_assessment_made_from_our_result_is_one_and_our_result_is_none(
    node: Node, told: Report, tmp_path: Path
) -> None:
    """The reference implementation copies the header, with our equipment in it."""
    job = read_job(node.database, told)
    ours = object_of("sr", told, vocabulary(), tmp_path / "film.dcm")
    made = assessment(
        entry(referenced(f"1.2.{job}"), status(ACCEPTED)),
        study=told.film.study_instance_uid,
        ContributingEquipmentSequence=ours.ContributingEquipmentSequence,
    )
    ours.save_as(tmp_path / "sr.dcm", enforce_file_format=True)
    send(node, tmp_path / "sr.dcm")
    arrive(node, tmp_path, made)
    assert rows(node) == [(f"1.2.{job}", "", "accepted", job)]
    assert [path.stem for path in node.received()] == [str(made.SOPInstanceUID)]


def test_broken_ones_end_nothing(
    node: Node, told: Report, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job = read_job(node.database, told)
    deep = assessment()
    del deep.ContentSequence
    flat = encode(deep, False, True)
    assert flat is not None
    path = part10(tmp_path / "deep.dcm", deep, flat + nested(2000), EXPLICIT)
    with associated(node, [(str(deep.SOPClassUID), [EXPLICIT])]) as opened:
        assert status_of(opened, path) == 0
    text = entry(referenced("1.2.3"), status(ACCEPTED))
    text.add_new("ContentSequence", "UT", "not a sequence")
    good = assessment(entry(referenced(f"1.2.{job}"), status(ACCEPTED)))
    said = arrive(node, tmp_path, assessment(text), assessment(entry()), assessment(), good)
    assert "0xC000" not in said
    assert "an assessment is not understood: data set cannot be decoded" in caplog.text
    assert "it holds no Result Assessment" in caplog.text
    assert latest(node, job) == [(f"1.2.{job}", "", "accepted", 1)]
    assert not node.recorder.has_ended


def test_what_an_edge_had_not_entered_the_next_scan_enters(
    node: Node, told: Report, tmp_path: Path
) -> None:
    job = read_job(node.database, told)
    made = assessment(entry(referenced(f"1.2.{job}"), status(REJECTED)))
    path = save(made, tmp_path / "one.dcm")
    study = node.spool.study(str(made.StudyInstanceUID))
    place, _ = node.spool.file(path, study, str(made.SOPInstanceUID))
    for found in (1, 0):
        assert scan(node.spool, node.database, node.recorder) == found
        settle(lambda: rows(node))
        assert rows(node) == [(f"1.2.{job}", "", "rejected", job)]
    (event,) = history.history(node.database, job)
    assert event.what == "assessment: 1 rejected"
    assert place.exists()


def test_an_object_and_its_assessment_are_entered_at_once_or_not_at_all(
    node: Node, told: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else an edge that dies between the two would leave an object that nobody looks at again."""
    given = assessments.Assessment(
        "1.2.5", "1.2.6", (assessments.Assessed("1", "", Verdict("accepted")),)
    )
    arrival = Arrival("1.2.6", "1.2.5", "1.2", Path("x"), "0", False, assessment=given)

    def dies(*_: object) -> None:
        raise Unreachable("the ledger does not answer")

    monkeypatch.setattr(assessments, "_insert", dies)
    with pytest.raises(Unreachable):
        arrivals.record(node.database, [arrival])
    assert arrivals.entered(node.database, "1.2.6", "1.2.5") is None


def test_the_sample_of_the_reference_implementation_on_our_result(
    node: Node, told: Report, tmp_path: Path, shared_data: Path
) -> None:
    """The real object, with our UIDs in the place of those of the maker of its results."""
    job = read_job(node.database, told)
    folder = shared_data / "mohannadhussain+ihe-airai"
    sample = dcmread(folder / "output-assessment-sr.dcm")
    theirs = str(dcmread(folder / "input-sr.dcm").SOPInstanceUID)
    named = iter(tracking_uids(told))
    for item in sample.ReferencedInstanceSequence:
        if item.ReferencedSOPInstanceUID == theirs:
            item.ReferencedSOPInstanceUID = f"1.2.{job}"
    for group in sample.ContentSequence[3:]:
        _, instance, observation, _ = group.ContentSequence
        reference = instance.ReferencedSOPSequence[0]
        if reference.ReferencedSOPInstanceUID == theirs:
            reference.ReferencedSOPInstanceUID = f"1.2.{job}"
        observation.UID = next(named, observation.UID)
    sample.StudyInstanceUID = told.film.study_instance_uid
    arrive(node, tmp_path, sample)
    (event,) = history.history(node.database, job)
    assert event.what == (
        "assessment from STORESCU: 4 accepted, 1 modified, 2 rejected, 2 without a verdict"
    )
    found: tuple[Latest, ...] = assessments.of_job(node.database, job)
    assert {one.finding_name: str(one.verdict) for one in found if one.finding_name} == {
        "consolidation": "rejected",
        "pleural effusion": "accepted",
        "pulmonary edema": "modified",
        "pneumothorax": "accepted",
    }
