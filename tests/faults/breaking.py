"""What is broken, each fault by one function: it breaks, holds on for a while, and lets go.

A fault draws from its own generator, so that its plan can be drawn again. It returns in a few words
what it met. What it killed is started again by :meth:`Stage.heal`, or by itself where a
supervisor would do it at once.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from faults import sender
from faults.plan import ODD
from faults.sender import NO_ASSOCIATION
from faults.stage import FAKETIME, Stage, process_of, runs
from nodes import AE_TITLE
from peers import HOST, Redis, Server
from sqlalchemy import update

from dicom_node.ledger import jobs, tables
from dicom_node.ledger.jobs import Job, State
from workers.site import configure, open_site

#: What a fault says that ended a reader at its work.
KILLED = "while reading"
#: What a fault says that came when nobody was at what it breaks.
IDLE, NO_READING, NOBODY = "idle", "nothing was read", "nobody was at it"
AWAY = "it was away"
MISSED = frozenset({IDLE, NO_READING, NOBODY, AWAY, NO_ASSOCIATION})


@dataclass(frozen=True, slots=True)
class Met:
    """What a fault finds: the stage, the films of the round, and its own dice."""

    stage: Stage
    films: Sequence[Path]
    dice: random.Random

    @property
    def edge(self) -> int:
        return self.dice.randint(0, 1)


@dataclass(frozen=True, slots=True)
class Fault:
    """``weight``: how often it is drawn. ``permits``: what a study may fail with because of it."""

    do: Callable[[Met], str]
    weight: int = 4
    needs: Callable[[Stage], bool] = lambda _: True
    permits: str = ""


def kill_edge(met: Met) -> str:
    """While something comes in at it."""
    edge = met.stage.edges[met.edge]
    told = "receiving" if _until(lambda: _receives(met.stage), 3) else IDLE
    met.stage.kill(edge)
    return _start_again(met, edge, told)


def kill_edge_and_leave_it(met: Met) -> str:
    """One of two dies with an association open, and stays away: the other does the rest."""
    edge = met.stage.edges[met.edge]
    with met.stage.alone(edge):
        open_one = sender.associate(edge.site.port, AE_TITLE)
        if open_one.is_established:
            open_one.send_c_store(met.films[0])
        met.stage.kill(edge)
        open_one.abort()
        time.sleep(4)
    return "with an association open"


def kill_reading_child(met: Met) -> str:
    """The process that reads; Celery's parent starts another one."""
    job = _read_slowly(met)
    if job is None:
        return NO_READING
    _kill_child(job)
    return KILLED


def kill_reading_parent(met: Met) -> str:
    """Celery's parent: with the broker of files its message is gone, and the child an orphan."""
    job = _read_slowly(met)
    worker = met.stage.reader_of(job) or met.stage.workers[met.dice.randint(0, 1)]
    met.stage.kill(worker)
    return _start_again(met, worker, KILLED if job else IDLE)


def kill_reading_both(met: Met) -> str:
    """As a container that is killed."""
    job = _read_slowly(met)
    worker = met.stage.reader_of(job) or met.stage.workers[met.dice.randint(0, 1)]
    met.stage.kill(worker)
    if job is not None:
        _kill_child(job)
    return _start_again(met, worker, KILLED if job else IDLE)


def kill_sender(met: Met) -> str:
    job = met.stage.leased(State.DELIVERING, State.FETCHING)
    met.stage.kill(met.stage.sender)
    return _start_again(met, met.stage.sender, f"while {job.state}" if job else IDLE)


def stop_redis(met: Met) -> str:
    server = _redis(met)
    with met.stage.alone(server):
        server.stop()
        time.sleep(met.dice.uniform(1, 4))
    return _start_again(met, server, "stopped")


def kill_redis(met: Met) -> str:
    server = _redis(met)
    met.stage.kill(server)
    return _start_again(met, server, "killed, and at once again")


def flush_redis(met: Met) -> str:
    return _tell(_redis(met), "FLUSHALL") or AWAY


def make_redis_read_only(met: Met) -> str:
    """A failover: what was the server is a replica for a while."""
    server = _redis(met)
    with met.stage.alone(server):
        told = _tell(server, f"REPLICAOF {HOST} 1")
        time.sleep(met.dice.uniform(1, 5))
        _tell(server, "REPLICAOF NO ONE")
    return "it wrote nothing" if told else AWAY


