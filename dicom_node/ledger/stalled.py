"""What stands at a job that waits and that nobody takes: why not."""

from __future__ import annotations

from sqlalchemy import or_, select, update

from dicom_node.ledger.database import Database, now
from dicom_node.ledger.history import note
from dicom_node.ledger.jobs import Stage
from dicom_node.ledger.tables import jobs

#: So many jobs are told at a time, those first that have waited longest.
_MANY = 100


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
