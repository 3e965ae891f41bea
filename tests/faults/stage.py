"""The stage on which things are broken: the node as processes of its own, and what is around it.

Two edges over one spool and ledger, two readers (Celery's parent and child), a sender; Redis or the
broker of files; Orthanc and a PACS that does as it is told. All keep their folders when they are
killed; :meth:`Stage.heal` makes everything whole again.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import nodes
import peers
from peers import Server, free_port

from dicom_node.ledger import jobs
from dicom_node.ledger.database import Database
from dicom_node.ledger.jobs import Job, State
from dicom_node.spool import Spool
from workers.site import configure, longest_task_seconds

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
_HERE = Path(__file__).parent
_DISK_MEGABYTES = 192
_SECTIONS: dict[str, dict[str, object]] = {
    "receive": {
        "disk_reserve": "2 MB",
        "association_seconds": 3,
        "message_seconds": 3,
        "idle_seconds": 5,
    },
    "completion": {
        "quiet_seconds": 1,
        "ceiling_seconds": 120,
        "announced_seconds": 0.5,
        "count_seconds": 3,
        "edge_lease_seconds": 3,
    },
    "delivery": {
        "first_retry_seconds": 0.5,
        "longest_retry_seconds": 2,
        "commitment_open_seconds": 0.5,
        "commitment_seconds": 5,
    },
    "limits": {
        "sweep_seconds": 0.3,
        "reading_seconds": 60,
        "prior_wait_seconds": 1,
        "attempts": 4,
    },
    "log": {"level": "INFO"},
}
#: How often the sweeper rings again for a stage that has work.
_RING_AGAIN_SECONDS = 15


class Part(nodes.Node):
    """One program of the node, with a clock that can be put back."""

    def __init__(self, site: nodes.Site, role: str, clock: Path) -> None:
        super().__init__(site, role)
        self._put_back = clock

    def command(self) -> list[str]:
        program = [sys.executable, "-m", "workers", self.role, "--config", str(self.site.config)]
        if self.role == "worker":
            program = [sys.executable, str(_HERE / "reader.py"), str(self.site.config)]
        search = [_HERE.parents[1], _HERE.parent, _HERE / "clocked"]
        return ["env", f"PYTHONPATH={os.pathsep.join(map(str, search))}", *self._clock(), *program]

    def _clock(self) -> list[str]:
        if not FAKETIME.exists():
            return []
        return [
            f"LD_PRELOAD={FAKETIME}",
            f"FAKETIME_TIMESTAMP_FILE={self._put_back}",
            "FAKETIME_CACHE_DURATION=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",  # a clock that is put back: this one goes on
            "NO_FAKE_STAT=1",
        ]


class Scripted(Server):
    """The PACS of ``scripted.py``."""

    aet = "SCRIPTED"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.dicom_port = free_port()
        self._moods = itertools.count(1)

    def command(self) -> list[str]:
        program = str(_HERE / "scripted.py")
        return [sys.executable, program, str(self.folder), self.aet, str(self.dicom_port)]

    def answers(self) -> bool:
        return peers.echo(self.dicom_port, self.aet)

    def feel(self, mood: str, times: int = 0) -> None:
        """Answer so the next times; nothing: be well."""
        aside = self.folder / "mood.part"
        aside.write_text(json.dumps({"id": next(self._moods), "mood": mood, "times": times}))
        aside.rename(self.folder / "mood.json")

    def answered(self) -> list[dict[str, Any]]:
        """What it answered."""
        path = self.folder / "said.jsonl"
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("}")]


class Stage:
    """All of it, from :meth:`start` to :meth:`stop`."""

    def __init__(self, folder: Path, *, redis: bool) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.data = folder / "data"
        self._mounted = _mount(self.data)
        self.clock = folder / "clock"
        self.put_clock(0)
        # Orthanc tells the first edge what it commits itself to.
        sites = [nodes.Site(folder / name) for name in ("first", "second")]
        node = {"node": (nodes.AE_TITLE, peers.HOST, sites[0].port)}
        self.orthanc = peers.Orthanc(folder / "orthanc", modalities=node)
        self.scripted = Scripted(folder / "scripted")
        self.redis = peers.Redis(folder / "redis") if redis else None
        for site in sites:
            self._configure(site)
        self.edges = [Part(site, "edge", self.clock) for site in sites]
        first = self.edges[0].site
        self.workers = [Part(edge.site, "worker", self.clock) for edge in self.edges]
        self.sender = Part(first, "sender", self.clock)
        self._locks = {server: threading.RLock() for server in self.servers}
        self._children: set[int] = set()
        configuration = configure(first.config)
        self.lease_seconds = longest_task_seconds(configuration.settings)
        self.attempts = configuration.settings.limits.attempts
        self.spool = Spool(self.data)
        self.database = Database(configuration.settings.ledger_url)

    @property
    def servers(self) -> list[Server]:
        """In the order in which they start."""
        around = [self.orthanc, self.scripted, *([self.redis] if self.redis else [])]
        return [*around, *self.edges, *self.workers, self.sender]

    @property
    def disk_is_small(self) -> bool:
        """Whether the spool lies on a disk of its own, which may be filled."""
        return self._mounted

    @property
    def longest_seconds(self) -> float:
        """What the slowest study may take once all is whole: each of its attempts may be lost and
        be found again by the sweeper only, and programs have to start.
        """
        return 60 + self.attempts * (self.lease_seconds + _RING_AGAIN_SECONDS)

    def __enter__(self) -> Self:
        try:
            threads = [threading.Thread(target=one.start) for one in self.servers]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.heal()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End everything, orphans too."""
        for server in reversed(self.servers):
            _signal(server, signal.SIGCONT)
            self._note_children(server)
            server.stop()
        for child in self._children:
            with suppress(OSError):
                if str(self.folder).encode() in Path(f"/proc/{child}/cmdline").read_bytes():
                    os.kill(child, signal.SIGKILL)
        self.database.close()
        for ledger in self.data.glob("ledger.sqlite3*"):  # to look into: its disk goes away
            shutil.copy(ledger, self.folder)
        if self._mounted:
            subprocess.run(["umount", "--lazy", str(self.data)], check=False)

    @contextmanager
    def alone(self, server: Server) -> Iterator[None]:
        """One fault at a time has a server in its hands."""
        with self._locks[server]:
            yield

    def kill(self, server: Server) -> None:
        """End a program at once; its children live on if they can."""
        with self.alone(server):
            self._note_children(server)
            if runs(server):
                server.kill()

    def start(self, server: Server) -> None:
        """Start what does not run."""
        with self.alone(server):
            if not runs(server):
                server.stop()
                server.start()

    def heal(self) -> None:
        """Servers run, the disk is free, the clock is right, whatever was done."""
        self.free_disk()
        self.put_clock(0)
        self.scripted.feel("")
        self.slow_down(0)
        for server in self.servers:
            _signal(server, signal.SIGCONT)
        self.start_what_ended()

    def start_what_ended(self) -> None:
        """As a supervisor does: also what ended by itself, as Celery does when a broker is away
        at the wrong moment.
        """
        for server in self.servers:
            self.start(server)

    def put_clock(self, seconds: float) -> None:
        """By how much the node's clock is wrong, from at most a second on."""
        aside = self.clock.with_suffix(".part")
        aside.write_text(f"{seconds:+.0f}s\n")
        aside.rename(self.clock)

    def slow_down(self, seconds: float) -> None:
        """How long the model takes for each batch of questions."""
        aside = self.folder / "engine.part"
        aside.write_text(json.dumps({"seconds": seconds}))
        aside.rename(self.folder / "engine.json")

    def fill_disk(self) -> None:
        """Leave nothing."""
        with suppress(OSError), (self.data / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(65536))

    def free_disk(self) -> None:
        """Delete the filler."""
        (self.data / "filler").unlink(missing_ok=True)

    def jobs(self) -> list[Job]:
        """All jobs of the ledger."""
        return jobs.listing(self.database, limit=100_000)

    def leased(self, *states: State, seconds: float = 5) -> Job | None:
        """A job that somebody works on in one of these states, as soon as there is one."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with suppress(Exception):
                for job in jobs.listing(self.database, states=states):
                    if job.leased:
                        return job
            time.sleep(0.03)
        return None

    def reader_of(self, job: Job | None) -> Part | None:
        """Whose child reads a job just now."""
        for worker in self.workers:
            if job is not None and runs(worker) and process_of(job) in _children(worker.pid):
                return worker
        return None

    def _configure(self, site: nodes.Site) -> None:
        pacs = nodes.peer(self.orthanc, timeout_seconds=1.5)
        scripted = nodes.peer(self.scripted, name="scripted", test=True, timeout_seconds=1.5)
        destination = pacs | {"name": "pacs", "test": True, "orthanc": self.orthanc.url}
        broker = {"broker": {"url": self.redis.url}} if self.redis else {}
        site.configure(
            node={"ae_title": nodes.AE_TITLE, "port": site.port, "data": str(self.data)},
            archive=pacs | {"protocol": "dimse", "retrieve": "c-get"},
            destinations=[destination, scripted],
            **_SECTIONS,
            **broker,
        )

    def _note_children(self, server: Server) -> None:
        if runs(server) and isinstance(server, Part):
            self._children |= _children(server.pid)


def process_of(job: Job) -> int:
    """The process that holds the lease of a job (``tasks.Worker``)."""
    return int((job.lease_owner or ":0").rpartition(":")[2])


def _children(process: int) -> set[int]:
    with suppress(OSError):
        told = Path(f"/proc/{process}/task/{process}/children").read_text()
        return set(map(int, told.split()))
    return set()


def runs(server: Server) -> bool:
    return server._process is not None and server._process.poll() is None


def _signal(server: Server, number: int) -> None:
    if runs(server):
        os.kill(server.pid, number)


def _mount(folder: Path) -> bool:
    """A small disk of its own, where this machine lets us; whether it does."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_MEGABYTES}m", "none", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
