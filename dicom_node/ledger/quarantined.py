"""What was received but cannot be used."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select, update

from dicom_node.ledger.database import Database, batches, now
from dicom_node.ledger.tables import quarantine


@dataclass(frozen=True, slots=True)
class SetAside:
    """One object in quarantine: when (seconds since 1970), where below the data folder, why.

    ``deleted_at``: when its file was deleted, None while it is there.
    """

    at: float
    path: str
    reason: str
    deleted_at: float | None = None


def listing(database: Database, *, limit: int) -> list[SetAside]:
    """The latest, newest first."""
    rows = select(quarantine).order_by(quarantine.c.id.desc()).limit(limit)
    with database.reading() as connection:
        return [
            SetAside(row.at, row.path, row.reason, row.deleted_at)
            for row in connection.execute(rows)
        ]


def kept(database: Database) -> dict[int, str]:
    """Where the files lie, below the data folder, that were not deleted, by their rows."""
    rows = select(quarantine.c.id, quarantine.c.path).where(quarantine.c.deleted_at.is_(None))
    with database.reading() as connection:
        return {row.id: row.path for row in connection.execute(rows)}


def deleted(database: Database, rows: Collection[int]) -> None:
    """The files of these rows are gone."""
    for some in batches(rows):
        with database.writing() as connection:
            connection.execute(
                update(quarantine).where(quarantine.c.id.in_(some)).values(deleted_at=now())
            )
