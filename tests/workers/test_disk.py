"""``dicom-node disk``: what takes how much, and what may go."""

from __future__ import annotations

import json
import os
from pathlib import Path, PurePosixPath

import pytest
from nodes import Site
from sqlalchemy import update

from dicom_node import queue
from dicom_node.ledger import arrivals, tables
from dicom_node.ledger.arrivals import Arrival
from dicom_node.ledger.database import Database, now
from dicom_node.ledger.jobs import State
from dicom_node.spool import Spool

DAY = 86_400


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """With a study in each state that ended two days ago, of as many kilobytes as its number."""
    made = Site(tmp_path / "site")
    spool = Spool(made.data)
    database = Database(f"sqlite:///{made.data}/ledger.sqlite3")
    for number, state in enumerate(State, start=1):
        film = spool.study(f"1.{number}") / "1.2.dcm"
        film.parent.mkdir()
        film.write_bytes(bytes(1000 * number))
        path = PurePosixPath(spool.below(film))
        arrivals.record(database, [Arrival(f"1.{number}", "1.2", "1.3", path, "0" * 64, True)])
        with database.writing() as connection:
            connection.execute(
                update(tables.jobs)
                .where(tables.jobs.c.study_instance_uid == f"1.{number}")
                .values(state=state, state_since=now() - 2 * DAY)
            )
    spool.prior("1.99").mkdir()
    (spool.prior("1.99") / "1.2.dcm").write_bytes(bytes(5000))
    for path, size in (("a.dcm", 0), ("film.dcm", 70), ("picture.png", 30)):
        place = spool.results(1) / ("pacs" if size == 0 else "") / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(bytes(size or 200))
    spool.header(2).parent.mkdir()
    spool.header(2).write_bytes(bytes(50))
    (spool.incoming / "of-an-edge").mkdir()
    (spool.quarantine / "a.dcm").write_bytes(bytes(300))
    arrivals.quarantined(database, PurePosixPath("quarantine/a.dcm"), "not readable")
    with database.writing() as connection:
        connection.execute(update(tables.quarantine).values(deleted_at=now()))
    database.close()
    return made


def test_disk_tells_what_takes_how_much_and_what_may_go(site: Site) -> None:
    told = json.loads(site.command("disk", "--json").stdout)

    assert told["disk_reserve_bytes"] == 1024**2
    assert told["disk_low_bytes"] == 2 * 1024**2
    assert told["free_bytes"] > 0
    uses = {one["what"]: (one["count"], one["bytes"], one["early_bytes"]) for one in told["uses"]}
    assert uses == {
        "studies under way": (7, 1000 * (1 + 2 + 3 + 4 + 5 + 6 + 10), 0),
        "studies done": (2, 1000 * (7 + 11), 1000 * (7 + 11)),
        "studies refused, or without an image": (1, 8000, 0),
        "studies failed": (1, 9000, 0),
        "earlier studies": (1, 5000, 5000),
        "results": (1, 230, 0),
        "headers of films": (2, 120, 0),
        "quarantine": (1, 300, 0),
        "being received": (0, 0, 0),
    }


def test_people_get_a_table_and_check_the_same_line(site: Site) -> None:
    told = site.command("disk").stdout
    line, *table = told.splitlines()
    assert "below 2.0 MiB room is made (22.5 KiB may go now), below 1.0 MiB nothing" in line
    assert any("studies done" in row and "7 days" in row for row in table)
    assert any("results" in row and "as its study" in row for row in table)
    assert any("headers of films" in row and "365 days" in row for row in table)
    assert any("studies under way" in row and "until it has ended" in row for row in table)

    assert "room is made (22.5 KiB may go now)" in site.command("check").stdout


def test_jobs_says_what_was_deleted_of_the_quarantine(site: Site) -> None:
    (line,) = (row for row in site.command("jobs").stdout.splitlines() if "quarantined" in row)
    assert "quarantine/a.dcm (deleted 20" in line
    assert line.endswith(": not readable")


def test_messages_that_nobody_takes_do_not_fill_the_disk(tmp_path: Path) -> None:
    broker = queue.application("", tmp_path, longest_task_seconds=600)
    for _ in range(2):
        queue.ring(broker, "read")
    old, new = sorted((tmp_path / "broker").glob("*.msg"))
    os.utime(old, (0, 0))

    queue.forget(tmp_path)

    assert [old.exists(), new.exists()] == [False, True]
