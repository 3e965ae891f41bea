"""Which results still stand at their destinations, and what takes them back or their place.

What withdraws others is built between two looks at the ledger: the first says what stands, and the
second, in the transaction that enters what was built, that this has not changed. So a sender that
is at an earlier revision just now can neither be overlooked nor bring back what was withdrawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from dicom_node.errors import Misconfigured, Unreachable
from dicom_node.ledger import jobs as ledger
from dicom_node.ledger import revisions
from dicom_node.ledger.database import Database
from dicom_node.ledger.deliveries import (
    MAY_BE_THERE,
    NOTES,
    RETRACTION,
    Delivery,
    DeliveryState,
    Made,
    delivery,
    enter,
)
from dicom_node.ledger.history import note
from dicom_node.ledger.jobs import Job, State
from dicom_node.ledger.reopening import end_waiting
from dicom_node.ledger.tables import deliveries, jobs

_SOMEBODY = (State.DELIVERING, State.RETRACTING)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is at destinations, or may be, and no rejection note has taken back."""

    rows: tuple[Delivery, ...]

    def at(self, destination: str) -> tuple[Delivery, ...]:
        """What stands at one destination."""
        return tuple(row for row in self.rows if row.made.destination == destination)


def before(database: Database, job: Job) -> Standing:
    """What earlier revisions of the study, and earlier readings of this one, have brought."""
    with database.reading() as connection:
        return _standing(connection, job, _before(job))


def of(database: Database, job: Job) -> Standing:
    """What this job has brought, and what that has taken the place of."""
    with database.reading() as connection:
        return _standing(connection, job, _of(job))


def later(database: Database, job: Job) -> int | None:
    """The revision whose results take the place of this job's, if there is one."""
    with database.reading() as connection:
        return _later(connection, job)


def take_place(database: Database, job: Job, made: Sequence[Made], taken: Standing) -> None:
    """Enter what was made for a leased job, in the place of what stands (:func:`before`).

    What earlier revisions did not bring anywhere is not sent any more, and they end.

    Raises:
        Unreachable: what stands has changed meanwhile, or somebody sends it just now; nothing was
            entered.
    """
    with database.writing() as connection:
        if not ledger.holds(connection, job):
            raise Unreachable("somebody else has this study by now")
        if _later(connection, job) is not None:
            raise Unreachable("a later revision was sent meanwhile")
        earlier = [
            one
            for one in revisions.of_study(connection, job.study_instance_uid)
            if one.revision < job.revision
        ]
        for one in earlier:
            if one.leased and one.state in _SOMEBODY:
                raise Unreachable(f"revision {one.revision} is being sent just now")
        _compare(connection, job, _before(job), taken)
        _stop(connection, _before(job) & ~_goes_on(job))
        for one in earlier:
            if one.state in (State.READ, State.DELIVERING):
                told = f"revision {job.revision} takes its place"
                ledger.move(connection, one.id, State.DONE, reason=told)
        enter(connection, job.id, made)
        _tell(connection, made)


def retract(
    database: Database, job: Job, notes: Sequence[Made], taken: Standing, *, why: str
) -> None:
    """Enter the notes that take back all that a job has brought (:func:`of`); they are to be sent.
    No later revision reads its film again for a prior that comes late.

    Raises:
        Misconfigured: somebody works at the job just now, or has since it was looked at.
        Unreachable: what it has brought has changed meanwhile; nothing was entered.
    """
    with database.writing() as connection:
        current = ledger.found(connection, job.id)
        if current.leased or (current.state, current.attempts) != (job.state, job.attempts):
            raise Misconfigured(f"job {job.id} is being worked on just now; try again in a moment")
        _compare(connection, job, _of(job), taken)
        # A note about what it superseded as well: these notes name all that.
        _stop(connection, (jobs.c.id == job.id) & (deliveries.c.output != RETRACTION))
        enter(connection, job.id, notes)
        _tell(connection, notes)
        ledger.move(
            connection,
            job.id,
            State.RETRACTING,
            reason=why,
            retractions=job.retractions + 1,
            prior_until=None,
        )
        end_waiting(connection, job, f"revision {job.revision} was withdrawn by hand")


