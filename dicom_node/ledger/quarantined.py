"""What was received but cannot be used."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from dicom_node.ledger.database import Database
from dicom_node.ledger.tables import quarantine


@dataclass(frozen=True, slots=True)
class SetAside:
    """One object in quarantine: when (seconds since 1970), where below the data folder, why."""

    at: float
    path: str
    reason: str


def listing(database: Database, *, limit: int) -> list[SetAside]:
    """The latest, newest first."""
    rows = select(quarantine).order_by(quarantine.c.id.desc()).limit(limit)
    with database.reading() as connection:
        return [SetAside(row.at, row.path, row.reason) for row in connection.execute(rows)]
