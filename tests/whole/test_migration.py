"""Bringing a ledger up to date while other programs use it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import peers
import pytest
from alembic import command
from alembic.config import Config
from builders import chest
from nodes import AE_TITLE, Node, Site
from sqlalchemy import create_engine

import dicom_node.ledger
from dicom_node.ledger import history, jobs
from dicom_node.ledger.database import Database

_FIRST = "0001"
_OLD_JOB = (
    "INSERT INTO jobs (study_instance_uid, revision, state, state_since, reason, rule, "
    "received_at, arrived_at, due_at, attempts, lost) "
    "VALUES (?, 1, 'done', 0, '', '', 0, 0, 0, 0, 0)"
)


def _first_ledger(path: Path) -> None:
    """A ledger as the first version made it, with a study in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    config = Config()
    folder = Path(dicom_node.ledger.__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, _FIRST)
        connection.exec_driver_sql(_OLD_JOB, ("1.2.3",))
        connection.exec_driver_sql("INSERT INTO events (job_id, at, what) VALUES (1, 0, 'done')")
    engine.dispose()


def _write_as_before(path: Path, stop: threading.Event, written: list[str]) -> None:
    """What an edge of the first version does: short transactions, one after the other."""
    with sqlite3.connect(path, isolation_level=None, timeout=30) as connection:
        while not stop.wait(0.01):
            uid = f"1.2.4.{len(written)}"
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_OLD_JOB, (uid,))
            connection.execute("COMMIT")
            written.append(uid)


def test_programs_of_the_version_before_go_on_beside_it(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    path = site.data / "ledger.sqlite3"
    _first_ledger(path)
    stop, written = threading.Event(), []  # type: threading.Event, list[str]
    writer = threading.Thread(target=_write_as_before, args=(path, stop, written))
    writer.start()
    peers.wait_until(lambda: len(written) > 5, "the program of the version before writes")
    programs = [
        subprocess.Popen(
            [sys.executable, "-m", "workers", "migrate", "--config", str(site.config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(3)
    ]
    told = [program.communicate(timeout=60)[0] for program in programs]
    before = len(written)
    peers.wait_until(lambda: len(written) > before + 5, "it still writes")
    stop.set()
    writer.join()
    assert [program.returncode for program in programs] == [0, 0, 0], told
    assert all("up to date" in one for one in told)
    database = Database(f"sqlite:///{path}")
    found = jobs.listing(database, limit=100_000)
    assert {job.study_instance_uid for job in found} == {"1.2.3", *written}
    assert [event.what for event in history.history(database, 1)] == ["done"]


@pytest.mark.parametrize("statement", ["UPDATE events SET what = 'x'", "DELETE FROM events"])
def test_the_history_cannot_be_changed(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "ledger.sqlite3"
    _first_ledger(path)
    database = Database(f"sqlite:///{path}")
    with sqlite3.connect(path) as connection, pytest.raises(sqlite3.IntegrityError, match="added"):
        connection.execute(statement)
    assert [event.what for event in history.history(database, 1)] == ["done"]


def test_several_edges_start_on_an_old_ledger_while_it_is_brought_up_to_date(
    tmp_path: Path,
) -> None:
    site = Site(tmp_path / "site")
    _first_ledger(site.data / "ledger.sqlite3")
    other = Site(tmp_path / "other")
    other.settings["node"] = {"ae_title": AE_TITLE, "port": other.port, "data": str(site.data)}
    other.configure()
    films = [chest(tmp_path / f"{number}.dcm") for number in range(2)]
    with Node(site, "edge"), Node(other, "edge"):
        migrated = site.command("migrate")
        for film, one in zip(films, (site, other), strict=True):
            peers.storescu([film], one.port, aec=AE_TITLE)
        peers.wait_until(lambda: len(site.jobs()) == 3, "both studies are in the ledger")
    assert migrated.returncode == 0, migrated.stderr
    assert {job["state"] for job in site.jobs()} <= {"done", "received", "queued"}
