"""Which studies have ended, and whether all of theirs is where it has to be."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from builders import chest
from ledger_rows import read_job
from report_builders import film_of, report_on
from sqlalchemy import update

from dicom_node.ledger import deliveries, kept, tables
from dicom_node.ledger.database import Database
from dicom_node.ledger.deliveries import RETRACTION, DeliveryState, Made


@pytest.mark.parametrize("state", [DeliveryState.SENDING, DeliveryState.SENT])
def test_what_was_withdrawn_before_it_was_proven_is_not_waited_for(
    tmp_path: Path, state: DeliveryState
) -> None:
    """It never will be proven, for nobody asks about it any more: its study goes early, when the
    disk is short, as soon as the note is there.
    """
    database = Database(f"sqlite:///{tmp_path}/ledger.sqlite3")
    film = film_of(chest(tmp_path / "film.dcm"))
    job = read_job(database, report_on(film))

    def delivered() -> bool:
        (study,) = kept.ended(database, [film.study_instance_uid])
        return study.delivered

    def becomes(output: str, state: DeliveryState) -> None:
        chosen = update(tables.deliveries).where(tables.deliveries.c.output == output)
        with database.writing() as connection:
            connection.execute(chosen.values(state=state))

    becomes("sr", state)
    assert not delivered()
    (row,) = deliveries.of_job(database, job)
    note = Made("pacs", RETRACTION, "1.2.99", "1.3", PurePosixPath("note"), withdraws=(row.id,))
    with database.writing() as connection:
        deliveries.enter(connection, job, [note])
    assert not delivered(), "its note is not there"
    becomes(RETRACTION, DeliveryState.THERE)
    assert delivered()
