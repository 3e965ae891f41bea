"""``make bench-ledger``: what the ledger is asked all the time, of a ledger of 1,000,000 jobs.

On SQLite and PostgreSQL: the first call after the database was opened, then the median and the
worst of 50; how many rows of each plan are read without an index. A statement that writes is taken
back.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import full_ledger
from nodes import Site
from peers import PostgreSQL
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, event, make_url, select

from dicom_node.ledger import (
    announcements,
    arrivals,
    commitments,
    completion,
    history,
    jobs,
    kept,
    revisions,
    tables,
)
from dicom_node.ledger.arrivals import Arrival
from dicom_node.ledger.database import Database
from dicom_node.ledger.jobs import STAGES, State
from dicom_node.receive.recorder import Recorder
from dicom_node.receive.scan import scan
from dicom_node.spool import Spool
from workers.plain import tell

#: What the issue asks of each.
LIMIT_MILLISECONDS = 50.0
_TIMES = 50
_FILES = 100_000
_LONGEST_SECONDS = 10.0
_CONSOLE = Console(soft_wrap=True)
_SCANS = ("SCAN ", "Seq Scan")


class TakenBack(Database):
    """A ledger in which nothing stays that is written, so that each call finds it as it was."""

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        with super().writing() as connection:
            nested = connection.begin_nested()
            yield connection
            nested.rollback()


@dataclass(frozen=True, slots=True)
class Measured:
    """How long a call took: the first, the median and the worst, in milliseconds."""

    name: str
    first: float
    median: float
    worst: float
    scanned: tuple[str, ...]  # tables that were read from end to end


def calls(sizes: full_ledger.Sizes) -> dict[str, Callable[[Database], object]]:
    """What is measured, by its name."""
    study = full_ledger.study_uid(sizes.settled - 1)

    studies = [full_ledger.study_uid(sizes.settled - number) for number in range(500)]
    files = [PurePosixPath(f"studies/{one}/{one}.dcm") for one in studies]

    def lease(stage: jobs.Stage, patience: float | None) -> Callable[[Database], object]:
        return lambda database: jobs.lease(
            database, stage, owner="bench", seconds=60, attempts=3, patience=patience
        )

    def job(database: Database) -> jobs.Job:
        return jobs.get(database, sizes.settled)

    found: dict[str, Callable[[Database], object]] = {
        "jobs": jobs.listing,
        **{
            f"jobs --state {state}": lambda database, state=state: jobs.listing(
                database, states=[state]
            )
            for state in (State.FAILED, State.RETRACTING, State.DONE, State.READING)
        },
        "jobs, five states": lambda database: jobs.listing(
            database, states=[one for one in State if not one.is_final]
        ),
        "completion.complete": lambda database: completion.complete(
            database, 30, 1e9, announced_after=2, count=300
        ),
        "jobs.waiting": jobs.waiting,
    }
    for stage in STAGES:
        found[f"lease {stage.name}"] = lease(stage, None)
        found[f"lease {stage.name}, overdue first"] = lease(stage, 1800)
    return found | {
        "kept.ended of 500 studies": lambda database: kept.ended(database, studies),
        "scan: 500 files": lambda database: arrivals.recorded(database, files),
        "announcements.forget": announcements.forget,
        "commitments.forget": commitments.forget,
        "forget_associations": arrivals.forget_associations,
        "renew_associations": lambda database: arrivals.renew_associations(database, "edge", 30),
        "record: a new study": lambda database: arrivals.record(database, [_new(uuid.uuid4().int)]),
        "record: an image of a study": lambda database: arrivals.record(
            database, [_new(7, study=study)]
        ),
        "quarantined": lambda database: arrivals.quarantined(
            database, PurePosixPath("quarantine/new.dcm"), "no UID"
        ),
        "is_behind, read_before": lambda database: (
            revisions.is_behind(database, job(database)),
            revisions.read_before(database, job(database)),
        ),
        "history of a job": lambda database: history.history(database, sizes.settled),
    }


def _new(number: int, study: str | None = None) -> Arrival:
    uid = f"2.25.{number}"
    of = study or uid
    return Arrival(
        of, f"{uid}.1", "1.2.840.10008.5.1.4.1.1.1.1", PurePosixPath(f"studies/{of}/{uid}.dcm"),
        "ab" * 32, opens_job=True, association=uuid.uuid4().hex,
    )  # fmt: skip


def measure(url: str, sizes: full_ledger.Sizes) -> list[Measured]:
    """All calls on a ledger, each on a database that was opened anew."""
    found = []
    for name, call in calls(sizes).items():
        database = TakenBack(url)
        seconds = list(_repeated(call, database))
        first, rest = seconds[0], seconds[1:]
        found.append(
            Measured(name, first, statistics.median(rest), max(rest), scanned(database, call))
        )
        database.close()
    return found


def _repeated(call: Callable[[Database], object], database: Database) -> Iterator[float]:
    """How long each call took, in milliseconds; of slow ones there are fewer."""
    ends = time.monotonic() + _LONGEST_SECONDS
    for number in range(_TIMES + 1):
        yield _seconds(call, database)
        if number and time.monotonic() > ends:
            return


def _seconds(call: Callable[[Database], object], database: Database) -> float:
    begun = time.perf_counter()
    call(database)
    return 1000 * (time.perf_counter() - begun)


def scanned(database: Database, call: Callable[[Database], object]) -> tuple[str, ...]:
    """Which tables the plans of a call read from end to end."""
    said: list[tuple[str, Any]] = []
    engine = database._engine

    def remember(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")) and parameters:
            said.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", remember)
    call(database)
    event.remove(engine, "before_cursor_execute", remember)
    how = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
    with engine.connect() as connection:
        plans = [
            str(row[-1])
            for statement, parameters in said
            for row in connection.exec_driver_sql(how + statement, parameters)
        ]
    scans = {
        line.split(scan)[1].removeprefix(" on ").split()[0]
        for line in plans
        for scan in _SCANS
        if scan in line and "INDEX" not in line and "CONSTANT" not in line
    }
    return tuple(sorted(scans & tables.metadata.tables.keys()))


def table(database: str, rows: list[Measured]) -> Table:
    """As it stands in docs/scaling.md."""
    told = Table("call", title=f"{database}, milliseconds", box=None)
    for name in ("first", "median", "worst"):
        told.add_column(name, justify="right")
    told.add_column("read from end to end")
    for one in rows:
        slow = " !" if one.median > LIMIT_MILLISECONDS else ""
        told.add_row(
            one.name, f"{one.first:.1f}", f"{one.median:.2f}{slow}", f"{one.worst:.1f}",
            ", ".join(one.scanned),
        )  # fmt: skip
    return told


def _scan(url: str, folder: Path) -> str:
    """How long the scan of the spool takes, and how much memory, where the ledger knows all."""
    database, spool = Database(url), Spool(folder / "spool")
    paths = select(tables.instances.c.path).where(tables.instances.c.path != "")
    with database.reading() as connection:
        for path in connection.execute(paths.limit(_FILES)).scalars():
            (spool.root / path).parent.mkdir(exist_ok=True)
            (spool.root / path).touch()
    # Linux forgets the largest memory that this process had.
    Path("/proc/self/clear_refs").write_text("5")
    before, begun = _memory("VmRSS"), time.monotonic()
    found = scan(spool, database, Recorder(database, spool, "bench", 30))
    took, grown = time.monotonic() - begun, _memory("VmHWM") - before
    database.close()
    assert found == 0, "all are known"
    return f"scan of {_FILES} files that the ledger knows: {took:.1f} s, {grown:.0f} MB"


def _memory(what: str) -> float:
    """Of this process, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) / 1024
    raise KeyError(what)


