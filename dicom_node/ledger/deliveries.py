"""What was made, for whom, and whether it is there: one row for each object and destination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from dicom_node.ledger.database import Database
from dicom_node.ledger.history import note
from dicom_node.ledger.jobs import Job, State, holds
from dicom_node.ledger.tables import deliveries, jobs


class DeliveryState(StrEnum):
    """Whether an object is at its destination."""

    PENDING = "pending"  # to be sent, and nowhere yet
    SENDING = "sending"  # to be sent, or on its way: it may be there
    SENT = "sent"  # accepted, not yet verified
    THERE = "there"  # accepted, and verified where that is asked for
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"  # it was brought nowhere, and is not sent any more


#: What is to be sent still.
TO_SEND = (DeliveryState.PENDING, DeliveryState.SENDING)
#: Whether an object is there, or may be.
MAY_BE_THERE = (DeliveryState.SENDING, DeliveryState.SENT, DeliveryState.THERE)
#: Names of what takes back other objects: of a result whose place another one takes, and of one
#: that is retracted by hand.
REJECTION, RETRACTION = "rejection", "retraction"
NOTES = (REJECTION, RETRACTION)


@dataclass(frozen=True, slots=True)
class Made:
    """An object that was built for a destination; ``path`` is below the spool.

    ``retractions`` counts how often results of the job had been withdrawn before it was made.
    ``withdraws`` are the rows of what it takes back or takes the place of, at its destination.
    """

    destination: str
    output: str
    sop_instance_uid: str
    series_instance_uid: str
    path: PurePosixPath
    sop_class_uid: str = ""
    retractions: int = 0
    withdraws: tuple[int, ...] = ()

    @property
    def is_note(self) -> bool:
        """Whether it takes back other objects."""
        return self.output in NOTES


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row: an object and what became of it at its destination.

    ``withdrawn_by`` is the row of what withdraws it there, None while it counts.
    """

    id: int
    made: Made
    state: DeliveryState
    attempts: int
    reason: str
    job: int = 0
    withdrawn_by: int | None = None

    @property
    def counts(self) -> bool:
        """Whether it is to be at its destination: nothing has withdrawn it."""
        return self.withdrawn_by is None and self.state is not DeliveryState.WITHDRAWN


def enter(connection: Connection, job: int, made: Sequence[Made]) -> None:
    """Enter what is to be delivered for a job, and what it withdraws; what is entered already
    changes nothing.
    """
    for one in made:
        known = select(deliveries.c.id).where(
            deliveries.c.job_id == job,
            deliveries.c.destination == one.destination,
            deliveries.c.output == one.output,
            deliveries.c.retractions == one.retractions,
        )
        if connection.execute(known).first() is not None:
            continue
        row = connection.execute(
            insert(deliveries)
            .values(
                job_id=job,
                destination=one.destination,
                output=one.output,
                sop_instance_uid=one.sop_instance_uid,
                series_instance_uid=one.series_instance_uid,
                sop_class_uid=one.sop_class_uid,
                path=str(one.path),
                retractions=one.retractions,
                state=DeliveryState.PENDING,
            )
            .returning(deliveries.c.id)
        ).scalar_one()
        connection.execute(
            update(deliveries).where(deliveries.c.id.in_(one.withdraws)).values(withdrawn_by=row)
        )


def of_job(database: Database, job: int) -> list[Delivery]:
    """All deliveries of a job."""
    rows = select(deliveries).where(deliveries.c.job_id == job).order_by(deliveries.c.id)
    with database.reading() as connection:
        return [delivery(row) for row in connection.execute(rows)]


def others_wait(database: Database, job: Job) -> bool:
    """Whether something that was made for another job is still to be brought to a destination."""
    states = (State.READ, State.DELIVERING, State.RETRACTING)
    rows = (
        select(deliveries.c.id)
        .join(jobs)
        .where(
            jobs.c.state.in_(states),
            jobs.c.id != job.id,
            deliveries.c.withdrawn_by.is_(None),
            deliveries.c.state.in_((*TO_SEND, DeliveryState.SENT)),
        )
    )
    with database.reading() as connection:
        return connection.execute(rows.limit(1)).first() is not None


def claim(database: Database, job: Job, rows: Sequence[Delivery]) -> list[Delivery]:
    """Take rows to be sent now, by who holds the lease of their job; before anything is sent.

    Without what was withdrawn meanwhile, and nothing when somebody else has the job by now.
    """
    with database.writing() as connection:
        if not holds(connection, job):
            return []
        claimed = connection.execute(
            update(deliveries)
            .where(
                deliveries.c.id.in_([row.id for row in rows]),
                deliveries.c.state.in_(TO_SEND),
                deliveries.c.withdrawn_by.is_(None),
            )
            .values(state=DeliveryState.SENDING)
            .returning(deliveries.c.id)
        ).scalars()
        mine = set(claimed)
    return [row for row in rows if row.id in mine]


def give_back(database: Database, job: Job, rows: Sequence[Delivery]) -> None:
    """Of claimed rows nothing was sent after all: each is again as it was."""
    with database.writing() as connection:
        for row in rows if holds(connection, job) else ():
            connection.execute(
                update(deliveries)
                .where(deliveries.c.id == row.id, deliveries.c.state == DeliveryState.SENDING)
                .values(state=row.state)
            )


def outcome(
    database: Database,
    job: Job,
    delivery: Delivery,
    state: DeliveryState,
    reason: str = "",
    *,
    tried: bool = False,
) -> None:
    """What became of an object, told by who holds the lease of the job; nothing changes when
    somebody else has the job by now, or when the object was withdrawn meanwhile.

    ``tried``: it was sent for that, which is one attempt more.
    """
    with database.writing() as connection:
        if not holds(connection, job):
            return
        changed = connection.execute(
            update(deliveries)
            .where(deliveries.c.id == delivery.id, deliveries.c.state != DeliveryState.WITHDRAWN)
            .values(
                state=state,
                reason=reason,
                attempts=deliveries.c.attempts + int(tried),  # PostgreSQL adds no boolean
            )
        )
        if changed.rowcount and (state, reason) != (delivery.state, delivery.reason):
            told = f": {reason}" if reason else ""
            note(
                connection,
                job.id,
                f"{delivery.made.output} at {delivery.made.destination} {state}{told}",
            )


def delivery(row: Row[Any]) -> Delivery:
    """A row as it stands in the table."""
    made = Made(
        destination=row.destination,
        output=row.output,
        sop_instance_uid=row.sop_instance_uid,
        series_instance_uid=row.series_instance_uid,
        path=PurePosixPath(row.path),
        sop_class_uid=row.sop_class_uid,
        retractions=row.retractions,
    )
    return Delivery(
        id=row.id,
        made=made,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        reason=row.reason,
        job=row.job_id,
        withdrawn_by=row.withdrawn_by,
    )
