"""What happened to each job, in order. Rows are only ever added."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from dicom_node.ledger.database import Database, now
from dicom_node.ledger.tables import events


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened; ``at`` is seconds since 1970, ``what`` names no patient."""

    at: float
    what: str


def note(connection: Connection, job: int, what: str) -> None:
    """Add an event in the transaction of what caused it."""
    connection.execute(insert(events).values(job_id=job, at=now(), what=what))


def history(database: Database, job: int) -> tuple[Event, ...]:
    """All that happened to a job, oldest first."""
    rows = select(events.c.at, events.c.what).where(events.c.job_id == job).order_by(events.c.id)
    with database.reading() as connection:
        return tuple(Event(row.at, row.what) for row in connection.execute(rows))
