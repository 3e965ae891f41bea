"""Which studies have ended, and which earlier ones are still needed: what retention asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import Connection, Select, delete, func, select

from dicom_node.ledger import received
from dicom_node.ledger.database import SECONDS_A_DAY, Database, batches, now
from dicom_node.ledger.deliveries import DeliveryState
from dicom_node.ledger.history import note
from dicom_node.ledger.jobs import State
from dicom_node.ledger.tables import deliveries, instances, jobs, retrievals
from dicom_node.report import prior_from_json

#: From when on its prior is named in a job, until its results are at their destinations.
_COMPARED = (State.READING, State.READ, State.DELIVERING)
_FINAL = [state for state in State if state.is_final]


@dataclass(frozen=True, slots=True)
class Ended:
    """A study of which nothing is under way, and how its latest revision ended.

    ``job`` and ``state`` are None where nothing came that may be read, so that there is no job.
    ``since`` (seconds since 1970): for so long nothing has happened to it. ``delivered``: each of
    its objects is at its destination, verified there where that is asked for, or is not wanted.
    """

    study_instance_uid: str
    job: int | None
    state: State | None
    since: float
    delivered: bool

    @property
    def is_done(self) -> bool:
        """Whether it was read, and its results sent or taken back."""
        return self.state in (State.DONE, State.RETRACTED)


@dataclass(frozen=True, slots=True)
class Needed:
    """Earlier studies that a job compares with or is fetching.

    What was just fetched is in no row until its film has been looked at: with it all that were
    asked for since then (seconds since 1970) are needed, None while nothing is being fetched.
    """

    studies: frozenset[str]
    asked_since: float | None


def clock(database: Database) -> float:
    """What time it is for the ledger, in seconds since 1970."""
    with database.reading() as connection:
        return float(connection.execute(select(now())).scalar_one())


def ended(database: Database, studies: Iterable[str]) -> list[Ended]:
    """Of these studies (Study Instance UIDs) those of which nothing is under way."""
    found = []
    for some in batches(studies):
        with database.reading() as connection:
            found += _ended(connection, some)
    return found


def mark_deleted(database: Database, study: Ended, why: str) -> list[PurePosixPath] | None:
    """The received files of a study are about to be deleted: say so in the ledger, for good.

    Returns where they lie, below the spool: those entered by now, not one that arrives meanwhile.
    None, and nothing changes, when the study is no longer as it was found.
    """
    with database.writing() as connection:
        if _ended(connection, [study.study_instance_uid]) != [study]:
            return None
        paths = received.mark_deleted(connection, study.study_instance_uid)
        if paths and study.job is not None:
            note(connection, study.job, f"received files deleted: {why}")
    return paths


def note_deletion(database: Database, study: Ended, job: int, what: str) -> bool:
    """Something that was made for a job of a study is about to be deleted. False, and nothing is
    told, when the study is no longer as it was found.
    """
    with database.writing() as connection:
        if _ended(connection, [study.study_instance_uid]) != [study]:
            return False
        note(connection, job, what)
    return True


def jobs_of(database: Database, study: str) -> list[int]:
    """All jobs of a study."""
    rows = select(jobs.c.id).where(jobs.c.study_instance_uid == study)
    with database.reading() as connection:
        return list(connection.execute(rows).scalars())


def there(database: Database, studies: Iterable[str]) -> Iterator[PurePosixPath]:
    """Files, below the spool, that were made of these studies and are at their destinations,
    verified there where that is asked for: nothing reads them any more.
    """
    for some in batches(studies):
        rows = (
            select(deliveries.c.path)
            .join(jobs)
            .where(jobs.c.study_instance_uid.in_(some), deliveries.c.state == DeliveryState.THERE)
            .order_by(deliveries.c.id)
        )
        with database.reading() as connection:
            found = list(connection.execute(rows).scalars())
        yield from map(PurePosixPath, found)


def studies_of(database: Database, numbers: Iterable[int]) -> dict[int, str]:
    """The Study Instance UID of each of these jobs; those that there are not are left out."""
    found: dict[int, str] = {}
    for some in batches(numbers):
        rows = select(jobs.c.id, jobs.c.study_instance_uid).where(jobs.c.id.in_(some))
        with database.reading() as connection:
            found |= {row.id: row.study_instance_uid for row in connection.execute(rows)}
    return found


def needed(database: Database) -> Needed:
    """The earlier studies that must stay."""
    named = select(jobs.c.prior).where(jobs.c.state.in_(_COMPARED), jobs.c.prior.is_not(None))
    fetched = select(retrievals.c.study_instance_uid).where(retrievals.c.expires_at > now())
    fetching = select(func.min(jobs.c.state_since)).where(
        jobs.c.state == State.FETCHING, jobs.c.lease_until > now()
    )
    with database.reading() as connection:
        priors = map(prior_from_json, connection.execute(named).scalars())
        studies = {one.film.study_instance_uid for one in priors if one.film is not None}
        studies.update(connection.execute(fetched).scalars())
        since = connection.execute(fetching).scalar_one()
    return Needed(frozenset(studies), since)


def forget_retrievals(database: Database) -> None:
    """Delete the rows of retrievals that nobody ended, their program having died."""
    with database.writing() as connection:
        long_ago = retrievals.c.expires_at < now() - SECONDS_A_DAY
        connection.execute(delete(retrievals).where(long_ago))


def _ended(connection: Connection, studies: Sequence[str]) -> list[Ended]:
    revisions = (
        select(jobs.c.id, jobs.c.study_instance_uid, jobs.c.state, jobs.c.state_since)
        .where(jobs.c.study_instance_uid.in_(studies))
        .order_by(jobs.c.revision)
    )
    every = connection.execute(revisions).all()
    under_way = {row.study_instance_uid for row in every if row.state not in _FINAL}
    latest = {row.study_instance_uid: row for row in every}
    unsent = set(connection.execute(_unsent(studies)).scalars())
    # An object that opens no job may still come to a study that has ended.
    added: dict[str, float] = {row[0]: row[1] for row in connection.execute(_added(studies))}
    found = []
    for uid in studies:
        row = latest.get(uid)
        if uid in under_way or (row is None and uid not in added):
            continue
        found.append(
            Ended(
                study_instance_uid=uid,
                job=None if row is None else row.id,
                state=None if row is None else State(row.state),
                since=max(0.0 if row is None else row.state_since, added.get(uid, 0.0)),
                delivered=uid not in unsent,
            )
        )
    return found


def _unsent(studies: Sequence[str]) -> Select[Any]:
    safe = (DeliveryState.THERE, DeliveryState.WITHDRAWN)
    return (
        select(jobs.c.study_instance_uid)
        .join(deliveries, deliveries.c.job_id == jobs.c.id)
        .where(
            jobs.c.study_instance_uid.in_(studies),
            deliveries.c.state.not_in(safe),
            deliveries.c.withdrawn_by.is_(None),  # what takes its place has a row of its own
        )
        .distinct()
    )


def _added(studies: Sequence[str]) -> Select[Any]:
    return (
        select(instances.c.study_instance_uid, func.max(instances.c.received_at))
        .where(instances.c.study_instance_uid.in_(studies), instances.c.job_id.is_(None))
        .group_by(instances.c.study_instance_uid)
    )
