"""Why nobody takes what waits."""

from __future__ import annotations

from sqlalchemy import insert

from dicom_node.ledger import history, jobs, stalled, tables
from dicom_node.ledger.database import Database, now
from dicom_node.ledger.jobs import READ, State


def add(database: Database, study: str, state: State, **columns: object) -> int:
    times = dict.fromkeys(("state_since", "received_at", "arrived_at", "due_at"), now())
    row = {"study_instance_uid": study, "revision": 1, "state": state} | times | columns
    with database.writing() as connection:
        added = insert(tables.jobs).values(row).returning(tables.jobs.c.id)
        return int(connection.execute(added).scalar_one())


def test_work_is_left_where_it_is_due_for_long_and_nobody_is_at_any(ledger_url: str) -> None:
    database = Database(ledger_url)
    assert not stalled.is_left(database, READ, 60)
    add(database, "1.2.1", State.READING, due_at=now() - 30)
    add(database, "1.2.2", State.QUEUED, due_at=now() - 90)
    assert not stalled.is_left(database, READ, 60)
    long_due = {"due_at": now() - 90}
    add(database, "1.2.3", State.READING, lease_owner="x", lease_until=now() - 1, **long_due)
    assert stalled.is_left(database, READ, 60)
    add(database, "1.2.4", State.READING, lease_owner="x", lease_until=now() + 600, **long_due)
    assert not stalled.is_left(database, READ, 60)
    database.close()


def test_jobs_that_wait_say_why_once_and_are_taken_as_before(ledger_url: str) -> None:
    database = Database(ledger_url)
    waits = add(database, "1.2.1", State.READING)
    taken = add(database, "1.2.2", State.READING, lease_owner="x", lease_until=now() + 600)
    elsewhere = add(database, "1.2.3", State.QUEUED)
    for reason, told in (("no weights", 1), ("no weights", 0), ("no folder", 1)):
        assert stalled.explain(database, READ, reason) == told
    reasons = [jobs.get(database, one).reason for one in (waits, taken, elsewhere)]
    assert reasons == ["no folder", "", ""]
    said = [one.what for one in history.history(database, waits)]
    assert said == ["reading: no weights", "reading: no folder"]
    job = jobs.lease(database, READ, owner="me", seconds=60, attempts=3)
    assert job is not None
    assert job.id == waits
    assert job.attempts == 1
    assert jobs.advance(database, job, State.READ)
    assert jobs.get(database, waits).reason == ""
    database.close()
