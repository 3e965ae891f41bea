"""What arrived of a study, and who sent it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pydicom.uid import UID
from sqlalchemy import Connection, delete, exists, select, update

from dicom_node.ledger.database import Database
from dicom_node.ledger.history import note
from dicom_node.ledger.tables import instances, jobs


@dataclass(frozen=True, slots=True)
class Received:
    """One object: when (seconds since 1970), what, from which AE title (empty: found in the spool).

    ``what`` is the name of its SOP class. ``revision`` is that of the study which it belongs to,
    None for an object that opens none.
    """

    at: float
    sop_instance_uid: str
    sop_class_uid: str
    what: str
    calling: str
    revision: int | None
    deleted: bool


def mark_deleted(connection: Connection, study_instance_uid: str) -> list[PurePosixPath]:
    """The files of a study's objects are about to be deleted: from now on they count as deleted,
    so that a scan of the spool takes none for new, whenever this program ends.

    Returns where they lie, below the spool.
    """
    mine = instances.c.study_instance_uid == study_instance_uid, instances.c.path != ""
    paths = list(connection.execute(select(instances.c.path).where(*mine)).scalars())
    connection.execute(update(instances).where(*mine).values(path=""))
    return [PurePosixPath(path) for path in paths]


def are_kept(database: Database) -> bool:
    """Whether files of any object are to lie in the spool."""
    with database.reading() as connection:
        return connection.execute(select(exists().where(instances.c.path != ""))).scalar_one()


def forget(
    database: Database,
    job: int,
    study_instance_uid: str,
    check: Callable[[], None],
    delete_files: Callable[[Sequence[str]], None],
) -> None:
    """Know nothing any more of the objects of a study, so that it can come again with other
    content. ``check`` raises if it may not be: nothing is entered from then on until they are
    marked. ``delete_files`` is given their SOP Instance UIDs: it deletes those that are there,
    of some perhaps what a program left that was killed at this.
    """
    mine = instances.c.study_instance_uid == study_instance_uid
    with database.writing() as connection:
        check()
        mark_deleted(connection, study_instance_uid)
        uids = list(connection.execute(select(instances.c.sop_instance_uid).where(mine)).scalars())
    delete_files(uids)
    with database.writing() as connection:
        gone = connection.execute(delete(instances).where(mine, instances.c.path == ""))
        note(connection, job, f"{gone.rowcount} received object(s) forgotten by hand")


def listing(database: Database, study_instance_uid: str) -> list[Received]:
    """All objects of a study in the order in which they came."""
    rows = (
        select(instances, jobs.c.revision)
        .outerjoin(jobs, jobs.c.id == instances.c.job_id)
        .where(instances.c.study_instance_uid == study_instance_uid)
        .order_by(instances.c.received_at, instances.c.sop_instance_uid)
    )
    with database.reading() as connection:
        return [
            Received(
                at=row.received_at,
                sop_instance_uid=row.sop_instance_uid,
                sop_class_uid=row.sop_class_uid,
                what=UID(row.sop_class_uid).name,
                calling=row.calling,
                revision=row.revision,
                deleted=not row.path,
            )
            for row in connection.execute(rows)
        ]
