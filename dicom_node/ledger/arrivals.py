"""What the door tells the ledger: objects, associations, and when a study is complete."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from sqlalchemy import Connection, delete, exists, insert, or_, select, update

from dicom_node.ledger import assessments
from dicom_node.ledger.assessments import Assessment
from dicom_node.ledger.database import Database, now
from dicom_node.ledger.history import note
from dicom_node.ledger.jobs import State
from dicom_node.ledger.reopening import make_ordinary
from dicom_node.ledger.tables import (
    association_studies,
    associations,
    instances,
    jobs,
    quarantine,
    retrievals,
)
from dicom_node.study import Priority

#: An association is forgotten only when its edge has been silent for so long.
_DEAD_FOR_SECONDS = 3600
#: So many rows are changed in one transaction; others that write wait for no more.
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Arrival:
    """One object that lies in the spool. ``opens_job`` is true for images that may be read."""

    study_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    path: PurePosixPath  # below the spool
    sha256: str  # of the data set and its transfer syntax
    opens_job: bool
    association: str = ""  # empty: found by the scan at start
    priority: Priority = Priority.ROUTINE
    calling: str = ""  # AE title that sent it
    assessment: Assessment | None = None


def record(
    database: Database, arrivals: Sequence[Arrival], *, edge: str = "", lease: float = 0.0
) -> None:
    """Enter objects, in one transaction; an object already entered changes nothing.

    An association of this edge that was forgotten meanwhile, the edge having seemed dead, is open
    again for ``lease`` seconds.
    """
    ties = dict.fromkeys((one.association, one.study_instance_uid) for one in arrivals)
    named = {(one.study_instance_uid, one.sop_instance_uid): one for one in reversed(arrivals)}
    with database.writing() as connection:
        for association in dict.fromkeys(association for association, _ in ties if association):
            _open(connection, association, edge, lease)
        for association, study in ties:
            if association:
                _tie(connection, association, study)
        for known in _entered(connection, list(named)):
            del named[known]
        _enter(connection, list(reversed(named.values())))


def open_association(database: Database, association: str, edge: str, lease: float) -> None:
    """An association began at this edge; told twice, it changes nothing."""
    with database.writing() as connection:
        _open(connection, association, edge, lease)


def close_association(database: Database, association: str) -> None:
    """An association ended, however."""
    with database.writing() as connection:
        connection.execute(
            update(associations).where(associations.c.id == association).values(closed_at=now())
        )


def renew_associations(database: Database, edge: str, lease: float) -> None:
    """This edge lives: its open associations still hold back their studies."""
    with database.writing() as connection:
        connection.execute(
            update(associations)
            .where(associations.c.edge == edge, associations.c.closed_at.is_(None))
            .values(lease_until=now() + lease)
        )


def forget_associations(database: Database) -> None:
    """Delete the rows of associations that ended, by closing or by the death of their edge.

    An edge may only seem to be dead, its lease run out because its machine stood still: what it
    says next renews its associations.
    """
    with database.writing() as connection:
        ended = or_(
            associations.c.closed_at.is_not(None),
            associations.c.lease_until < now() - _DEAD_FOR_SECONDS,
        )
        over = list(
            connection.execute(select(associations.c.id).where(ended).limit(_AT_ONCE)).scalars()
        )
        connection.execute(
            delete(association_studies).where(association_studies.c.association_id.in_(over))
        )
        connection.execute(delete(associations).where(associations.c.id.in_(over)))


def quarantined(database: Database, path: PurePosixPath, reason: str) -> None:
    """An object was set aside; ``path`` is below the spool. Told twice, it changes nothing; told
    again after the file was deleted, it is another row.
    """
    row = {"path": str(path), "reason": reason, "deleted_at": None}
    with database.writing() as connection:
        if connection.execute(select(quarantine.c.id).filter_by(**row)).first() is None:
            connection.execute(insert(quarantine).values(at=now(), **row))


def recorded(database: Database, paths: Collection[PurePosixPath]) -> set[PurePosixPath]:
    """Which of these files the ledger knows, as received or set aside; some hundred at a time.

    ``paths`` are below the spool; a received file lies in a folder named by its study.
    """
    told = [str(path) for path in paths]
    received = select(instances.c.path).where(
        instances.c.study_instance_uid.in_({path.parent.name for path in paths}),
        instances.c.path.in_(told),
    )
    aside = select(quarantine.c.path).where(
        quarantine.c.path.in_(told), quarantine.c.deleted_at.is_(None)
    )
    with database.reading() as connection:
        return {
            PurePosixPath(path)
            for known in (received, aside)
            for path in connection.execute(known).scalars()
        }


@dataclass(frozen=True, slots=True)
class Entered:
    """What the ledger knows of an object; ``deleted`` when retention has deleted its file."""

    sha256: str
    deleted: bool


def entered(database: Database, study_instance_uid: str, sop_instance_uid: str) -> Entered | None:
    """An object that was entered before."""
    key = study_instance_uid, sop_instance_uid
    return entered_of(database, [key]).get(key)


def entered_of(
    database: Database, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Entered]:
    """Those of some objects (Study and SOP Instance UID) that were entered before."""
    with database.reading() as connection:
        return _entered(connection, keys)


def asked_for(database: Database, study_instance_uid: str, archive_ae_title: str) -> bool:
    """Whether this node is now retrieving this study from the archive of this AE title."""
    with database.reading() as connection:
        return connection.execute(
            select(
                exists().where(
                    retrievals.c.study_instance_uid == study_instance_uid,
                    retrievals.c.archive_ae_title == archive_ae_title,
                    retrievals.c.expires_at > now(),
                )
            )
        ).scalar_one()


def _open(connection: Connection, association: str, edge: str, lease: float) -> None:
    known = select(associations.c.id).where(associations.c.id == association)
    if connection.execute(known).first() is None:
        connection.execute(
            insert(associations).values(id=association, edge=edge, lease_until=now() + lease)
        )


def _tie(connection: Connection, association: str, study_instance_uid: str) -> None:
    row = {"association_id": association, "study_instance_uid": study_instance_uid}
    there = select(association_studies).filter_by(**row)
    if connection.execute(there).first() is None:
        connection.execute(insert(association_studies).values(**row))


def _entered(
    connection: Connection, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Entered]:
    found = {}
    asked = set(keys)
    for some in (keys[at : at + _AT_ONCE] for at in range(0, len(keys), _AT_ONCE)):
        rows = connection.execute(
            select(
                instances.c.study_instance_uid,
                instances.c.sop_instance_uid,
                instances.c.sha256,
                instances.c.path,
            ).where(
                instances.c.study_instance_uid.in_({study for study, _ in some}),
                instances.c.sop_instance_uid.in_([uid for _, uid in some]),
            )
        )
        for study, uid, sha256, path in rows:
            if (study, uid) in asked:
                found[study, uid] = Entered(sha256, deleted=not path)
    return found


def _enter(connection: Connection, arrivals: Sequence[Arrival]) -> None:
    """Enter objects that are not known."""
    if not arrivals:
        return
    jobs_of: dict[str, tuple[int, Priority]] = {}
    rows = []
    for one in arrivals:
        job = jobs_of.get(one.study_instance_uid)
        if one.opens_job and (job is None or job[1] < one.priority):
            job = _arriving_job(connection, one), one.priority
            jobs_of[one.study_instance_uid] = job
        rows.append(
            {
                "study_instance_uid": one.study_instance_uid,
                "sop_instance_uid": one.sop_instance_uid,
                "sop_class_uid": one.sop_class_uid,
                "job_id": job[0] if job is not None and one.opens_job else None,
                "path": str(one.path),
                "sha256": one.sha256,
                "calling": one.calling,
            }
        )
    connection.execute(insert(instances).values(received_at=now()), rows)
    for one in arrivals:
        if one.assessment is not None:
            assessments.enter(connection, one.assessment, one.calling)


def _arriving_job(connection: Connection, arrival: Arrival) -> int:
    """The job of the study that is still arriving; a new revision where there is none.

    It has the highest priority that any of its images, or an earlier revision, states.
    """
    latest = connection.execute(
        select(jobs.c.id, jobs.c.revision, jobs.c.state, jobs.c.priority)
        .where(jobs.c.study_instance_uid == arrival.study_instance_uid)
        .order_by(jobs.c.revision.desc())
        .limit(1)
    ).first()
    priority = max(arrival.priority, arrival.priority if latest is None else latest.priority)
    if latest is not None and latest.state == State.RECEIVED:
        connection.execute(
            update(jobs).where(jobs.c.id == latest.id).values(arrived_at=now(), priority=priority)
        )
        return int(latest.id)
    if latest is not None and make_ordinary(connection, latest.id, priority):
        return int(latest.id)
    revision = 1 if latest is None else latest.revision + 1
    job = connection.execute(
        insert(jobs)
        .values(
            study_instance_uid=arrival.study_instance_uid,
            revision=revision,
            state=State.RECEIVED,
            state_since=now(),
            received_at=now(),
            arrived_at=now(),
            due_at=now(),
            priority=priority,
        )
        .returning(jobs.c.id)
    ).scalar_one()
    sender = f" from {arrival.calling}" if arrival.calling else ""
    note(connection, job, f"{'first' if revision == 1 else 'further'} image received{sender}")
    return int(job)
