"""Whose a study was, by the headers that are kept of its films: at the door, without the ledger."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest
from builders import chest

from dicom_node import whose
from dicom_node.ledger.database import Database
from dicom_node.receive.persons import Persons
from dicom_node.retention.sweep import sweep
from dicom_node.sections import RetentionSection
from dicom_node.spool import Spool
from dicom_node.study import Patient

STUDY = "1.2.3"
ANNA = Patient("TEST-1", "", "Testname^Anna", date(1950, 1, 2), "F")
ID = "an object of this study is of another Patient ID"
PATIENT = "an object of this study is of another patient: "


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """One in which a film was read, and the received files are deleted."""
    spool = Spool(tmp_path / "data")
    read(spool, 1)
    return spool


def read(spool: Spool, job: int, **elements: str | None) -> None:
    chest(spool.header(job), **({"StudyInstanceUID": STUDY} | elements))
    whose.keep(spool, STUDY, job)


@pytest.mark.parametrize(
    ("somebody", "reason"),
    [
        (ANNA, ""),
        (Patient("TEST-1", "", "", None, ""), ""),
        (Patient("OTHER", "", "Testname^Anna", date(1950, 1, 2), "F"), ID),
        (Patient("", "", "Testname^Anna", date(1950, 1, 2), "F"), ID),
        (Patient("TEST-1", "", "Roe^Jane", date(1950, 1, 2), "F"), f"{PATIENT}Patient's Name"),
        (Patient("TEST-1", "", "", date(1960, 1, 2), ""), f"{PATIENT}Patient's Birth Date"),
    ],
)
def test_a_study_that_was_deleted_stays_that_of_its_patient(
    somebody: Patient, reason: str, spool: Spool
) -> None:
    """And who was turned away does not keep out the right one."""
    persons = Persons(spool)
    for _ in range(2):
        assert persons.another(STUDY, somebody) == reason
    assert persons.another(STUDY, ANNA) == ""


def test_each_film_that_was_read_says_whose_the_study_is(spool: Spool) -> None:
    """The second one states an issuer, the first a name; a third file is damaged."""
    read(spool, 20, IssuerOfPatientID="HERE", PatientName=None)
    read(spool, 3)
    spool.header(3).write_bytes(b"damaged")
    there = Patient("TEST-1", "THERE", "", None, "")
    assert Persons(spool).another(STUDY, there) == f"{PATIENT}Issuer of Patient ID"
    jane = Patient("TEST-1", "HERE", "Roe^Jane", None, "")
    assert Persons(spool).another(STUDY, jane) == f"{PATIENT}Patient's Name"


def test_what_is_forgotten_or_of_another_study_says_nothing(spool: Spool) -> None:
    """As after a ledger was lost, whose job 7 was of this study: now it is of another one."""
    other = Patient("OTHER", "", "Roe^Jane", None, "")
    assert Persons(spool).another(STUDY, other) == ID
    whose.forget(spool, STUDY)
    whose.forget(spool, STUDY)
    read(spool, 7, StudyInstanceUID="1.2.4")
    assert Persons(spool).another(STUDY, other) == ""
    assert Persons(spool).another(STUDY, ANNA) == ID


def test_what_leads_to_a_header_goes_with_it(spool: Spool, tmp_path: Path) -> None:
    read(spool, 2)
    database = Database(f"sqlite:///{tmp_path}/ledger.sqlite3")
    shutil.rmtree(spool.results(1))
    sweep(database, spool, RetentionSection())
    assert whose.headers(spool, STUDY) == [spool.header(2)]
    shutil.rmtree(spool.results(2))
    sweep(database, spool, RetentionSection())
    assert list((spool.root / "films").iterdir()) == []
    assert whose.headers(spool, STUDY) == []
