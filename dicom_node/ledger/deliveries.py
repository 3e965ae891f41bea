"""What was made, for whom, and whether it is there: one row for each object and destination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import Row, insert, select, update

from dicom_node.ledger.database import Database
from dicom_node.ledger.history import note
from dicom_node.ledger.tables import deliveries


class DeliveryState(StrEnum):
    """Whether an object is at its destination."""

    PENDING = "pending"
    SENT = "sent"  # accepted, not yet verified
    THERE = "there"  # accepted, and verified where that is asked for
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Made:
    """An object that was built for a destination; ``path`` is below the spool.

    ``retractions`` counts how often results of the job had been withdrawn before it was made.
    """

    destination: str
    output: str
    sop_instance_uid: str
    series_instance_uid: str
    path: PurePosixPath
    retractions: int = 0


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


def enter(database: Database, job: int, made: Sequence[Made]) -> None:
    """Enter what is to be delivered for a job; what is entered already changes nothing."""
    with database.writing() as connection:
        for one in made:
            known = select(deliveries.c.id).where(
                deliveries.c.job_id == job,
                deliveries.c.destination == one.destination,
                deliveries.c.output == one.output,
                deliveries.c.retractions == one.retractions,
            )
            if connection.execute(known).first() is None:
                connection.execute(
                    insert(deliveries).values(
                        job_id=job,
                        destination=one.destination,
                        output=one.output,
                        sop_instance_uid=one.sop_instance_uid,
                        series_instance_uid=one.series_instance_uid,
                        path=str(one.path),
                        retractions=one.retractions,
                        state=DeliveryState.PENDING,
                    )
                )


def of_job(database: Database, job: int) -> list[Delivery]:
    """All deliveries of a job."""
    rows = select(deliveries).where(deliveries.c.job_id == job).order_by(deliveries.c.id)
    with database.reading() as connection:
        return [_delivery(row) for row in connection.execute(rows)]


def outcome(
    database: Database, job: int, delivery: Delivery, state: DeliveryState, reason: str = ""
) -> None:
    """What became of one attempt."""
    with database.writing() as connection:
        connection.execute(
            update(deliveries)
            .where(deliveries.c.id == delivery.id)
            .values(
                state=state,
                reason=reason,
                # What is found by a query only was not sent once more.
                attempts=deliveries.c.attempts + (state != DeliveryState.THERE),
            )
        )
        if (state, reason) != (delivery.state, delivery.reason):
            told = f": {reason}" if reason else ""
            note(
                connection,
                job,
                f"{delivery.made.output} at {delivery.made.destination} {state}{told}",
            )


def _delivery(row: Row[Any]) -> Delivery:
    made = Made(
        destination=row.destination,
        output=row.output,
        sop_instance_uid=row.sop_instance_uid,
        series_instance_uid=row.series_instance_uid,
        path=PurePosixPath(row.path),
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
