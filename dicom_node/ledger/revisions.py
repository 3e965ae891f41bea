"""The revisions of a study: each is a job, opened by images that came after the one before."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, select

from dicom_node.ledger.database import Database
from dicom_node.ledger.jobs import Job, State, of_row, rows
from dicom_node.ledger.tables import instances, jobs


def read_before(database: Database, job: Job) -> list[Job]:
    """The earlier revisions of which there is a report, the latest first."""
    read = _earlier(job).where(jobs.c.report.is_not(None)).order_by(jobs.c.revision.desc())
    with database.reading() as connection:
        return [of_row(row) for row in connection.execute(read)]


def came_with(database: Database, job: Job, sop_instance_uid: str) -> int:
    """The job with which an object of this job's study came; 0 for one that belongs to none."""
    mine = (
        instances.c.study_instance_uid == job.study_instance_uid,
        instances.c.sop_instance_uid == sop_instance_uid,
    )
    with database.reading() as connection:
        return connection.execute(select(instances.c.job_id).where(*mine)).scalar() or 0


def is_behind(database: Database, job: Job) -> bool:
    """Whether an earlier revision may still be read: then it is not known yet what was."""
    unread = (State.RECEIVED, State.QUEUED, State.FETCHING, State.READING)
    with database.reading() as connection:
        return connection.execute(_earlier(job).where(jobs.c.state.in_(unread))).first() is not None


def listing(database: Database, study_instance_uid: str) -> list[Job]:
    """All of a study, in order."""
    with database.reading() as connection:
        return of_study(connection, study_instance_uid)


def of_study(connection: Connection, study_instance_uid: str) -> list[Job]:
    """The same, within a transaction."""
    mine = rows().where(jobs.c.study_instance_uid == study_instance_uid)
    return [of_row(row) for row in connection.execute(mine.order_by(jobs.c.revision))]


def paths(database: Database, job: Job) -> list[str]:
    """Where the images of a job's study lie, below the spool: also those of earlier revisions."""
    with database.reading() as connection:
        return list(
            connection.execute(
                select(instances.c.path)
                .where(
                    instances.c.study_instance_uid == job.study_instance_uid,
                    instances.c.job_id <= job.id,
                    instances.c.path != "",  # retention has deleted the others
                )
                .order_by(instances.c.path)
            ).scalars()
        )


def _earlier(job: Job) -> Select[Any]:
    return rows().where(
        jobs.c.study_instance_uid == job.study_instance_uid, jobs.c.revision < job.revision
    )
