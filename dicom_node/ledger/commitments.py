"""What destinations were asked to commit themselves to (PS3.4 Annex J), and what they reported.

A transaction is entered before it is asked, so that its report is known whenever it comes, at
whichever edge. A report moves no object: it makes the job due, and who leases that acts on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from dicom_node.ledger.database import SECONDS_A_DAY, Database, now
from dicom_node.ledger.deliveries import Delivery, DeliveryState
from dicom_node.ledger.history import note
from dicom_node.ledger.jobs import Job, State, holds
from dicom_node.ledger.tables import commitments, deliveries, jobs

#: Failure Reasons (PS3.3 C.14.1.1) that sending again cannot mend: of the class.
OF_THE_CLASS = (0x0119, 0x0122)
#: So long a report that comes again is still known.
_KEPT_DAYS = 30


class Standing(Enum):
    """How a destination stands to an object."""

    UNASKED = auto()
    OPEN = auto()  # asked; the report may still come
    SILENT = auto()  # asked; no report came in time
    COMMITTED = auto()
    FAILED = auto()  # the latest report says that it does not commit itself


@dataclass(frozen=True, slots=True)
class Commitment:
    """What is known for one object. ``asked`` counts transactions that were accepted and
    not reported on; ``failure`` is the Failure Reason (0008,1197) of ``FAILED``, else 0.
    """

    standing: Standing = Standing.UNASKED
    asked: int = 0
    failure: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """An N-EVENT-REPORT: SOP Instance UIDs, with the Failure Reason of those that failed.

    ``reporter`` is the AE title that sent it.
    """

    transaction_uid: str
    reporter: str
    committed: frozenset[str] = frozenset()
    failed: Mapping[str, int] = field(default_factory=dict)


class Outcome(Enum):
    """What became of a report."""

    ENTERED = auto()
    REPEATED = auto()  # it says nothing that was not reported before
    UNKNOWN = auto()  # no such transaction was asked of who reports


def enter(
    database: Database,
    job: Job,
    rows: Sequence[Delivery],
    transaction_uid: str,
    *,
    ae_title: str,
    seconds: float,
) -> bool:
    """Enter a transaction that is to be asked now, by who holds the lease of the job; its report
    is waited for so many seconds. False, and nothing is entered, when somebody else has the job.
    """
    with database.writing() as connection:
        if not holds(connection, job):
            return False
        connection.execute(
            insert(commitments).values(
                transaction_uid=transaction_uid,
                ae_title=ae_title,
                asked_at=now(),
                expected_until=now() + seconds,
            ),
            [{"delivery_id": row.id} for row in rows],
        )
    return True


def expect_nothing(database: Database, transaction_uid: str) -> None:
    """It was not accepted: no report is waited for. One that comes all the same counts."""
    with database.writing() as connection:
        connection.execute(
            update(commitments)
            .where(commitments.c.transaction_uid == transaction_uid)
            .values(expected_until=commitments.c.asked_at)
        )


def settle(database: Database, row: Delivery) -> None:
    """The failure of an object was acted on: all that was asked about it until now is over."""
    with database.writing() as connection:
        connection.execute(
            update(commitments).where(commitments.c.delivery_id == row.id).values(settled=1)
        )


def of(database: Database, rows: Sequence[Delivery]) -> dict[int, Commitment]:
    """How their destination stands to some objects, by the number of the delivery."""
    asked = (
        select(commitments, (commitments.c.expected_until > now()).label("open"))
        .where(commitments.c.delivery_id.in_([row.id for row in rows]), commitments.c.settled == 0)
        .order_by(commitments.c.id)
    )
    found: dict[int, list[Row[Any]]] = {row.id: [] for row in rows}
    with database.reading() as connection:
        for one in connection.execute(asked):
            found[one.delivery_id].append(one)
    return {row: _commitment(transactions) for row, transactions in found.items()}


def report(database: Database, given: Report) -> Outcome:
    """Enter what a destination reports, and make the job due that waits for it.

    The first report on an object counts. What was not asked in this transaction is left alone.
    """
    asked = (
        select(
            commitments.c.id,
            commitments.c.reported_at,
            deliveries.c.sop_instance_uid,
            deliveries.c.output,
            deliveries.c.destination,
            deliveries.c.job_id,
        )
        .join(deliveries, deliveries.c.id == commitments.c.delivery_id)
        .where(
            commitments.c.transaction_uid == given.transaction_uid,
            commitments.c.ae_title == given.reporter,
        )
        .order_by(commitments.c.id)
    )
    named = given.committed | given.failed.keys()
    with database.writing() as connection:
        rows = connection.execute(asked).all()
        if not rows:
            return Outcome.UNKNOWN
        new = [row for row in rows if row.reported_at is None and row.sop_instance_uid in named]
        if not new:
            return Outcome.REPEATED
        for row in new:
            connection.execute(
                update(commitments)
                .where(commitments.c.id == row.id)
                .values(reported_at=now(), failure=given.failed.get(row.sop_instance_uid))
            )
        _tell(connection, new, given)
        _make_due(connection, new[0].job_id)
    return Outcome.ENTERED


def make_due(connection: Connection, job: Job) -> None:
    """A job that was worked at, and waits from now on, is due at once where its worker had looked
    before something was reported.

    That is an object which counts as accepted still, though its report came after the job had
    become due: who acts on a report leaves none so. But for what is left to a query, which finds no
    more without a pause.
    """
    reported = (
        select(commitments.c.id)
        .join(deliveries, deliveries.c.id == commitments.c.delivery_id)
        .where(
            deliveries.c.job_id == job.id,
            deliveries.c.state == DeliveryState.SENT,
            deliveries.c.withdrawn_by.is_(None),
            commitments.c.settled == 0,
            commitments.c.reported_at > job.due_at,
            or_(commitments.c.failure.is_(None), commitments.c.failure.not_in(OF_THE_CLASS)),
        )
    )
    if connection.execute(reported.limit(1)).first() is not None:
        connection.execute(
            update(jobs).where(jobs.c.id == job.id, jobs.c.due_at > now()).values(due_at=now())
        )


def is_reported(database: Database, transaction_uid: str) -> bool:
    """Whether all that was asked in a transaction has been reported on."""
    missing = select(commitments.c.id).where(
        commitments.c.transaction_uid == transaction_uid, commitments.c.reported_at.is_(None)
    )
    with database.reading() as connection:
        return connection.execute(missing.limit(1)).first() is None


def forget(database: Database) -> None:
    """Delete transactions that are so old that nobody waits for them or reports them again."""
    old = commitments.c.expected_until < now() - _KEPT_DAYS * SECONDS_A_DAY
    with database.writing() as connection:
        connection.execute(delete(commitments).where(old))


def _commitment(asked: Sequence[Row[Any]]) -> Commitment:
    """Of the transactions on one object, oldest first."""
    if not asked:
        return Commitment()
    reported = [one for one in asked if one.reported_at is not None]
    silent = sum(one.reported_at is None and one.expected_until > one.asked_at for one in asked)
    if not reported:
        return Commitment(Standing.OPEN if asked[-1].open else Standing.SILENT, silent)
    if reported[-1].failure is None:
        return Commitment(Standing.COMMITTED, silent)
    return Commitment(Standing.FAILED, silent, reported[-1].failure)


def _tell(connection: Connection, rows: Sequence[Any], given: Report) -> None:
    failed = {row.output: given.failed[row.sop_instance_uid] for row in rows
              if row.sop_instance_uid in given.failed}  # fmt: skip
    committed = [row.output for row in rows if row.output not in failed]
    parts = [f"commits itself to {', '.join(committed)}"] if committed else []
    parts += [f"not to {output} (0x{reason:04X})" for output, reason in failed.items()]
    note(connection, rows[0].job_id, f"{rows[0].destination} reports: {', '.join(parts)}")


def _make_due(connection: Connection, job: int) -> None:
    """Who works at it just now looks for the report by itself, or :func:`make_due` for it."""
    connection.execute(
        update(jobs)
        .where(
            jobs.c.id == job,
            jobs.c.state.in_((State.DELIVERING, State.RETRACTING)),
            jobs.c.lease_owner.is_(None),
            jobs.c.due_at > now(),
        )
        .values(due_at=now())
    )
