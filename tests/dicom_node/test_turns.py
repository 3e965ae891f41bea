"""Of a ledger that grows: whose turn it is, lists, and that nothing is read from end to end."""

from __future__ import annotations

import random
from pathlib import Path, PurePosixPath

import full_ledger
import ledger as bench
import pytest
from sqlalchemy import insert

from dicom_node.ledger import arrivals, jobs
from dicom_node.ledger.arrivals import Arrival
from dicom_node.ledger.database import Database
from dicom_node.ledger.jobs import FETCH, Job, State
from dicom_node.ledger.tables import jobs as table
from dicom_node.study import Priority


def enter(database: Database, *rows: dict[str, object]) -> None:
    """Put jobs into the ledger: each a study of its own, first seen at 0."""
    times = dict.fromkeys(("state_since", "received_at", "arrived_at"), 0.0)
    with database.writing() as connection:
        for row in rows:
            uid = f"1.2.{random.getrandbits(60)}"
            connection.execute(
                insert(table).values(study_instance_uid=uid, revision=1, **times, **row)
            )


def next_one(database: Database, patience: float | None = None) -> Job:
    job = jobs.lease(database, FETCH, owner="me", seconds=60, attempts=3, patience=patience)
    assert job is not None
    return job


def test_the_turns_are_those_of_the_whole_list_sorted(database: Database) -> None:
    """By priority and then by time, over both states of a stage; whatever is not due is left."""
    chance = random.Random(6)
    rows: list[dict[str, object]] = [
        {
            "state": chance.choice([State.QUEUED, State.FETCHING, State.READING]),
            "priority": chance.choice(list(Priority)),
            "due_at": chance.choice([float(number), 4e9 + number]),
            "lease_until": chance.choice([None, None, 4e9]),
        }
        for number in range(200)
    ]
    enter(database, *rows)
    due = [
        (number, row)
        for number, row in enumerate(rows, start=1)
        if row["state"] != State.READING
        and float(str(row["due_at"])) < 4e9
        and row["lease_until"] is None
    ]
    due.sort(key=lambda one: (-int(str(one[1]["priority"])), float(str(one[1]["due_at"]))))
    assert len(due) > 20
    assert jobs.waiting(database)["fetch"] == len(due)
    assert [next_one(database).id for _ in due] == [number for number, _ in due]
    assert jobs.lease(database, FETCH, owner="me", seconds=60, attempts=3) is None


def test_with_patience_who_has_waited_longest_is_next_whatever_its_priority(
    database: Database,
) -> None:
    enter(
        database,
        {"state": State.QUEUED, "priority": Priority.STAT, "due_at": 20.0},
        {"state": State.QUEUED, "priority": Priority.LOW, "due_at": 10.0},
        {"state": State.FETCHING, "priority": Priority.ROUTINE, "due_at": 5.0},
    )
    assert next_one(database, patience=60).id == 3
    assert next_one(database, patience=60).id == 2
    assert next_one(database, patience=1e12).id == 1


def test_of_a_long_backlog_no_more_than_a_hundred_are_counted(database: Database) -> None:
    enter(database, *({"state": State.READING, "due_at": 0.0} for _ in range(130)))
    assert jobs.waiting(database) == {"read": 100}


def test_the_list_has_pages_and_takes_of_several_states_the_latest(database: Database) -> None:
    states = [State.DONE, State.FAILED, State.DONE, State.QUEUED, State.FAILED, State.DONE]
    enter(database, *({"state": state, "due_at": 0.0, "report": "{}"} for state in states))
    some = (State.DONE, State.FAILED)

    assert [one.id for one in jobs.listing(database, limit=2)] == [6, 5]
    assert [one.id for one in jobs.listing(database, limit=2, before=5)] == [4, 3]
    assert [one.id for one in jobs.listing(database, states=some, limit=3)] == [6, 5, 3]
    assert [one.id for one in jobs.listing(database, states=some, limit=3, before=3)] == [2, 1]
    assert all(one.report is None for one in jobs.listing(database)), "a list is short"


def test_of_some_files_the_ledger_tells_which_it_knows(database: Database) -> None:
    def path(study: str, name: str) -> PurePosixPath:
        return PurePosixPath(f"studies/{study}/{name}.dcm")

    known = [path("1.2", "1.2.1"), path("1.2", "1.2.2"), path("1.3", "1.3.1")]
    arrivals.record(
        database,
        [Arrival(one.parent.name, one.stem, "1.2.840", one, "0", opens_job=True) for one in known],
    )
    aside = PurePosixPath("quarantine/ab.dcm")
    arrivals.quarantined(database, aside, "no UID")
    others = [path("1.3", "1.2.1"), path("1.4", "1.4.1"), PurePosixPath("quarantine/cd.dcm")]

    assert arrivals.recorded(database, [*known[1:], aside, *others]) == {*known[1:], aside}
    assert arrivals.recorded(database, []) == set()


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, full_ledger.Sizes]:
    """A ledger of some thousand jobs in all states, as the bench makes one of a million."""
    url = f"sqlite:///{tmp_path_factory.mktemp('full')}/ledger.sqlite3"
    return url, full_ledger.fill(url, 4000)


def test_nothing_that_is_asked_all_the_time_reads_a_table_from_end_to_end(
    full: tuple[str, full_ledger.Sizes], tmp_path: Path
) -> None:
    url, sizes = full
    database = bench.TakenBack(url)
    scanned = {
        (name, table)
        for name, call in bench.calls(sizes).items()
        for table in bench.scanned(database, call)
    }
    database.close()
    assert {(name, table) for name, table in scanned if table != "associations"} == {
        ("jobs", "jobs")  # backwards, and no further than the list is long
    }, "rows of associations are deleted when these have ended: there are never many"