def _command(url: str, folder: Path) -> str:
    """How long the whole of ``dicom-node jobs`` takes."""
    site = Site(folder / f"site-{make_url(url).get_backend_name()}")
    site.configure(ledger={"url": url})
    (site.data / "studies").mkdir(parents=True)  # its files are lost
    seconds = []
    for _ in range(3):
        begun = time.monotonic()
        done = site.command("jobs")
        seconds.append(time.monotonic() - begun)
        assert done.returncode == 0, done.stderr
    bare = time.monotonic()
    subprocess.run([sys.executable, "-m", "workers", "--help"], check=True, capture_output=True)
    bare = time.monotonic() - bare
    return f"`dicom-node jobs`: {min(seconds):.2f} s, `dicom-node --help`: {bare:.2f} s"


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    parser.add_argument("--ledger", help="URL of a ledger that was filled before")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dicom-node-bench-") as name:
        folder = Path(name)
        if chosen.ledger:
            _print(chosen.ledger, chosen.jobs, folder, fill=False)
            return
        if chosen.only != "postgresql":
            _print(f"sqlite:///{folder}/ledger.sqlite3", chosen.jobs, folder)
        if chosen.only != "sqlite":
            with PostgreSQL(folder / "postgresql") as server:
                _print(server.new_database(), chosen.jobs, folder)


def _print(url: str, count: int, folder: Path, *, fill: bool = True) -> None:
    begun = time.monotonic()
    sizes = full_ledger.fill(url, count) if fill else full_ledger.Sizes.of(count)
    if fill:
        tell(_CONSOLE, f"{count} jobs made in {time.monotonic() - begun:.0f} s")
    _CONSOLE.print(table(make_url(url).get_backend_name(), measure(url, sizes)))
    tell(_CONSOLE, _command(url, folder))
    tell(_CONSOLE, _scan(url, folder))


if __name__ == "__main__":
    main()
