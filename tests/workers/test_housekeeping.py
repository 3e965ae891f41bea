"""A disk that fills, on one of its own: real edges, a real sender, and what they leave of it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import nodes
import pytest
from peers import storescu, wait_until
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian
from receiving import dataset, encoded, part10
from report_builders import film_of, prior_of
from sqlalchemy import insert, select, update

from dicom_node.ledger import history, tables
from dicom_node.ledger.database import Database, now
from dicom_node.ledger.deliveries import DeliveryState
from dicom_node.ledger.jobs import State
from dicom_node.report import prior_to_json
from dicom_node.retention.survey import survey
from dicom_node.sections import RetentionSection
from dicom_node.spool import Spool

MIB = 1024**2
DAY = 86_400
FILM, LOW = 3 * MIB, 24 * MIB
SECONDS = 60


@dataclass
class Full:
    """Edges over one data folder on a disk of 48 MiB, of which the last 12 are a reserve; from
    24 MiB on room is made.
    """

    edges: list[nodes.Node]
    database: Database
    sent: dict[str, str] = field(default_factory=dict)  # digest of the data set by study

    @property
    def data(self) -> Path:
        return self.edges[0].site.data

    def send(self, folder: Path, port: int) -> tuple[str, bool]:
        """A study of one film of 3 MiB; its UID, and whether it was answered 0000."""
        made = dataset(PixelData=os.urandom(FILM))
        made["PixelData"].VR = "OW"
        path = part10(
            folder / "film.dcm", made, encoded(made, ExplicitVRLittleEndian), ExplicitVRLittleEndian
        )
        uid = str(made.StudyInstanceUID)
        accepted = storescu([path], port, "-xe", aec=nodes.AE_TITLE, check=False).returncode == 0
        if accepted:
            self.sent[uid] = hashlib.sha256(made.PixelData).hexdigest()
            wait_until(lambda: self.job(uid) is not None, "the study is known", SECONDS)
        return uid, accepted

    def job(self, study: str) -> int | None:
        rows = select(tables.jobs.c.id).where(tables.jobs.c.study_instance_uid == study)
        with self.database.reading() as connection:
            return connection.execute(rows).scalar()

    def put(self, study: str, state: State, days: float, prior: str | None = None) -> None:
        with self.database.writing() as connection:
            connection.execute(
                update(tables.jobs)
                .where(tables.jobs.c.study_instance_uid == study)
                .values(state=state, state_since=now() - days * DAY, prior=prior, due_at=2e9)
            )

    def delivery(self, study: str, state: DeliveryState) -> None:
        row = {"destination": "pacs", "output": "sr", "series_instance_uid": "1.3", "path": "x"}
        with self.database.writing() as connection:
            connection.execute(
                insert(tables.deliveries).values(
                    job_id=self.job(study), sop_instance_uid=f"1.2.{study}", state=state, **row
                )
            )

    def prior(self, uid: str, days: float) -> None:
        folder = self.data / "priors" / uid
        folder.mkdir()
        (folder / "film.dcm").write_bytes(bytes(FILM))
        os.utime(folder, (time.time() - days * DAY,) * 2)

    def is_here(self, study: str) -> bool:
        """Whether its film lies there, byte for byte."""
        found = list((self.data / "studies" / study).glob("*.dcm"))
        if not found:
            return False
        pixels: bytes = dcmread(found[0]).PixelData
        return hashlib.sha256(pixels).hexdigest() == self.sent[study]

    def priors(self) -> set[str]:
        return {one.name for one in (self.data / "priors").iterdir() if one.name[0] != "."}

    def told(self, study: str) -> list[str]:
        job = self.job(study)
        assert job is not None
        return [one.what for one in history.history(self.database, job)]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[int], Full]]:
    data = tmp_path / "edge-0" / "data"
    mount = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(data)]

    def open_full(count: int) -> Full:
        sites = [nodes.Site(tmp_path / f"edge-{place}") for place in range(count)]
        for place, site in enumerate(sites):
            site.configure(
                node={"ae_title": nodes.AE_TITLE, "port": site.port, "data": str(data)},
                receive={"disk_reserve": "12 MiB", "disk_low": f"{LOW} B"},
                completion={"quiet_seconds": 3600},  # nothing goes on by itself here
            )
            if place == 0:
                data.mkdir()
                done = subprocess.run(mount, capture_output=True, check=False)
                if os.geteuid() != 0 or done.returncode:
                    pytest.skip("a file system cannot be mounted here")
                stack.callback(subprocess.run, ["umount", "--lazy", str(data)], check=True)
        database = Database(f"sqlite:///{data}/ledger.sqlite3")
        stack.callback(database.close)
        edges = [stack.enter_context(nodes.Node(site, "edge")) for site in sites]
        return Full(edges, database)

    with ExitStack() as stack:
        yield open_full


@pytest.mark.parametrize("count", [1, 2], ids=["one edge", "two edges"])
def test_a_disk_that_fills_gives_up_its_files_in_the_written_order(
    start: Callable[[int], Full], tmp_path: Path, film: Path, count: int
) -> None:
    full = start(count)
    ports = cycle(edge.site.port for edge in full.edges)
    send = lambda: full.send(tmp_path, next(ports))  # noqa: E731

    older, newer, unsent, failed = [send()[0] for _ in range(4)]
    full.put(older, State.DONE, 3)
    full.put(newer, State.DONE, 2)
    full.delivery(newer, DeliveryState.THERE)
    full.put(unsent, State.DONE, 4)  # never so in life: whatever the state says, it is not there
    full.delivery(unsent, DeliveryState.SENT)
    full.put(failed, State.FAILED, 5)
    needed = prior_of(film_of(film))
    assert needed.film is not None
    reading, _ = send()
    full.put(reading, State.READING, 6, prior=prior_to_json(needed))
    full.prior(needed.film.study_instance_uid, 10)
    for uid, days in (("1.1", 9), ("1.2", 8), ("1.3", 7)):
        full.prior(uid, days)

    order: list[str] = []
    for _ in range(12):
        _, accepted = send()
        wait_until(lambda: is_settled(full), "room was made, or there is none to make", SECONDS)
        order += sorted({"1.1", "1.2", "1.3"} - full.priors() - set(order))
        order += [one for one in (older, newer) if one not in order and not full.is_here(one)]
        if not accepted:
            break
        assert Spool(full.data).free_bytes() < LOW + 2 * FILM, "no more than is needed"

    assert order == ["1.1", "1.2", "1.3", older, newer]
    assert not accepted, "only work that is not done is left"
    assert full.priors() == {needed.film.study_instance_uid}
    assert (full.data / "priors" / needed.film.study_instance_uid / "film.dcm").exists()
    gone = {older, newer}
    assert {one for one in full.sent if not full.is_here(one)} == gone
    assert full.told(older)[-1] == "received files deleted: the disk was short of room"
    assert any("object answered A700: less is free" in one.said for one in full.edges)
    ballast = full.data / "of another"
    ballast.write_bytes(bytes(2 * FILM))
    assert not send()[1]
    assert any("rejected: less is free on the disk" in one.said for one in full.edges)
    ballast.unlink()

    # What was rejected comes again once one more study has been delivered.
    full.put(reading, State.DONE, 2)
    wait_until(lambda: send()[1], "it is accepted again", SECONDS)
    assert not full.is_here(reading)
    assert {one for one in full.sent if not full.is_here(one)} == gone | {reading}
    assert not any("Traceback" in edge.said for edge in full.edges)


def is_settled(full: Full) -> bool:
    """Whether enough is free, or nothing is left that may go."""
    spool = Spool(full.data)
    if spool.free_bytes() >= LOW:
        return True
    return not any(one.early_bytes for one in survey(full.database, spool, RetentionSection()))