def put_garbage_into_redis(met: Met) -> str:
    """What is no message, where workers look for messages."""
    server = _redis(met)
    told = [_tell(server, f"LPUSH {stage.name} garbage") for stage in jobs.STAGES]
    return "a message to each stage" if all(told) else AWAY


def freeze_redis(met: Met) -> str:
    """It is there, and answers nobody."""
    return _freeze(met, _redis(met))


def stop_orthanc(met: Met) -> str:
    with met.stage.alone(met.stage.orthanc):
        met.stage.orthanc.stop()
        time.sleep(met.dice.uniform(0.5, 4))
    return _start_again(met, met.stage.orthanc, "stopped")


def kill_orthanc(met: Met) -> str:
    job = met.stage.leased(State.DELIVERING, seconds=3)
    met.stage.kill(met.stage.orthanc)
    return _start_again(met, met.stage.orthanc, "while delivering" if job else IDLE)


def freeze_orthanc(met: Met) -> str:
    return _freeze(met, met.stage.orthanc)


def mood(name: str) -> Callable[[Met], str]:
    """The PACS answers so for a while, or so many times."""

    def feel(met: Met) -> str:
        times = met.dice.randint(1, 4)
        met.stage.scripted.feel(name, times)
        time.sleep(met.dice.uniform(2, 5))
        return f"{times} time(s)"

    return feel


def send_in_part(end: str) -> Callable[[Met], str]:
    """An association that ends, or falls silent, in the middle of an object."""

    def send(met: Met) -> str:
        film, first, part = met.dice.choice(met.films), met.edge, met.dice.uniform(0.1, 0.9)
        told = NO_ASSOCIATION
        for edge in (first, 1 - first):
            if told == NO_ASSOCIATION:  # at that edge: another fault has just killed it
                port = met.stage.edges[edge].site.port
                told = sender.send_in_part(film, port, AE_TITLE, part=part, end=end)
        assert not told.startswith("still open"), "a silent association is never ended"
        return told

    return send


def fill_disk(met: Met) -> str:
    met.stage.fill_disk()
    time.sleep(met.dice.uniform(1, 4))
    met.stage.free_disk()
    return "nothing was free"


def put_clock_back(met: Met) -> str:
    seconds = met.dice.choice((5, 60, 3600))
    met.stage.put_clock(-seconds)
    time.sleep(4)
    return f"by {seconds} s"


def put_clock_forward(met: Met) -> str:
    """And then back to the right time."""
    met.stage.put_clock(met.dice.choice((10, 600)))
    time.sleep(3)
    met.stage.put_clock(0)
    time.sleep(1.5)
    return "and back again"


def lock_ledger(seconds: tuple[float, float]) -> Callable[[Met], str]:
    """Somebody else writes into the ledger, and takes their time."""

    def lock(met: Met) -> str:
        held = met.dice.uniform(*seconds)
        ledger = sqlite3.connect(met.stage.data / "ledger.sqlite3", timeout=40)
        ledger.isolation_level = None
        try:
            ledger.execute("BEGIN IMMEDIATE")
            time.sleep(held)
            ledger.execute("ROLLBACK")
        finally:
            ledger.close()
        return f"for {held:.0f} s"

    return lock


def do_twice(state: State, stage: jobs.Stage) -> Callable[[Met], str]:
    """A second worker gets the task while the first is still at it: its lease seems to be over."""

    def twice(met: Met) -> str:
        job = _read_slowly(met) if state is State.READING else met.stage.leased(state)
        if job is None:
            return NOBODY
        site = open_site(configure(met.stage.edges[0].site.config))
        with site.database.writing() as connection:
            mine = (tables.jobs.c.id == job.id, tables.jobs.c.attempts == job.attempts)
            # That it was lost is not to count: it was not.
            over = {"lease_until": 0.0, "lost": tables.jobs.c.lost - 1}
            connection.execute(update(tables.jobs).where(*mine).values(over))
        for _ in range(2):
            site.ring(stage)
        site.database.close()
        return "while the first went on"

    return twice


def nothing(_: Met) -> str:
    """The fault is a study; see ``plan.ODD``."""
    return "sent"


def _read_slowly(met: Met) -> Job | None:
    met.stage.slow_down(0.5)
    return met.stage.leased(State.READING)


