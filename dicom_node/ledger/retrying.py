"""Putting a study that has ended back on its way, by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, select, update

from dicom_node.errors import Misconfigured
from dicom_node.ledger import jobs, revisions
from dicom_node.ledger.database import Database
from dicom_node.ledger.deliveries import RETRACTION, DeliveryState
from dicom_node.ledger.jobs import Job, State
from dicom_node.ledger.tables import deliveries
from dicom_node.report import from_json


def retry(database: Database, job: int, *, again: bool = False) -> State:
    """Put a job that failed, was refused or was retracted back on its way: to delivery if it was
    read. A retraction that failed goes on, whatever was read since.

    Of a film that could not be read, or was not suitable, nothing was read: it is read again, as
    ``again`` wants it for any job that has ended. What was told of it counts as withdrawn then, so
    that the new objects get UIDs of their own. Its report stays until there is another one, for
    what was sent of it stands, and may have to be withdrawn. Returns the state it is in now.

    Raises:
        Misconfigured: there is no such job, it has not ended so, or a later revision was read.
    """
    with database.writing() as connection:
        row = jobs.found(connection, job)
        _check(connection, row, again=again)
        state, columns = _back(connection, row, again=again)
        jobs.move(connection, job, state, reason="retried by hand", **columns)
        connection.execute(
            update(deliveries)
            .where(deliveries.c.job_id == job, deliveries.c.state == DeliveryState.REFUSED)
            .values(state=DeliveryState.PENDING)
        )
        return state


def is_withdrawn(database: Database, job: Job) -> bool:
    """Whether results of a job were withdrawn by hand, though the notes may not be there yet: also
    by a retraction that failed, with which :func:`retry` goes on.
    """
    if job.state in (State.RETRACTING, State.RETRACTED):
        return True
    with database.reading() as connection:
        return _goes_on_retracting(connection, job)


def _check(connection: Connection, job: Job, *, again: bool) -> None:
    if _goes_on_retracting(connection, job):
        return  # also under a later revision, which relies on it: what it names stands until then
    for later in revisions.of_study(connection, job.study_instance_uid):
        if later.revision > job.revision and later.report is not None:
            raise Misconfigured(
                f"job {job.id} is revision {job.revision}, and revision {later.revision} was read: "
                f"it would take its place; retry job {later.id}"
            )
    ended = (State.FAILED, State.REFUSED, State.RETRACTED)
    if job.state in ended or (again and job.state is State.DONE):
        return
    hint = "; --again reads it again" if job.state is State.DONE else ""
    raise Misconfigured(
        f"job {job.id} is {job.state}: only failed, refused or retracted jobs are retried{hint}"
    )


def _back(connection: Connection, job: Job, *, again: bool) -> tuple[State, dict[str, Any]]:
    if _goes_on_retracting(connection, job):
        return State.RETRACTING, {}
    if job.report is None:
        return State.QUEUED, {}
    if again or from_json(job.report).not_read is not None:
        return State.QUEUED, {"prior": None, "retractions": job.retractions + 1}
    if job.state is not State.RETRACTED and not _results(_latest(connection, job)):
        # The report is of a reading before, and this one did not end; or none could be made of it.
        return State.QUEUED, {}
    return State.READ, {}


def _goes_on_retracting(connection: Connection, job: Job) -> bool:
    """Whether a retraction was the last thing that was begun, and failed. Its notes are sent no
    more once a later revision has taken the place of what they name.
    """
    rows = _latest(connection, job)
    over = (DeliveryState.THERE, DeliveryState.WITHDRAWN)
    unsent = any(row.state not in over for row in rows)
    return job.state is State.FAILED and unsent and not _results(rows)


def _results(rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    return [row for row in rows if row.output != RETRACTION]


def _latest(connection: Connection, job: Job) -> Sequence[Row[Any]]:
    """What was made since results of the job were last withdrawn, with the notes that did it."""
    latest: Select[Any] = select(deliveries.c.output, deliveries.c.state).where(
        deliveries.c.job_id == job.id, deliveries.c.retractions == job.retractions
    )
    return connection.execute(latest).all()