def withdrawn(database: Database, row: Delivery) -> list[Delivery]:
    """What an object has taken back, or the place of."""
    rows = select(deliveries).where(deliveries.c.withdrawn_by == row.id).order_by(deliveries.c.id)
    with database.reading() as connection:
        return [delivery(one) for one in connection.execute(rows)]


def _before(job: Job) -> ColumnElement[bool]:
    """Of the same study, and of no other one: what earlier revisions and readings have made."""
    return and_(
        jobs.c.study_instance_uid == job.study_instance_uid,
        or_(
            jobs.c.revision < job.revision,
            and_(jobs.c.id == job.id, deliveries.c.retractions < job.retractions),
        ),
    )


def _of(job: Job) -> ColumnElement[bool]:
    """What a job has sent, and what was superseded by it: that would count again otherwise."""
    own = select(deliveries.c.id).where(deliveries.c.job_id == job.id)
    return or_(jobs.c.id == job.id, deliveries.c.withdrawn_by.in_(own))


def _goes_on(job: Job) -> ColumnElement[bool]:
    """Of notes that are not there yet: whether somebody brings them all the same."""
    mine = and_(jobs.c.id == job.id, deliveries.c.output == RETRACTION)
    return and_(
        deliveries.c.output.in_(NOTES),
        deliveries.c.state != DeliveryState.WITHDRAWN,
        or_(mine, jobs.c.state == State.RETRACTING),
    )


def _standing(connection: Connection, job: Job, which: ColumnElement[bool]) -> Standing:
    """Rows of results that are there, or may be, and that no note takes back for sure.

    A note does if it was accepted, or if its job goes on to bring it.
    """
    accepted = or_(
        deliveries.c.state.in_((DeliveryState.SENT, DeliveryState.THERE)),
        _goes_on(job),
    )
    taking = (
        select(deliveries.c.id)
        .join(jobs)
        .where(
            jobs.c.study_instance_uid == job.study_instance_uid,
            deliveries.c.output.in_(NOTES),
            accepted,
        )
    )
    rows = (
        select(deliveries)
        .join(jobs)
        .where(
            which,
            deliveries.c.output.not_in(NOTES),
            deliveries.c.state.in_(MAY_BE_THERE),
            or_(deliveries.c.withdrawn_by.is_(None), deliveries.c.withdrawn_by.not_in(taking)),
        )
        .order_by(deliveries.c.id)
    )
    return Standing(tuple(delivery(row) for row in connection.execute(rows)))


def _compare(connection: Connection, job: Job, which: ColumnElement[bool], taken: Standing) -> None:
    now = _standing(connection, job, which)
    if {row.id for row in now.rows} != {row.id for row in taken.rows}:
        raise Unreachable("what earlier revisions have sent has changed just now")


def _stop(connection: Connection, which: ColumnElement[bool]) -> None:
    """Let no object be sent any more that was brought nowhere."""
    waiting = (
        select(deliveries.c.id)
        .join(jobs)
        .where(which, deliveries.c.state.in_((DeliveryState.PENDING, DeliveryState.REFUSED)))
    )
    connection.execute(
        update(deliveries)
        .where(deliveries.c.id.in_(waiting))
        .values(state=DeliveryState.WITHDRAWN, reason="")
    )


def _tell(connection: Connection, made: Sequence[Made]) -> None:
    """In the history of each job, what becomes of its objects."""
    for one in made:
        rows = select(deliveries.c.job_id, deliveries.c.output).where(
            deliveries.c.id.in_(one.withdraws)
        )
        for row in connection.execute(rows.order_by(deliveries.c.id)):
            how = "taken back" if one.is_note else "superseded"
            note(connection, row.job_id, f"{row.output} at {one.destination} to be {how}")


def _later(connection: Connection, job: Job) -> int | None:
    """A later revision of which something was made, or that has ended with nothing to make."""
    made = select(deliveries.c.id).where(deliveries.c.job_id == jobs.c.id).exists()
    ended = jobs.c.report.is_not(None) & jobs.c.state.in_((State.DONE, State.RETRACTED))
    rows = select(func.max(jobs.c.revision)).where(
        jobs.c.study_instance_uid == job.study_instance_uid,
        jobs.c.revision > job.revision,
        or_(made, ended),
    )
    latest: int | None = connection.execute(rows).scalar_one()
    return latest
