"""A ledger as years leave it: so many jobs, nearly all done, some thousands still on their way.

::

    python tests/bench/full_ledger.py sqlite:////tmp/ledger.sqlite3 --jobs 1000000

Filled by the database itself, from numbers: a row from Python would take an hour. Of 1,000,000
jobs the latest 12,000 are on their way, each 100th is a second revision, and the files of the
latest 60,000 and of those that failed are still kept.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event

from dicom_node.ledger.database import Database

#: Jobs on their way: 200 arrive (at 120 an hour more can hardly be), 5000 wait to be read.
OPEN = 12_000
_KEPT = 60_000  # studies of which the files are still there
_ASIDE = 5_000  # objects in quarantine
_ANNOUNCED = 50_000  # studies of which a notice came today
_SECONDS = 30.0  # between two studies: 1,000,000 are a year
_REPORT_BYTES = 2_500
_CHUNK = 100_000
#: Nothing is checked, and nothing waits for the disk: who loses power begins again.
_FAST = {
    "sqlite": ("PRAGMA synchronous=OFF", "PRAGMA cache_size=-1000000"),
    "postgresql": ("SET session_replication_role=replica", "SET synchronous_commit=off"),
}

_UID = "'1.2.826.0.1.3680043.10.543.' || ((cast({} as bigint) * 2654435761) % 4294967296)"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many jobs there are, and how many of them are on their way."""

    jobs: int
    open: int

    @classmethod
    def of(cls, jobs: int) -> Sizes:
        """Of a ledger of so many jobs."""
        return cls(jobs, min(OPEN, jobs // 4))

    @property
    def settled(self) -> int:
        """The last job that has ended."""
        return self.jobs - self.open


def fill(url: str, jobs: int = 1_000_000) -> Sizes:
    """Fill an empty ledger, which is made where there is none."""
    Database(url).close()
    sizes = Sizes.of(jobs)
    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _: Any) -> None:
        for setting in _FAST[engine.dialect.name]:
            connection.execute(setting)
        connection.commit()

    for first in range(1, jobs + 1, _CHUNK):
        with engine.begin() as connection:
            for statement in _of_jobs(sizes):
                _from_numbers(connection, statement, first, min(first + _CHUNK - 1, jobs))
    with engine.begin() as connection:
        for statement, count in _others(sizes):
            _from_numbers(connection, statement, 1, count)
    _settle(engine)
    engine.dispose()
    return sizes


def _settle(engine: Engine) -> None:
    """Leave the database as it is after a long time of use."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            return
        # Who counts up by itself begins after what was put there.
        for table in ("jobs", "deliveries", "events", "quarantine", "assessments"):
            connection.exec_driver_sql(
                f"SELECT setval('{table}_id_seq', (SELECT max(id) FROM {table}))"
            )
        connection.exec_driver_sql("VACUUM ANALYZE")


def study_uid(job: int) -> str:
    """The Study Instance UID of a job."""
    number = job - 1 if job % 100 == 0 else job
    return f"1.2.826.0.1.3680043.10.543.{number * 2654435761 % 4294967296}"


def _from_numbers(connection: Connection, statement: str, first: int, last: int) -> None:
    """Run a statement that takes its rows from the numbers ``i`` of ``n``."""
    if connection.dialect.name == "sqlite":
        numbers = (
            f"(WITH RECURSIVE up(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM up "
            f"WHERE i < {last}) SELECT i FROM up) AS n"
        )
    else:
        numbers = f"generate_series({first}, {last}) AS n(i)"
        statement = statement.replace("%", "%%")  # its driver looks for places of parameters
    connection.exec_driver_sql(statement.replace(" FROM n", f" FROM {numbers}"))


def _study_of(job: str) -> str:
    """The study of a job: that of the job before for each 100th."""
    return _UID.format(f"(CASE WHEN {job} % 100 = 0 THEN {job} - 1 ELSE {job} END)")


def _of_jobs(sizes: Sizes) -> list[str]:
    """The rows of the jobs ``i``, table by table."""
    ended, now = sizes.settled, time.time()
    at = f"({now} - ({sizes.jobs} - i) * {_SECONDS})"
    study, place = _study_of("i"), f"(i - {ended}) % 60"
    image = _UID.format("(i + {0} * 100000000)")
    state = (
        f"CASE WHEN i > {ended} THEN CASE WHEN {place} < 1 THEN 'received' "
        f"WHEN {place} < 21 THEN 'queued' WHEN {place} < 25 THEN 'fetching' "
        f"WHEN {place} < 50 THEN 'reading' WHEN {place} < 55 THEN 'read' ELSE 'delivering' END "
        "WHEN i % 200 = 7 THEN 'failed' WHEN i % 20 = 3 THEN 'refused' "
        "WHEN i % 2000 = 9 THEN 'retracted' ELSE 'done' END"
    )
    # Who is fetched or delivered waits for its next attempt. Who arrives has been quiet for long
    # enough, and is held back by an open association: the case that costs most to decide.
    waits = f"i > {ended} AND ({place} BETWEEN 21 AND 24 OR {place} > 54)"
    due = f"CASE WHEN {waits} THEN {now} + 1000 + i % 600 ELSE {at} END"
    came = f"CASE WHEN i > {ended} AND {place} < 1 THEN {now} - 60 ELSE {at} END"
    was_read = f"(i <= {ended} AND i % 20 <> 3) OR (i > {ended} AND {place} >= 50)"
    report = "'" + ('{"answer": "Final Answer: no"}, ' * (_REPORT_BYTES // 31)) + "'"
    kept = f"(i > {sizes.jobs - _KEPT} OR i % 200 = 7)"
    statements = [
        "INSERT INTO jobs (id, study_instance_uid, revision, state, state_since, reason, rule, "
        "received_at, arrived_at, due_at, attempts, lost, prior, report, priority, expected) "
        f"SELECT i, {study}, CASE WHEN i % 100 = 0 THEN 2 ELSE 1 END, {state}, {at}, '', 'chest', "
        f"{came}, {came}, {due}, 0, 0, '{{}}', CASE WHEN {was_read} THEN {report} END, "
        "CASE WHEN i % 50 = 1 THEN 3 ELSE 1 END, 2 FROM n"
    ]
    for number in (1, 2):
        uid = image.format(number)
        statements.append(
            "INSERT INTO instances (study_instance_uid, sop_instance_uid, sop_class_uid, job_id, "
            f"path, sha256, received_at, calling) SELECT {study}, {uid}, "
            "'1.2.840.10008.5.1.4.1.1.1.1', i, "
            f"CASE WHEN {kept} THEN 'studies/' || {study} || '/' || {uid} || '.dcm' ELSE '' END, "
            f"'{'ab' * 32}', {at}, 'MODALITY' FROM n"
        )
    for number, output in enumerate(("sr", "seg")):
        statements.append(
            "INSERT INTO deliveries (id, job_id, destination, output, sop_instance_uid, "
            "series_instance_uid, sop_class_uid, path, state, attempts, reason, retractions) "
            f"SELECT i * 2 + {number}, i, 'pacs', '{output}', {image.format(3 + number)}, "
            f"{image.format(5 + number)}, '1.2.840.10008.5.1.4.1.1.88.34', "
            f"'results/' || i || '/pacs/{output}.dcm', "
            f"CASE WHEN i > {ended} THEN 'pending' ELSE 'there' END, 1, '', 0 "
            f"FROM n WHERE {was_read}"
        )
    told = (
        "first image received from MODALITY", "complete with 2 image(s)", "reading: prior none",
        "read", "sr at pacs there", "done",
    )  # fmt: skip
    for number, what in enumerate(told):
        statements.append(
            f"INSERT INTO events (id, job_id, at, what) SELECT i * 6 + {number}, i, {at}, '{what}' "
            f"FROM n WHERE i <= {ended} OR {number} < 2"
        )
    return statements


def _others(sizes: Sizes) -> list[tuple[str, int]]:
    """Statements for what has no job, and how many numbers each takes."""
    now = time.time()
    study = _UID.format(f"(i + {sizes.settled})")
    image = _UID.format("(i + 700000000)")
    of_job = _study_of(f"(i + {sizes.settled})")
    return [
        ("INSERT INTO quarantine (id, at, path, reason) SELECT i, "
         f"{now} - i, 'quarantine/' || i || '.dcm', 'no UID' FROM n", _ASIDE),
        ("INSERT INTO associations (id, edge, lease_until) SELECT "
         f"'a' || i, 'edge', {now} + 86400 FROM n", 40),
        ("INSERT INTO association_studies (association_id, study_instance_uid) SELECT "
         f"'a' || (1 + i % 40), {of_job} FROM n WHERE i % 60 < 1", sizes.open),
        ("INSERT INTO announced (study_instance_uid, sop_instance_uid, at) SELECT "
         f"{study}, {image}, {now} - i FROM n", min(_ANNOUNCED, sizes.jobs)),
        ("INSERT INTO performed_steps (sop_instance_uid, study_instance_uid, status, at) SELECT "
         f"{image}, {study}, 'COMPLETED', {now} - i FROM n", min(_ANNOUNCED, sizes.jobs)),
        ("INSERT INTO assessments (id, sop_instance_uid, result_sop_instance_uid, tracking_uid, "
         f"verdict, job_id, at) SELECT i, {image}, {image}, '', 'accepted', i, {now} FROM n",
         min(10_000, sizes.settled)),
    ]  # fmt: skip


def main() -> None:
    """Fill the ledger that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--jobs", type=int, default=1_000_000)
    chosen = parser.parse_args()
    begun = time.monotonic()
    fill(chosen.url, chosen.jobs)
    print(f"{chosen.jobs} jobs in {time.monotonic() - begun:.0f} s")  # noqa: T201 - a command


if __name__ == "__main__":
    main()
