"""Jobs that wait and that nobody takes: whether there are any, and why not."""

from __future__ import annotations

from sqlalchemy import or_, select, update

from dicom_node.ledger import turns
from dicom_node.ledger.database import Database, now
from dicom_node.ledger.history import note
from dicom_node.ledger.jobs import Stage
from dicom_node.ledger.tables import jobs

#: So many jobs are told at a time, those first that have waited longest.
_MANY = 100


def is_left(database: Database, stage: Stage, seconds: float) -> bool:
    """Whether a job of this stage has been due for so many seconds, and nobody is at any."""
    at_work = select(jobs.c.id).where(jobs.c.state == stage.working, jobs.c.lease_until > now())
    with database.reading() as connection:
        overdue = connection.execute(turns.overdue(stage.takes), {"patience": seconds}).first()
        return overdue is not None and connection.execute(at_work.limit(1)).first() is None


def explain(database: Database, stage: Stage, reason: str) -> int:
    """Write at the jobs that wait in this stage why nobody takes them; how many did not say so yet.

    Whose turn a job is stays as it is, and so does who has it.
    """
    waits = (
        jobs.c.state.in_(stage.takes),
        or_(jobs.c.lease_until.is_(None), jobs.c.lease_until <= now()),
        jobs.c.reason != reason,
    )
    wanted = select(jobs.c.id, jobs.c.state).where(*waits).order_by(jobs.c.id).limit(_MANY)
    with database.reading() as connection:
        if connection.execute(wanted).first() is None:
            return 0
    with database.writing() as connection:
        rows = connection.execute(wanted).all()
        for row in rows:
            connection.execute(update(jobs).where(jobs.c.id == row.id).values(reason=reason))
            note(connection, row.id, f"{row.state}: {reason}")
    return len(rows)
