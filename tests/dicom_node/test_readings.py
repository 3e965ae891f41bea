"""Which report of the ledger stands for a film."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import chest
from ledger_rows import read_job
from report_builders import film_of, report_on
from sqlalchemy import update

from dicom_node.errors import BadStudy
from dicom_node.ledger import readings, tables
from dicom_node.ledger.database import Database
from dicom_node.ledger.deliveries import DeliveryState
from dicom_node.report import Film


@pytest.fixture
def film(tmp_path: Path) -> Film:
    return film_of(chest(tmp_path / "film.dcm"))


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path}/ledger.sqlite3")


def change(database: Database, table: Any, job: int, **values: Any) -> None:
    mine = (table.c.id if table is tables.jobs else table.c.job_id) == job
    with database.writing() as connection:
        connection.execute(update(table).where(mine).values(**values))


def test_the_report_of_the_latest_revision_stands(database: Database, film: Film) -> None:
    read_job(database, report_on(film))
    told = report_on(film, revision=2)
    read_job(database, told)
    assert readings.latest(database, film) == told


def test_a_film_that_was_not_read_or_not_last_has_no_report(database: Database, film: Film) -> None:
    other = replace(film, sop_instance_uid="1.2.3.4")
    read_job(database, report_on(film))
    assert readings.latest(database, other) is None
    assert readings.latest(database, replace(film, frame_number=2)) is None
    assert readings.latest(database, replace(film, study_instance_uid="1.9")) is None
    read_job(database, report_on(other, revision=2))
    assert readings.latest(database, film) is None
    assert readings.latest(database, other) is not None


@pytest.mark.parametrize(
    "values",
    [
        {"withdrawn_by": 1},
        {"state": DeliveryState.REFUSED},
        {"state": DeliveryState.WITHDRAWN},
        {"output": "retraction"},
    ],
)
def test_what_stands_nowhere_is_no_report(
    database: Database, film: Film, values: dict[str, Any]
) -> None:
    job = read_job(database, report_on(film))
    assert readings.latest(database, film) is not None
    change(database, tables.deliveries, job, **values)
    assert readings.latest(database, film) is None


def test_a_segmentation_is_enough(database: Database, film: Film) -> None:
    read_job(database, report_on(film), output="seg")
    assert readings.latest(database, film) is not None


def test_what_was_sent_again_after_a_retraction_stands_with_its_new_uids(
    database: Database, film: Film
) -> None:
    job = read_job(database, report_on(film))
    change(database, tables.jobs, job, retractions=1)
    assert readings.latest(database, film) is None
    change(database, tables.deliveries, job, retractions=1)
    assert readings.latest(database, film) == report_on(film, retractions=1)


def test_a_report_of_a_later_program_is_told_as_such(database: Database, film: Film) -> None:
    read_job(database, report_on(film, schema_version=99))
    with pytest.raises(BadStudy, match="schema version 99"):
        readings.latest(database, film)
