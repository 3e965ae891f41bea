"""The states of a study, and whose turn it is.

::

    received → queued → fetching → reading → read → delivering → done → retracting → retracted
       ↑            ↘        ↘          ↘                 ↘                       ↘
       |            refused  failed     failed            failed                  failed
       └ fetching: the archive holds more images than have arrived

A state with an open lease is being worked on; without one it waits for a worker. A worker takes
work by leasing it and hands it on by compare-and-set, so that of two who hold the same job only
the one with the latest lease counts, also where both are threads of one process.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, null, select, true, union_all, update

from dicom_node.errors import Misconfigured
from dicom_node.ledger import turns
from dicom_node.ledger.database import Database, now
from dicom_node.ledger.history import note
from dicom_node.ledger.tables import jobs
from dicom_node.study import Priority

#: What is left out of lists: some thousand characters of each job.
_LONG = ("prior", "report")
#: Of more jobs that wait in a stage only so many are counted.
_MANY = 100
#: A number for each lease that this process takes; it comes again after so many.
_TAKEN = itertools.count()
_NUMBERS = 10_000


class State(StrEnum):
    """Where a study is on its way."""

    RECEIVED = "received"
    QUEUED = "queued"
    FETCHING = "fetching"
    READING = "reading"
    READ = "read"
    DELIVERING = "delivering"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    RETRACTING = "retracting"
    RETRACTED = "retracted"

    @property
    def is_final(self) -> bool:
        """Nothing more will happen to the study by itself."""
        return self in (State.DONE, State.REFUSED, State.FAILED, State.RETRACTED)


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the way that one kind of worker does: what it takes, and what it is then."""

    name: str
    takes: tuple[State, ...]
    working: State


FETCH = Stage("fetch", (State.QUEUED, State.FETCHING), State.FETCHING)
READ = Stage("read", (State.READING,), State.READING)
DELIVER = Stage("deliver", (State.READ, State.DELIVERING), State.DELIVERING)
RETRACT = Stage("retract", (State.RETRACTING,), State.RETRACTING)
STAGES = (FETCH, READ, DELIVER, RETRACT)


@dataclass(frozen=True, slots=True)
class Job:
    """One row of the ledger. Times are seconds since 1970."""

    id: int
    study_instance_uid: str
    revision: int
    priority: Priority
    state: State
    state_since: float
    reason: str
    rule: str
    received_at: float
    due_at: float
    attempts: int
    leased: bool
    lease_owner: str | None  # of the latest lease: its number and, after a space, whose it is
    expected: int | None  # images in the archive, once asked; 0: it did not count
    prior: str | None
    report: str | None
    prior_until: float | None = None
    retractions: int = 0  # how often results of it were withdrawn

    @property
    def waits_for_prior(self) -> bool:
        """Whether the study was read already, and only a prior that comes late is waited for."""
        return self.state is State.FETCHING and self.prior_until is not None


def lease(
    database: Database,
    stage: Stage,
    *,
    owner: str,
    seconds: float,
    attempts: int,
    patience: float | None = None,
) -> Job | None:
    """Take a job that is due in this stage, for so many seconds: of those of the highest priority
    the one that has waited longest.

    With ``patience`` a job that has waited for longer than so many seconds goes before all.
    A job of which ``attempts`` leases in this stage ran out without an end is stopped as failed:
    it may be what kills its workers.
    """
    with database.reading() as connection:
        if connection.execute(turns.in_turn(stage.takes)).first() is None:
            return None
    with database.writing() as connection:
        while row := turns.first(connection, stage.takes, patience):
            lost = row.lost + (row.lease_until is not None)
            if lost >= attempts:
                text = f"stopped after {attempts} attempts to {stage.name} that did not end"
                move(connection, row.id, State.FAILED, reason=text)
                continue
            begun = row.state == stage.working
            connection.execute(
                update(jobs)
                .where(jobs.c.id == row.id)
                .values(
                    state=stage.working,
                    state_since=row.state_since if begun else now(),
                    attempts=row.attempts + 1 if begun else 1,
                    lost=lost if begun else 0,
                    lease_owner=f"{next(_TAKEN) % _NUMBERS} {owner}",
                    lease_until=now() + seconds,
                )
            )
            return of_row(connection.execute(rows().where(jobs.c.id == row.id)).one())
    return None