def _kill_child(job: Job) -> None:
    with suppress(ProcessLookupError):
        os.kill(process_of(job), signal.SIGKILL)


def _has_redis(stage: Stage) -> bool:
    return stage.redis is not None


def _redis(met: Met) -> Server:
    assert met.stage.redis is not None
    return met.stage.redis


def _tell(server: Server, command: str) -> str:
    """What Redis says to a command; nothing where it is away."""
    assert isinstance(server, Redis)
    with suppress(OSError), socket.create_connection((HOST, server.port), timeout=5) as line:
        line.sendall(f"{command}\r\n".encode())
        return line.recv(64).decode().strip()
    return ""


def _has_small_disk(stage: Stage) -> bool:
    return stage.disk_is_small


def _has_faketime(_: Stage) -> bool:
    return FAKETIME.exists()


def _freeze(met: Met, server: Server) -> str:
    with met.stage.alone(server):
        if not runs(server):
            return AWAY
        os.kill(server.pid, signal.SIGSTOP)
        time.sleep(met.dice.uniform(1, 5))
        os.kill(server.pid, signal.SIGCONT)
    return "it stood still"


def _start_again(met: Met, server: Server, told: str) -> str:
    """At once, as a supervisor does, or when all is made whole."""
    if met.dice.random() < 0.5:
        met.stage.start(server)
    return told


def _receives(stage: Stage) -> bool:
    return any(one.is_file() for one in stage.spool.incoming.rglob("*"))


def _until(true: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OSError):
            if true():
                return True
        time.sleep(0.01)
    return False


#: Every fault that there is, by the name that the table shows.
FAULTS: dict[str, Fault] = {
    "edge killed while receiving": Fault(kill_edge, 6),
    "an edge of two dies, association open": Fault(kill_edge_and_leave_it),
    "reader's child killed": Fault(kill_reading_child, 6),
    "reader's parent killed": Fault(kill_reading_parent),
    "reader killed, parent and child": Fault(kill_reading_both),
    "sender killed while delivering": Fault(kill_sender, 6),
    "Redis stopped": Fault(stop_redis, needs=_has_redis),
    "Redis killed and restarted": Fault(kill_redis, needs=_has_redis),
    "Redis flushed": Fault(flush_redis, needs=_has_redis),
    "Redis frozen": Fault(freeze_redis, needs=_has_redis),
    "Redis read-only": Fault(make_redis_read_only, needs=_has_redis),
    "Redis holds garbage": Fault(put_garbage_into_redis, needs=_has_redis),
    "Orthanc stopped": Fault(stop_orthanc),
    "Orthanc killed": Fault(kill_orthanc),
    "Orthanc frozen": Fault(freeze_orthanc),
    "PACS answers A700": Fault(mood("A700")),
    "PACS answers C000": Fault(mood("C000"), 2, permits="answered 0xC000"),
    "PACS answers B000": Fault(mood("B000")),
    "PACS rejects the contexts": Fault(mood("knows no class"), 2, permits="does not take"),
    "PACS rejects the association": Fault(mood("rejects"), 2, permits="rejects the association"),
    "PACS is busy": Fault(mood("is busy")),
    "PACS accepts and never answers": Fault(mood("says nothing")),
    "PACS never answers an association": Fault(mood("says nothing to associations")),
    "PACS closes in mid-transfer": Fault(mood("cuts")),
    "PACS stores and closes": Fault(mood("stores and cuts"), 6),
    "association aborted in an object": Fault(send_in_part("abort")),
    "association closed in an object": Fault(send_in_part("close")),
    "association silent in an object": Fault(send_in_part("silent"), 2),
    "disk full": Fault(fill_disk, needs=_has_small_disk),
    "clock put back": Fault(put_clock_back, needs=_has_faketime),
    "clock ahead, then put back": Fault(put_clock_forward, needs=_has_faketime),
    "SQLite locked": Fault(lock_ledger((2, 8))),
    "SQLite locked beyond the busy timeout": Fault(lock_ledger((32, 34)), 1),
    "reading delivered twice": Fault(do_twice(State.READING, jobs.READ)),
    "delivery delivered twice": Fault(do_twice(State.DELIVERING, jobs.DELIVER)),
    **{name: Fault(nothing, 2 if odd == "deadly" else 5) for name, odd in ODD.items()},
}
