"""Which earlier studies this node is asking an archive for right now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import delete, insert

from dicom_node.ledger.database import Database, now
from dicom_node.ledger.tables import retrievals


@contextmanager
def retrieving(
    database: Database, job: int, study_instance_uid: str, archive_ae_title: str, seconds: float
) -> Iterator[int]:
    """While open, objects of that study from that archive are priors, not studies to read.

    Gives a Message ID (PS3.7 E.1, 1 to 65535). After a crash the row counts for ``seconds``.
    """
    with database.writing() as connection:
        row = connection.execute(
            insert(retrievals)
            .values(
                job_id=job,
                study_instance_uid=study_instance_uid,
                archive_ae_title=archive_ae_title,
                expires_at=now() + seconds,
            )
            .returning(retrievals.c.id)
        ).scalar_one()
    try:
        yield row % 65535 + 1
    finally:
        with database.writing() as connection:
            connection.execute(delete(retrievals).where(retrievals.c.id == row))
