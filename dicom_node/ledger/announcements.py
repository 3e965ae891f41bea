"""What modalities and archives say that a study will have: steps, and the objects of each study."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto

from sqlalchemy import Connection, delete, insert, select, update

from dicom_node.ledger.database import SECONDS_A_DAY, Database, now
from dicom_node.ledger.tables import announced, performed_steps

#: Longer than any study arrives; of a large archive's notices some hundred thousand rows.
_OBJECTS_DAYS = 1
#: A step may take long, and a finished one has to be known as finished.
_STEPS_DAYS = 7


class StepStatus(StrEnum):
    """Performed Procedure Step Status (0040,0252), PS3.3 C.4.14."""

    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"


class Outcome(Enum):
    """What became of a step's update."""

    UPDATED = auto()
    UNKNOWN = auto()
    ENDED = auto()  # it is no longer in progress, and nothing was changed


@dataclass(frozen=True, slots=True)
class Step:
    """What is told of a performed procedure step: SOP Instance UIDs of the images it made."""

    sop_instance_uid: str
    status: StepStatus | None  # None: it stays as it is
    images: frozenset[str] = field(default_factory=frozenset)


def begin(database: Database, step: Step, studies: Collection[str]) -> bool:
    """A step began, in these studies; False, and nothing changes, when it is known already."""
    with database.writing() as connection:
        if _step(connection, step.sop_instance_uid):
            return False
        for study in studies:
            connection.execute(
                insert(performed_steps).values(
                    sop_instance_uid=step.sop_instance_uid,
                    study_instance_uid=study,
                    status=step.status,
                    at=now(),
                )
            )
        _announce_of_step(connection, list(studies), step)
    return True


def update_step(database: Database, step: Step) -> Outcome:
    """More is told of a step, or its end; one that ended cannot be changed (PS3.4 F.7.2.2.3).

    What a discontinued step made is not announced.
    """
    with database.writing() as connection:
        known = _step(connection, step.sop_instance_uid)
        if not known:
            return Outcome.UNKNOWN
        if set(known.values()) != {StepStatus.IN_PROGRESS}:
            return Outcome.ENDED
        if step.status is not None:
            connection.execute(
                update(performed_steps)
                .where(performed_steps.c.sop_instance_uid == step.sop_instance_uid)
                .values(status=step.status, at=now())
            )
        if step.status is not StepStatus.DISCONTINUED:
            _announce_of_step(connection, list(known), step)
    return Outcome.UPDATED


def announce(database: Database, studies: Mapping[str, Collection[str]]) -> None:
    """These studies have these objects: SOP Instance UIDs by Study Instance UID."""
    with database.writing() as connection:
        for study, images in studies.items():
            _announce(connection, study, images)


def forget(database: Database) -> None:
    """Delete what was told so long ago that no study waits for it."""
    with database.writing() as connection:
        for table, days in ((announced, _OBJECTS_DAYS), (performed_steps, _STEPS_DAYS)):
            connection.execute(delete(table).where(table.c.at < now() - days * SECONDS_A_DAY))


def _step(connection: Connection, sop_instance_uid: str) -> dict[str, str]:
    """The status of a step by Study Instance UID."""
    rows = select(performed_steps.c.study_instance_uid, performed_steps.c.status).where(
        performed_steps.c.sop_instance_uid == sop_instance_uid
    )
    return {row.study_instance_uid: row.status for row in connection.execute(rows)}


def _announce_of_step(connection: Connection, studies: list[str], step: Step) -> None:
    """A step does not say which of its images are of which study: of one for several, none are
    announced.
    """
    if len(studies) == 1:
        _announce(connection, studies[0], step.images)


def _announce(connection: Connection, study: str, images: Collection[str]) -> None:
    known = set(
        connection.execute(
            select(announced.c.sop_instance_uid).where(announced.c.study_instance_uid == study)
        ).scalars()
    )
    if new := sorted(set(images) - known):
        connection.execute(
            insert(announced).values(at=now()),
            [{"study_instance_uid": study, "sop_instance_uid": one} for one in new],
        )
