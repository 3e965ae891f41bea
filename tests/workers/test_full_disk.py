"""A disk that the node's own results would fill: it goes on by itself once somebody takes them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

import backlog
import disks
import nodes
import pytest
from builders import chest, chest_picture
from peers import Qrscp, StoreScp, storescu, wait_until
from sqlalchemy import update
from stages import Node, destination, nowhere

from dicom_node.ledger import jobs, tables
from dicom_node.ledger.database import Database
from dicom_node.ledger.jobs import DELIVER, Job, State
from dicom_node.spool import Spool
from workers import building
from workers.site import Site

MIB = 1024**2
MORE = 18 * MIB  # than the reserve: room for four films
SECONDS = 120
WAITS = "room"


class Least:
    """The least that was free on a disk, looked at all the time."""

    def __init__(self, folder: Path) -> None:
        self.bytes = 2**62
        self._spool = Spool(folder)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.01):
            self.bytes = min(self.bytes, self._spool.free_bytes())


@contextmanager
def site(folder: Path, pacs: StoreScp, reserve: int) -> Iterator[nodes.Site]:
    written = nodes.Site(folder / "site")
    there = nodes.peer(pacs, name="pacs", test=True, verify="none", commitment="none")
    written.configure(
        receive={"disk_reserve": f"{reserve} B"},
        completion={"quiet_seconds": 0.5},
        destinations=[there | {"profile": "ohif"}],
        engine={"name": "free"},
        log={"level": "INFO"},
    )
    with disks.small(written.data, f"size={reserve + MORE}"):
        yield written


def send(at: nodes.Site, film: Path, number: int) -> bool:
    """A study of a film of 2.9 MB; whether it was answered 0000."""
    chest(film, chest_picture(1200, 1200, number))
    return storescu([film], at.port, "-xe", aec=nodes.AE_TITLE, check=False).returncode == 0


def fill(at: nodes.Site, film: Path) -> int:
    """Send studies until one is not accepted any more; how many were."""
    for number in range(99):
        if not send(at, film, number):
            return number
    raise AssertionError("the disk does not fill")


@pytest.mark.parametrize(
    ("away", "reserve"),
    [
        pytest.param("destination", 12 * MIB, id="destination away"),
        pytest.param(
            "workers", 8 * MIB, id="workers away, and three quarters of the reserve too little"
        ),
    ],
)
def test_a_disk_that_is_full_because_nobody_took_what_is_on_it_empties_itself(
    tmp_path: Path, away: str, reserve: int
) -> None:
    """The node's own programs. No study may go sooner than after a day: what is sent makes room."""
    with ExitStack() as stack:
        pacs = StoreScp(tmp_path / "pacs", options=["--fork"])
        at = stack.enter_context(site(tmp_path, pacs, reserve))
        database = Database(f"sqlite:///{at.data}/ledger.sqlite3")
        stack.callback(database.close)
        parts = [backlog.Part(at, role) for role in ("edge", "worker", "sender")]
        stack.enter_context(parts[0])
        others = ExitStack()
        stack.push(others)
        if away == "destination":
            others.enter_context(backlog.running(parts[1:]))
        least = stack.enter_context(Least(at.data))

        accepted = fill(at, tmp_path / "film.dcm")

        if away == "destination":
            wait_until(lambda: stands(database, accepted), "nothing is built any more", SECONDS)
            waiting = jobs.listing(database, states=[State.DELIVERING])
            assert any("pacs" in one.reason for one in waiting), "some wait for the destination"
            assert any(WAITS in one.reason for one in waiting), "others for room"
        stack.enter_context(pacs)
        if away == "workers":
            others.enter_context(backlog.running(parts[1:]))
        done = [State.DONE]
        wait_until(
            lambda: len(jobs.listing(database, states=done)) == accepted, "all are done", SECONDS
        )

    assert len(pacs.files()) >= 3 * accepted
    # What the ledger and the broker write beside is some kilobytes.
    assert least.bytes > min(reserve // 4, MIB) // 2
    for part in parts:
        told = part.log.read_text()
        assert "the ledger does not answer" not in told
        assert "Traceback" not in told


def test_an_edge_starts_on_a_disk_on_which_nothing_is_free(tmp_path: Path) -> None:
    """Else nobody would delete what may go: the ledger cannot be opened without room."""
    at = nodes.Site(tmp_path / "site")
    film, data = chest(tmp_path / "film.dcm", chest_picture(1200, 1200, 0)), at.data
    with disks.small(data, "size=24m"):
        with nodes.Node(at, "edge"):
            storescu([film], at.port, "-xe", aec=nodes.AE_TITLE)
            wait_until((data / "ballast").exists, "room is laid aside", SECONDS)
            job = at.job_in("received", "queued")["id"]
        database = Database(f"sqlite:///{data}/ledger.sqlite3")
        with database.writing() as connection:
            jobs.move(connection, job, State.DONE)
            connection.execute(update(tables.jobs).values(state_since=0))
        database.close()
        at._opened.database.close()  # nobody has it open, as after the machine was started again
        with suppress(OSError), (data / "log of another").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        assert Spool(data).free_bytes() == 0

        with nodes.Node(at, "edge"):
            wait_until(lambda: not any(Spool(data).received()), "it makes room", SECONDS)


def stands(database: Database, accepted: int) -> bool:
    """Whether each study was read, and has been tried to be delivered."""
    every = jobs.listing(database, states=[State.DELIVERING])
    return len(every) == accepted and all(one.reason and one.attempts > 1 for one in every)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """On a disk of 16 MiB, all but as much as its reserve."""
    written = nodes.Site(tmp_path / "site")
    with disks.small(written.data, "size=16m"):
        written.configure(receive={"disk_reserve": "14 MiB"})
        yield Node(written)


def received(node: Node) -> int:
    """A study of a film that came in on that disk; its job."""
    return node.receive(chest(node.written.data / "film.dcm"))


def test_of_a_study_that_does_not_fit_nothing_is_left_and_it_is_built_once_it_does(
    tmp_path: Path, node: Node
) -> None:
    with StoreScp(tmp_path / "pacs") as pacs:
        node.open(destinations=[destination(pacs, commitment="none", profile="ohif")])
        job = received(node)
        node.fetch()
        node.read()
        left = node.site.settings.receive.least_for_results + 200_000  # for SR and SEG
        filler = bytes(node.site.spool.free_bytes() - left)
        (node.written.data / "of another").write_bytes(filler)

        assert node.deliver()
        assert WAITS in node.job(job).reason
        assert [one for one in node.site.spool.results(job).rglob("*") if one.is_file()] == []

        disks.enlarge(node.written.data, "99m")
        node.make_due(job)
        node.deliver()
        assert node.job(job).state is State.DONE
        assert any(one.name.startswith("SC") for one in pacs.files())


def test_what_failed_half_way_is_not_taken_from_who_has_the_study_by_now(
    node: Node,
) -> None:
    node.open(destinations=[nowhere(name="pacs", test=True)])
    job = received(node)
    node.fetch()
    node.read()
    disks.enlarge(node.written.data, "99m")

    def both(site: Site, mine: Job) -> None:
        node.make_due(job, lease_until=0.0)
        assert node.deliver()  # another worker has built all
        building._discard(site, mine)

    node.take(DELIVER, both)
    assert list((node.site.spool.results(job) / "pacs").iterdir())


def test_while_the_disk_is_short_no_prior_is_fetched(tmp_path: Path, node: Node) -> None:
    earlier = chest(tmp_path / "earlier.dcm", StudyDate="20190101", AcquisitionDate="20190101")
    with Qrscp(tmp_path / "archive") as archive:
        storescu([earlier], archive.dicom_port, aec=archive.aet)
        section = nodes.peer(archive, protocol="dimse", retrieve="c-get")
        node.open(archive=section, limits={"prior_wait_seconds": 60})
        job = received(node)
        (node.written.data / "of another").write_bytes(bytes(6 * MIB))

        assert node.fetch()
        assert node.job(job).state is State.FETCHING
        assert "short of room" in node.job(job).reason
        assert list(node.site.spool.priors.glob("*/*.dcm")) == []

        disks.enlarge(node.written.data, "99m")
        node.make_due(job)
        node.fetch()
        assert node.job(job).state is State.READING
        assert len(list(node.site.spool.priors.glob("*/*.dcm"))) == 1
