"""Leases that end before their time: of workers that died, and by a clock that was put back."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select, update

from dicom_node.ledger import jobs, leases, tables
from dicom_node.ledger.database import Database, now
from dicom_node.ledger.jobs import READ, State


@pytest.fixture
def database(ledger_url: str) -> Database:
    return Database(ledger_url)


def add(database: Database, state: State = State.READING, **columns: object) -> int:
    times = dict.fromkeys(("state_since", "received_at", "arrived_at", "due_at"), now())
    row = {"study_instance_uid": "1.2.3", "revision": 1, "state": state} | times | columns
    with database.writing() as connection:
        return int(
            connection.execute(
                insert(tables.jobs).values(row).returning(tables.jobs.c.id)
            ).scalar_one()
        )


def lease(database: Database, owner: str = "me", seconds: float = 600) -> jobs.Job | None:
    return jobs.lease(database, READ, owner=owner, seconds=seconds, attempts=3)


def set_right(database: Database) -> int:
    return leases.set_right(database, longest_lease=60, longest_wait=30, edge_lease=5)


def test_what_a_dead_worker_held_is_taken_up_at_once(database: Database) -> None:
    add(database)
    first = lease(database, "dead")
    assert first is not None
    assert lease(database, "living") is None
    assert leases.end(database, {"dead"}.__contains__) == 1
    second = lease(database, "living")
    assert second is not None
    assert not jobs.advance(database, first, State.READ), "the dead one has nothing to say"
    assert leases.end(database, {"dead"}.__contains__) == 0


def test_all_that_a_dead_worker_held_is_free_and_it_is_counted_once(database: Database) -> None:
    """Also what it held by a ledger in which leases had no number."""
    add(database)
    add(database, revision=2)
    add(database, revision=3, lease_owner="dead", lease_until=now() + 600)
    assert lease(database, "dead") is not None
    assert lease(database, "dead") is not None
    assert leases.end(database, {"dead"}.__contains__) == 1
    assert [lease(database, "living") is not None for _ in range(4)] == [True] * 3 + [False]


def test_a_death_counts_as_an_attempt_that_did_not_end(database: Database) -> None:
    job = add(database)
    for _ in range(3):
        assert lease(database, "dead") is not None
        leases.end(database, {"dead"}.__contains__)
    assert lease(database, "living") is None
    assert jobs.get(database, job).state is State.FAILED


def test_a_living_worker_keeps_what_it_holds(database: Database) -> None:
    add(database)
    lease(database, "living")
    assert leases.end(database, {"dead"}.__contains__) == 0
    assert lease(database, "other") is None


def test_a_clock_that_is_put_back_by_an_hour_holds_nobody_up(database: Database) -> None:
    hour = 3600
    job = add(database, arrived_at=now() + hour, due_at=now() + hour, lease_until=now() + hour)
    assert lease(database) is None
    assert set_right(database) == 1
    with database.reading() as connection:
        row = connection.execute(
            select(tables.jobs, now().label("now")).where(tables.jobs.c.id == job)
        ).one()
    assert row.arrived_at <= row.now
    assert row.due_at <= row.now + 30
    assert row.lease_until <= row.now + 60
    assert set_right(database) == 0


def test_what_lies_ahead_for_a_reason_stays(database: Database) -> None:
    """A lease, a wait for an archive, a wait for a prior that comes late; and what has ended."""
    add(database, lease_until=now() + 59, due_at=now() + 29)
    add(database, revision=2, due_at=now() + 9000, prior_until=now() + 90000)
    add(database, State.DONE, revision=3, due_at=now() + 9000)
    assert set_right(database) == 0


def test_a_dead_edge_does_not_hold_a_study_for_an_hour_by_its_clock(database: Database) -> None:
    row = {"id": "a", "edge": "gone", "lease_until": now() + 3600}
    with database.writing() as connection:
        connection.execute(insert(tables.associations).values(row))
    set_right(database)
    with database.reading() as connection:
        left = connection.execute(select(tables.associations.c.lease_until - now())).scalar_one()
    assert left <= 5
    with database.writing() as connection:  # one that lives is not touched
        connection.execute(update(tables.associations).values(lease_until=now() + 5))
    assert set_right(database) == 0
