"""When a study is complete, and whether it waits for what the archive counts.

The decision itself is one condition of SQL, so that it falls in the transaction that acts on it
(:func:`complete`) and two edges cannot decide differently.
"""

from __future__ import annotations

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Table,
    exists,
    func,
    literal_column,
    or_,
    select,
    update,
)

from dicom_node.ledger.announcements import StepStatus
from dicom_node.ledger.database import Database, now
from dicom_node.ledger.history import note
from dicom_node.ledger.jobs import Job, State, advance, holds
from dicom_node.ledger.tables import (
    announced,
    association_studies,
    associations,
    instances,
    jobs,
    performed_steps,
)

#: So many studies are completed in one transaction; others that write wait for no more.
_AT_ONCE = 500


def complete(
    database: Database,
    quiet: float,
    ceiling: float,
    *,
    announced_after: float | None = None,
    count: float = 0.0,
) -> list[int]:
    """Queue each study that is complete (see :func:`_finished`). Returns their jobs.

    ``announced_after``: so long, instead of ``quiet``, nothing may have come where all is here
    that was announced or counted. ``count``: so long what the archive counts is waited for. All in
    seconds.
    """
    condition = _finished(
        quiet=quiet,
        ceiling=ceiling,
        announced_after=quiet if announced_after is None else announced_after,
        count=count,
    )
    ready = select(jobs.c.id, jobs.c.expected).where(condition)
    with database.reading() as connection:  # mostly there is nothing, and then nobody is held up
        if connection.execute(ready.limit(1)).first() is None:
            return []
    with database.writing() as connection:
        found = connection.execute(ready.limit(_AT_ONCE)).all()
        connection.execute(
            update(jobs)
            .where(jobs.c.id.in_([row.id for row in found]))
            .values(state=State.QUEUED, state_since=now(), due_at=now(), reason="")
        )
        for row in found:
            images = connection.execute(
                select(func.count()).select_from(instances).where(instances.c.job_id == row.id)
            ).scalar_one()
            held = f"; the archive holds {row.expected}" if row.expected else ""
            note(connection, row.id, f"complete with {images} image(s){held}")
    return [row.id for row in found]


def _finished(
    *, quiet: float, ceiling: float, announced_after: float, count: float
) -> ColumnElement[bool]:
    """Whether a job that is arriving is complete; all times in seconds.

    It is, when nothing came for ``quiet`` seconds and no open association has brought some of it;
    if the archive counts more, only ``count`` seconds after it was asked, or once all is here and
    nothing came for ``announced_after`` seconds. It is, whatever is open, when all that was
    announced is here and nothing came for ``announced_after`` seconds. And it is, whatever comes,
    ``ceiling`` seconds after its first image.
    """
    counted = or_(jobs.c.expected.is_(None), jobs.c.expected <= _images_of_study())
    silent, nearly_silent = (
        jobs.c.arrived_at <= now() - seconds for seconds in (quiet, announced_after)
    )
    waited = jobs.c.state_since <= now() - count
    alone = or_(
        silent & or_(waited, counted), nearly_silent & jobs.c.expected.is_not(None) & counted
    )
    # What costs least, and decides for most, stands first: a database asks in this order.
    return (jobs.c.state == State.RECEIVED) & or_(
        jobs.c.received_at <= now() - ceiling,
        or_(silent, nearly_silent)
        & or_(~_arriving() & alone, nearly_silent & _all_announced_is_here() & counted),
    )


def _is_open() -> ColumnElement[bool]:
    """Whether an association is open and its edge alive."""
    return associations.c.closed_at.is_(None) & (associations.c.lease_until > now())


def images(database: Database, study_instance_uid: str) -> int:
    """How many images of a study have arrived, in all revisions."""
    mine = instances.c.study_instance_uid == study_instance_uid, instances.c.job_id.is_not(None)
    with database.reading() as connection:
        return connection.execute(
            select(func.count()).select_from(instances).where(*mine)
        ).scalar_one()


def wait_for_more(database: Database, job: Job, held: int, arrived: int) -> bool:
    """Let a leased job arrive again, because the archive holds more images than have arrived.

    Returns False, and changes nothing, when a later revision gathers them already.
    """
    later = jobs.alias("later")
    followed = exists().where(
        later.c.study_instance_uid == job.study_instance_uid, later.c.revision > job.revision
    )
    return advance(
        database,
        job,
        State.RECEIVED,
        reason=f"the archive holds {held} images, {arrived} have arrived",
        provided=~followed,
        expected=held,
    )


def asked(database: Database, job: Job, held: int, told: str) -> None:
    """The archive was asked, and nothing has to be waited for; it is not asked again.

    Nothing changes when somebody else has the job by now.
    """
    with database.writing() as connection:
        if holds(connection, job):
            connection.execute(update(jobs).where(jobs.c.id == job.id).values(expected=held))
            note(connection, job.id, told)


def _arriving() -> ColumnElement[bool]:
    return _there_is(
        association_studies.c.study_instance_uid == jobs.c.study_instance_uid,
        association_studies.c.association_id == associations.c.id,
        _is_open(),
        within=jobs,
    )


def _images_of_study() -> ScalarSelect[int]:
    return (
        select(func.count())
        .select_from(instances)
        .where(
            instances.c.study_instance_uid == jobs.c.study_instance_uid,
            instances.c.job_id.is_not(None),
        )
        .correlate(jobs)
        .scalar_subquery()
    )


def _all_announced_is_here() -> ColumnElement[bool]:
    """Whether every image of the job was announced, nothing that was announced is missing, and
    no step goes on.

    An image that nobody announced is a sign of another step, of which nothing is known: then the
    announcements say nothing of the whole study.
    """
    of_study = announced.c.study_instance_uid == jobs.c.study_instance_uid
    same_object = (
        announced.c.study_instance_uid == instances.c.study_instance_uid,
        announced.c.sop_instance_uid == instances.c.sop_instance_uid,
    )
    unannounced = _there_is(
        instances.c.job_id == jobs.c.id, ~_there_is(*same_object, within=instances), within=jobs
    )
    missing = _there_is(of_study, ~_there_is(*same_object, within=announced), within=jobs)
    going_on = _there_is(
        performed_steps.c.study_instance_uid == jobs.c.study_instance_uid,
        performed_steps.c.status == StepStatus.IN_PROGRESS,
        within=jobs,
    )
    return _there_is(of_study, within=jobs) & ~going_on & ~missing & ~unannounced


def _there_is(*conditions: ColumnElement[bool], within: Table) -> ColumnElement[bool]:
    """Whether there is a row, looked for by an index for each row of the table ``within``.

    The offset keeps PostgreSQL from reading whole tables for it, at once for all jobs: it takes
    those that arrive for more than they are.
    """
    one: ColumnElement[int] = literal_column("1")
    return select(one).where(*conditions).correlate(within).offset(0).exists()
