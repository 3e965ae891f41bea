"""Several edges over one ledger and one data folder: when a study is complete is agreed between
them. Each is a process of its own, started as an administrator starts it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nodes
import pytest
from announcers import announcing, begun, ended
from builders import chest
from peers import HOST, storescu, wait_until
from pydicom import dcmread
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE

from dicom_node.ledger import history, jobs, revisions
from dicom_node.ledger.database import Database
from dicom_node.ledger.jobs import Job, State

QUIET, LEASE = 1.0, 2.5
STAYS = 3.5  # longer than both


@dataclass
class Edges:
    first: nodes.Node
    second: nodes.Node
    database: Database

    def jobs(self) -> list[Job]:
        return jobs.listing(self.database, limit=1000)

    def told(self, job: Job) -> list[str]:
        """Its history, without who sent the images."""
        events = history.history(self.database, job.id)
        return [event.what.split(" from ")[0] for event in events]

    def completed(self) -> Job:
        """The only job, once it is complete."""
        wait_until(self.is_complete, "the study is complete", 15)
        (job,) = self.jobs()
        return job

    def is_complete(self) -> bool:
        return [job.state for job in self.jobs()] == [State.QUEUED]

    def stay(self, state: State, seconds: float = STAYS) -> None:
        """The only job is in this state, for so long."""
        wait_until(lambda: len(self.jobs()) == 1, "the study is known", 10)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert [job.state for job in self.jobs()] == [state]
            time.sleep(0.1)


@pytest.fixture
def start(tmp_path: Path, ledger_url: str) -> Iterator[Callable[..., Edges]]:
    started: list[nodes.Node] = []
    database = Database(ledger_url)

    def run(**completion: float) -> Edges:
        for name in ("first", "second"):
            site = nodes.Site(tmp_path / name)
            site.configure(
                node={"ae_title": nodes.AE_TITLE, "port": site.port, "data": f"{tmp_path}/data"},
                completion={"quiet_seconds": QUIET, "edge_lease_seconds": LEASE} | completion,
                limits={"sweep_seconds": 0.1},
                ledger={"url": ledger_url},
            )
            edge = nodes.Node(site, "edge")
            edge.start()
            started.append(edge)
        return Edges(*started, database)

    yield run
    for edge in started:
        edge.stop()
    database.close()


@contextmanager
def sending(edge: nodes.Node) -> Iterator[Callable[[Path], None]]:
    """An association that stays open, and by which films are sent; it may be cut off."""
    ae = AE(ae_title="SLOW")
    ae.add_requested_context(ComputedRadiographyImageStorage, ExplicitVRLittleEndian)
    association: Any = ae.associate(HOST, edge.site.port, ae_title=nodes.AE_TITLE)
    assert association.is_established

    def send(film: Path) -> None:
        assert association.send_c_store(dcmread(film)).Status == 0x0000

    try:
        yield send
    finally:
        if association.is_established:
            association.release()


def films(folder: Path, number: int) -> list[Path]:
    study = generate_uid()
    return [chest(folder / f"{index}.dcm", StudyInstanceUID=study) for index in range(number)]


def test_a_slow_sender_holds_its_study_back_also_from_the_other_edge(
    start: Callable[..., Edges], tmp_path: Path
) -> None:
    edges = start()
    first, second = films(tmp_path, 2)
    with sending(edges.first) as send:
        send(first)
        edges.stay(State.RECEIVED)
        send(second)
    job = edges.completed()
    assert edges.told(job) == ["first image received", "complete with 2 image(s)"]


def test_a_study_that_comes_through_two_edges_is_one_job(
    start: Callable[..., Edges], tmp_path: Path
) -> None:
    edges = start()
    by_first, by_second = films(tmp_path, 2)
    with sending(edges.first) as send:
        send(by_first)
        storescu([by_second], edges.second.site.port, aec=nodes.AE_TITLE)
        edges.stay(State.RECEIVED)
    job = edges.completed()
    assert job.revision == 1
    assert len(revisions.paths(edges.database, job)) == 2
    assert edges.told(job) == ["first image received", "complete with 2 image(s)"]


def test_an_edge_that_is_killed_does_not_hold_its_study_for_ever(
    start: Callable[..., Edges], tmp_path: Path
) -> None:
    edges = start()
    (film,) = films(tmp_path, 1)
    with sending(edges.first) as send:
        send(film)
        edges.stay(State.RECEIVED)
        os.kill(edges.first.pid, signal.SIGKILL)
        began = time.monotonic()
        edges.completed()
        assert time.monotonic() - began < LEASE + QUIET + 5


def test_two_edges_that_look_at_once_complete_each_study_once(
    start: Callable[..., Edges], tmp_path: Path
) -> None:
    edges = start(quiet_seconds=3)
    studies = [films(tmp_path / str(number), 2) for number in range(25)]
    for half, edge in enumerate((edges.first, edges.second)):
        storescu([study[half] for study in studies], edge.site.port, aec=nodes.AE_TITLE)
    wait_until(
        lambda: {job.state for job in edges.jobs()} == {State.QUEUED}, "all are complete", 20
    )
    assert len(edges.jobs()) == len(studies)
    for job in edges.jobs():
        assert edges.told(job) == ["first image received", "complete with 2 image(s)"]


def test_what_a_modality_lists_is_waited_for_and_no_longer(
    start: Callable[..., Edges], tmp_path: Path
) -> None:
    """The step begins at one edge and ends at the other; the sender keeps its association open."""
    edges = start(quiet_seconds=60, announced_seconds=1)
    first, second, third = films(tmp_path, 3)
    header = dcmread(first)
    step = generate_uid()
    uids = [str(dcmread(film).SOPInstanceUID) for film in (first, second, third)]
    with announcing(edges.first.site.port, nodes.AE_TITLE) as modality:
        assert modality.create(step, begun(str(header.StudyInstanceUID))) == 0x0000
    with sending(edges.first) as send:
        send(first)
        send(second)
        edges.stay(State.RECEIVED)
        with announcing(edges.second.site.port, nodes.AE_TITLE) as modality:
            assert modality.set(step, ended(uids)) == 0x0000
        edges.stay(State.RECEIVED)
        send(third)
        began = time.monotonic()
        job = edges.completed()
        assert time.monotonic() - began < 5
    assert edges.told(job) == ["first image received", "complete with 3 image(s)"]
