"""A study that was read without its prior is looked at again when that comes late.

The next revision waits in ``fetching`` with ``jobs.prior_until``. It holds no worker: it is due
again, later and later. An image that arrives meanwhile makes it the ordinary next revision, which
looks for the prior as well; so no revision waits behind another one for hours.
"""

from __future__ import annotations

from sqlalchemy import Connection, exists, insert, or_, select, update

from dicom_node.ledger.database import now
from dicom_node.ledger.history import note
from dicom_node.ledger.jobs import Job, State, move
from dicom_node.ledger.tables import instances, jobs

_UNREAD = (State.RECEIVED, State.QUEUED, State.FETCHING, State.READING)


def open_waiting(connection: Connection, job: Job, *, hours: float, wait: float) -> None:
    """Open the revision after ``job`` that waits for a late prior, first due in ``wait`` seconds.

    Nothing where there is a later revision already: it looks for the prior itself.
    """
    later = select(jobs.c.id).where(
        jobs.c.study_instance_uid == job.study_instance_uid, jobs.c.revision > job.revision
    )
    if connection.execute(later).first() is not None:
        return
    opened = connection.execute(
        insert(jobs)
        .values(
            study_instance_uid=job.study_instance_uid,
            revision=job.revision + 1,
            priority=job.priority,
            state=State.FETCHING,
            state_since=now(),
            received_at=now(),
            arrived_at=now(),
            due_at=now() + wait,
            prior_until=now() + hours * 3600,
        )
        .returning(jobs.c.id)
    ).scalar_one()
    note(connection, opened, f"opened for a prior that comes within {hours:g} h")


def make_ordinary(connection: Connection, job: int, priority: int) -> bool:
    """Let the revision that waits for a late prior be the one of images that arrive now.

    False when it does not wait any more. Who works on it just now cannot hand it on.
    """
    waiting = (State.QUEUED, State.FETCHING)
    done = connection.execute(
        update(jobs)
        .where(jobs.c.id == job, jobs.c.state.in_(waiting), jobs.c.prior_until.is_not(None))
        .values(
            state=State.RECEIVED,
            priority=priority,
            state_since=now(),
            received_at=now(),
            arrived_at=now(),
            due_at=now(),
            reason="",
            attempts=0,
            lost=0,
            lease_owner=None,
            lease_until=None,
            prior_until=None,
        )
    )
    if not done.rowcount:
        return False
    note(connection, job, "further image received while waiting for a late prior")
    return True


def end_waiting(connection: Connection, job: Job, reason: str) -> None:
    """Let no later revision read the film of ``job`` again that waits for a late prior, or found
    it and was not read yet: one without an image of its own reads no other film.
    """
    own = exists().where(instances.c.job_id == jobs.c.id)
    again = select(jobs.c.id).where(
        jobs.c.study_instance_uid == job.study_instance_uid,
        jobs.c.revision > job.revision,
        jobs.c.state.in_(_UNREAD),
        or_(jobs.c.prior_until.is_not(None), ~own),
    )
    for one in connection.execute(again).scalars().all():
        move(connection, one, State.REFUSED, reason=reason, prior_until=None)
