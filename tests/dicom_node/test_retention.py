"""What is deleted, when, and what is not: with the real ledger and real files."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path, PurePosixPath

import pytest
from sqlalchemy import update

from dicom_node.ledger import arrivals, history, jobs, revisions, tables
from dicom_node.ledger.arrivals import Arrival
from dicom_node.ledger.database import Database, now
from dicom_node.ledger.jobs import State
from dicom_node.ledger.reopening import open_waiting
from dicom_node.retention.sweep import sweep
from dicom_node.sections import RetentionSection
from dicom_node.spool import Spool

CR = "1.2.840.10008.5.1.4.1.1.1"
DAY = 86_400
RETENTION = RetentionSection(done="7 days", refused="3 days", failed="30 days", priors="30 days")
FINAL = {State.DONE: 7, State.REFUSED: 3, State.FAILED: 30, State.RETRACTED: 7}
RUNNING = [state for state in State if state not in FINAL]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path}/ledger.sqlite3")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "data")


def receive(database: Database, spool: Spool, study: str, number: int = 1) -> int:
    """One more image of a study: its file, its row, and the job it belongs to."""
    name = f"{study}.{number}"
    received = spool.incoming / name
    received.write_bytes(name.encode())
    place, _ = spool.file(received, spool.study(study), name)
    arrivals.record(
        database, [Arrival(study, name, CR, PurePosixPath(spool.below(place)), "0" * 64, True)]
    )
    return jobs.listing(database)[0].id


def ended(
    database: Database, spool: Spool, job: int, state: State, *, days: float
) -> tuple[Path, Path]:
    """Put a job into a state so long ago; its received file and the result made for it."""
    with database.writing() as connection:
        connection.execute(
            update(tables.jobs)
            .where(tables.jobs.c.id == job)
            .values(state=state, state_since=now() - days * DAY)
        )
    result = spool.results(job) / "pacs" / "sr.dcm"
    result.parent.mkdir(parents=True)
    result.write_bytes(b"made")
    (first, *_) = sorted(spool.study(jobs.get(database, job).study_instance_uid).iterdir())
    return first, result


@pytest.mark.parametrize(("state", "days"), FINAL.items())
def test_files_go_after_the_time_of_the_state_and_not_before(
    database: Database, spool: Spool, state: State, days: float
) -> None:
    old = ended(database, spool, receive(database, spool, "1.2"), state, days=days + 0.01)
    new = ended(database, spool, receive(database, spool, "1.3"), state, days=days - 0.01)

    sweep(database, spool, RETENTION)

    assert not old[0].parent.exists()
    assert not old[1].exists()
    assert new[0].exists()
    assert new[1].exists()


def test_a_study_whose_last_revision_brought_no_image_is_deleted_as_well(
    database: Database, spool: Spool
) -> None:
    """One that was opened for a late prior, and waits, and ends without it."""
    first = receive(database, spool, "1.2")
    films, result = ended(database, spool, first, State.DONE, days=10)
    with database.writing() as connection:
        open_waiting(connection, jobs.get(database, first), hours=2, wait=0)
    (second, _) = jobs.listing(database)
    sweep(database, spool, RETENTION)
    assert films.exists(), "it waits"

    with database.writing() as connection:
        connection.execute(
            update(tables.jobs)
            .where(tables.jobs.c.id == second.id)
            .values(state=State.REFUSED, state_since=now() - 4 * DAY)
        )
    sweep(database, spool, RETENTION)
    assert not films.exists()
    assert not result.exists()


@pytest.mark.parametrize("state", RUNNING)
def test_what_has_not_ended_is_never_deleted(
    database: Database, spool: Spool, state: State
) -> None:
    files = ended(database, spool, receive(database, spool, "1.2"), state, days=400)

    sweep(database, spool, RETENTION)

    assert [path.exists() for path in files] == [True, True]


def test_the_ledger_keeps_the_job_and_tells_of_the_deletion_once(
    database: Database, spool: Spool
) -> None:
    job = receive(database, spool, "1.2")
    ended(database, spool, job, State.DONE, days=8)

    sweep(database, spool, RETENTION)
    sweep(database, spool, RETENTION)

    assert jobs.get(database, job).state is State.DONE
    told = [event.what for event in history.history(database, job)]
    assert told.count("received files deleted: their retention is over") == 1
    known = arrivals.entered(database, "1.2", "1.2.1")
    assert known is not None
    assert known.deleted


def test_a_newer_revision_that_has_not_ended_keeps_the_files_of_its_study(
    database: Database, spool: Spool
) -> None:
    files = ended(database, spool, receive(database, spool, "1.2"), State.DONE, days=8)
    later = receive(database, spool, "1.2", 2)

    sweep(database, spool, RETENTION)
    assert files[0].exists()
    newer = ended(database, spool, later, State.REFUSED, days=2)
    sweep(database, spool, RETENTION)
    assert files[0].exists()
    assert newer[0].exists()


def test_an_earlier_revision_that_has_not_ended_keeps_the_files_of_its_study(
    database: Database, spool: Spool
) -> None:
    """What was made of it still waits for its destination, or for the site's release; meanwhile
    an object came that made the study unreadable.
    """
    first = receive(database, spool, "1.2")
    files = ended(database, spool, first, State.DELIVERING, days=40)
    second = receive(database, spool, "1.2", 2)
    ended(database, spool, second, State.FAILED, days=31)

    sweep(database, spool, RETENTION)

    assert [path.exists() for path in files] == [True, True]


def test_the_results_of_every_revision_go_with_the_files_of_the_study(
    database: Database, spool: Spool
) -> None:
    first = ended(database, spool, receive(database, spool, "1.2"), State.DONE, days=20)
    second = ended(database, spool, receive(database, spool, "1.2", 2), State.DONE, days=10)

    sweep(database, spool, RETENTION)

    assert not second[1].exists()
    assert not first[0].parent.exists()
    assert not first[1].exists()


def test_an_image_that_comes_after_the_deletion_is_a_study_of_its_own_files(
    database: Database, spool: Spool
) -> None:
    ended(database, spool, receive(database, spool, "1.2"), State.DONE, days=8)
    sweep(database, spool, RETENTION)

    revision = jobs.get(database, receive(database, spool, "1.2", 2))

    assert revision.revision == 2
    assert revisions.paths(database, revision) == ["studies/1.2/1.2.2.dcm"]


def test_other_studies_are_left_alone(database: Database, spool: Spool) -> None:
    """Also one whose UID begins like the one that is deleted."""
    ended(database, spool, receive(database, spool, "1.2"), State.DONE, days=8)
    other = ended(database, spool, receive(database, spool, "1.2.1"), State.READING, days=8)

    sweep(database, spool, RETENTION)

    assert [path.exists() for path in other] == [True, True]


def test_priors_go_after_the_longest_time_of_all(database: Database, spool: Spool) -> None:
    """A failed study may be looked at, with its prior, for as long as failed ones are kept."""
    made = {}
    for uid, days in {"1.5": 31, "1.6": 29, "1.7": 0}.items():
        (spool.prior(uid)).mkdir()
        (spool.prior(uid) / "film.dcm").write_bytes(b"prior")
        when = time.time() - days * DAY
        os.utime(spool.prior(uid), (when, when))
        made[uid] = spool.prior(uid)

    sweep(database, spool, RETENTION)

    assert {uid for uid, path in made.items() if (path / "film.dcm").exists()} == {"1.6", "1.7"}
    sweep(database, spool, RetentionSection(priors="20 days"))
    assert {uid for uid, path in made.items() if path.exists()} == {"1.7"}


def test_files_that_are_gone_already_do_no_harm(database: Database, spool: Spool) -> None:
    film, _ = ended(database, spool, receive(database, spool, "1.2"), State.DONE, days=8)
    shutil.rmtree(film.parent)
    other = ended(database, spool, receive(database, spool, "1.3"), State.FAILED, days=31)

    sweep(database, spool, RETENTION)

    assert not film.exists()
    assert not other[0].exists()


def test_a_study_without_an_image_of_its_own_is_kept_as_it_is(
    database: Database, spool: Spool
) -> None:
    """A report of another maker opens no job, so nothing ends and nothing is deleted."""
    arrivals.record(
        database,
        [Arrival("1.9", "1.9.1", CR, PurePosixPath("studies/1.9/1.9.1.dcm"), "0" * 64, False)],
    )
    spool.study("1.9").mkdir()

    sweep(database, spool, RETENTION)

    assert spool.study("1.9").exists()
    assert jobs.listing(database) == []