def advance(
    database: Database,
    job: Job,
    state: State,
    *,
    reason: str = "",
    wait: float = 0.0,
    provided: ColumnElement[bool] | None = None,
    also: Callable[[Connection], object] | None = None,
    **columns: Any,
) -> bool:
    """Hand a leased job on to another state, due after ``wait`` seconds.

    ``also`` is done in the same transaction. Returns False, and changes nothing, when somebody
    else has the job by now, or when what is to be ``provided`` does not hold.
    """
    with database.writing() as connection:
        if not holds(connection, job, true() if provided is None else provided):
            return False
        move(connection, job.id, state, reason=reason, wait=wait, **columns)
        if also is not None:
            also(connection)
    return True


def move(
    connection: Connection,
    job: int,
    state: State,
    *,
    reason: str = "",
    wait: float = 0.0,
    **columns: Any,
) -> None:
    """Put a job into a state, due after ``wait`` seconds, whoever has it."""
    before = connection.execute(select(jobs.c.state).where(jobs.c.id == job)).scalar_one()
    moved: dict[str, Any] = (
        {"state_since": now(), "attempts": 0, "lost": 0} if state != before else {}
    )
    connection.execute(
        update(jobs)
        .where(jobs.c.id == job)
        .values(
            state=state,
            reason=reason,
            due_at=now() + wait,
            lease_owner=None,
            lease_until=None,
            **moved,
            **columns,
        )
    )
    note(connection, job, f"{state}: {reason}" if reason else str(state))


def holds(connection: Connection, job: Job, *more: ColumnElement[bool]) -> bool:
    """Whether this lease of a job is the latest: nobody else has it by now."""
    same = jobs.c.id == job.id, jobs.c.lease_owner == job.lease_owner, jobs.c.state == job.state
    return connection.execute(select(jobs.c.id).where(*same, *more)).first() is not None


def waiting(database: Database) -> dict[str, int]:
    """How many jobs are due in each stage, by the stage's name; stages with none are left out.

    More than a hundred are a hundred: counting a long night's backlog would cost more with each.
    """
    counts = {}
    with database.reading() as connection:
        for stage in STAGES:
            if count := connection.execute(turns.waiting(stage.takes, _MANY)).scalar_one():
                counts[stage.name] = count
    return counts


def get(database: Database, job: int) -> Job:
    """One job.

    Raises:
        Misconfigured: there is no such job.
    """
    with database.reading() as connection:
        return found(connection, job)


def found(connection: Connection, job: int) -> Job:
    """One job, within a transaction.

    Raises:
        Misconfigured: there is no such job.
    """
    row = connection.execute(rows().where(jobs.c.id == job)).first()
    if row is None:
        raise Misconfigured(f"there is no job {job}; `dicom-node jobs` lists them")
    return of_row(row)


def listing(
    database: Database,
    *,
    states: Collection[State] = (),
    limit: int = 50,
    before: int | None = None,
) -> list[Job]:
    """The latest jobs, newest first, without what was read and found; those ``before`` a job only.

    Of each state the latest by themselves: no index holds the order of several.
    """
    columns = (null().label(one.name) if one.name in _LONG else one for one in jobs.c)
    short: Select[Any] = select(*columns, _leased()).order_by(jobs.c.id.desc()).limit(limit)
    if before is not None:
        short = short.where(jobs.c.id < before)
    if states:
        each = (select(short.where(jobs.c.state == one).subquery()) for one in states)
        several = union_all(*each).subquery()
        short = select(several).order_by(several.c.id.desc()).limit(limit)
    with database.reading() as connection:
        return [of_row(row) for row in connection.execute(short)]


def rows() -> Select[Any]:
    """All jobs, for :func:`of_row`."""
    return select(jobs, _leased())


def _leased() -> ColumnElement[bool]:
    return (jobs.c.lease_until > now()).label("leased")


def of_row(row: Row[Any]) -> Job:
    """A row as it stands in the table."""
    return Job(
        id=row.id,
        study_instance_uid=row.study_instance_uid,
        revision=row.revision,
        priority=Priority(row.priority),
        state=State(row.state),
        state_since=row.state_since,
        reason=row.reason,
        rule=row.rule,
        received_at=row.received_at,
        due_at=row.due_at,
        attempts=row.attempts,
        leased=bool(row.leased),
        lease_owner=row.lease_owner,
        expected=row.expected,
        prior=row.prior,
        report=row.report,
        prior_until=row.prior_until,
        retractions=row.retractions,
    )
