"""Holding on to a job for longer than was thought when it was leased, or for less."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import ColumnElement, case, select, update

from dicom_node.ledger.database import Database, now
from dicom_node.ledger.jobs import STAGES, Job, State, holds
from dicom_node.ledger.tables import associations, jobs

#: Clocks of several machines differ by less.
_AHEAD_SECONDS = 2.0


def renew(database: Database, job: Job, seconds: float) -> bool:
    """Hold a job for so many seconds from now; False when somebody else has it by now."""
    with database.writing() as connection:
        if not holds(connection, job):
            return False
        connection.execute(
            update(jobs).where(jobs.c.id == job.id).values(lease_until=now() + seconds)
        )
    return True


def end(database: Database, is_dead: Callable[[str], bool]) -> int:
    """End the leases of owners that are dead, as if they had run out; how many owners there were.

    Nobody then waits for as long as the longest task may take because a worker was killed.
    """
    held = (
        jobs.c.state.in_([stage.working for stage in STAGES]),
        jobs.c.lease_until > now(),
    )
    with database.reading() as connection:
        every = connection.execute(select(jobs.c.lease_owner).where(*held).distinct()).scalars()
        dead = {one: owner for one in every if one and is_dead(owner := one.rpartition(" ")[2])}
    if dead:
        with database.writing() as connection:
            connection.execute(
                update(jobs).where(*held, jobs.c.lease_owner.in_(dead)).values(lease_until=now())
            )
    return len(set(dead.values()))


def set_right(
    database: Database, *, longest_lease: float, longest_wait: float, edge_lease: float
) -> int:
    """Make times that only a clock explains which was put back what they can be at most.

    How long a worker may hold a job, a job may wait, and an edge may be silent: all in seconds.
    Returns how many jobs there were. A job that waits for a late prior may wait for longer.
    """
    ahead = (jobs.c.arrived_at > _after(0)) | (jobs.c.received_at > _after(0))
    leased = jobs.c.lease_until > _after(longest_lease)
    due = (jobs.c.due_at > _after(longest_wait)) & jobs.c.prior_until.is_(None)
    goes_on = [State.RECEIVED, *(one for stage in STAGES for one in stage.takes)]
    wrong = jobs.c.state.in_(goes_on) & (ahead | leased | due)
    silent = associations.c.lease_until > _after(edge_lease)
    with database.reading() as connection:
        both = (select(jobs.c.id).where(wrong), select(associations.c.id).where(silent))
        if not any(connection.execute(one.limit(1)).first() for one in both):
            return 0
    with database.writing() as connection:
        connection.execute(
            update(associations).where(silent).values(lease_until=now() + edge_lease)
        )
        changed = connection.execute(
            update(jobs)
            .where(wrong)
            .values(
                received_at=_at_most(jobs.c.received_at, 0),
                arrived_at=_at_most(jobs.c.arrived_at, 0),
                state_since=_at_most(jobs.c.state_since, 0),
                due_at=case(
                    (jobs.c.prior_until.is_(None), _at_most(jobs.c.due_at, longest_wait)),
                    else_=jobs.c.due_at,
                ),
                lease_until=_at_most(jobs.c.lease_until, longest_lease),
            )
        )
    return changed.rowcount


def _after(seconds: float) -> ColumnElement[float]:
    return now() + (seconds + _AHEAD_SECONDS)


def _at_most(column: ColumnElement[float], seconds: float) -> ColumnElement[float]:
    return case((column > now() + seconds, now() + seconds), else_=column)
