"""``make bench-queue``: how quickly studies that wait are worked off, and by how many workers.

The programs are the node's own; the engine costs nothing, the destination takes everything and
keeps nothing. Each stage by itself, then all at once. Rates are of the ledger's own clock, from the
first study that a stage ended to the last; CPU seconds are those of the stage's processes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import nodes
import waiting
from peers import PostgreSQL, Redis, Server, StoreScp
from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from dicom_node.ledger.database import Database
from dicom_node.ledger.tables import events, jobs
from workers.plain import tell

PROGRAM = Path(__file__).parent / "free_node.py"
#: What the history says when a stage has ended.
_ENDED = {"fetch": "reading: prior%", "read": "read", "deliver": "done"}
_CONSOLE = Console(soft_wrap=True)
#: What is made of each study: the least that can be.
_PROFILES = {"one": {"based_on": "air", "outputs": ["sr"]}}


class Part(nodes.Node):
    """One more process of a role, with the engine that costs nothing."""

    def __init__(self, site: nodes.Site, role: str, number: int = 0) -> None:
        super().__init__(site, role)
        self.folder = site.folder / f"process-{role}-{number}"
        self.folder.mkdir(exist_ok=True)
        self.log = self.folder / "log.txt"

    def command(self) -> list[str]:
        return [sys.executable, str(PROGRAM), self.role, "--config", str(self.site.config)]


@dataclass(frozen=True, slots=True)
class Rate:
    """What so many processes did of a stage."""

    stage: str
    processes: str
    studies: int
    per_second: float
    cpu_milliseconds: float  # of a study


@dataclass
class Site:
    """A site with its ledger, its broker and a destination that takes everything."""

    written: nodes.Site
    database: Database
    others: list[Server]

    def fill(self, count: int) -> None:
        waiting.put(self.database, self.written.data, count)

    def ended(self, stage: str) -> tuple[int, float, float]:
        """How many jobs have ended this stage, when the first did, and when the last."""
        told = select(func.count(), func.min(events.c.at), func.max(events.c.at)).where(
            events.c.what.like(_ENDED[stage])
        )
        with self.database.reading() as connection:
            count, first, last = connection.execute(told).one()
        return count, first or 0.0, last or 0.0

    def states(self) -> dict[str, int]:
        """How many jobs there are in each state."""
        counts = select(jobs.c.state, func.count()).group_by(jobs.c.state)
        with self.database.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(counts)}


@contextmanager
def site(folder: Path, kind: str, level: str = "WARNING") -> Iterator[Site]:
    """A site; ``kind`` is one of :data:`KINDS`."""
    with ExitStack() as stack:
        pacs = stack.enter_context(StoreScp(folder / "pacs", options=["--fork", "--ignore"]))
        written = nodes.Site(folder / "site")
        url = f"sqlite:///{written.data}/ledger.sqlite3"
        sections: dict[str, object] = {}
        if "redis" in kind:
            sections["broker"] = {"url": stack.enter_context(Redis(folder / "redis")).url}
        if "postgresql" in kind:
            server = stack.enter_context(PostgreSQL(folder / "postgresql", fsync=True))
            url = server.new_database()
            sections["ledger"] = {"url": url}
        written.configure(
            destinations=[nodes.peer(pacs, name="pacs", test=True, verify="none", profile="one")],
            engine={"name": "free"},
            profiles=_PROFILES,
            log={"level": level},
            **sections,
        )
        written.data.mkdir(exist_ok=True)
        database = Database(url)
        stack.callback(database.close)
        yield Site(written, database, [])


KINDS = ("sqlite", "sqlite, redis", "postgresql, redis")


def measure(at: Site, stage: str, parts: Sequence[Part], count: int, seconds: float) -> Rate:
    """Let these processes end a stage of all studies, or of as many as they can in so long."""
    with running(parts):
        before, _, _ = at.ended(stage)
        _until(lambda: at.ended(stage)[0] > before, 120)
        cpu, begun = _cpu_seconds(parts), at.ended(stage)[0]
        started = time.monotonic()
        _until(lambda: at.ended(stage)[0] >= count, seconds)
        took, done = time.monotonic() - started, at.ended(stage)[0] - begun
        cpu = _cpu_seconds(parts) - cpu
    roles = [part.role for part in parts]
    told = ", ".join(f"{roles.count(role)} {role}" for role in dict.fromkeys(roles))
    return Rate(stage, told, done, done / took, 1000 * cpu / max(done, 1))


@contextmanager
def running(parts: Sequence[Part]) -> Iterator[None]:
    """All of these processes; none waits for another one's start."""
    with ExitStack() as stack:
        for part in parts:
            stack.enter_context(part)
        yield


def _until(true: Callable[[], bool], seconds: float) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and not true():
        time.sleep(0.25)


def _cpu_seconds(parts: Sequence[Part]) -> float:
    """Of these processes and their children, in this system's ticks of 10 ms."""
    return sum(_of_process(part.pid) for part in parts)


def _of_process(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    own = (int(fields[11]) + int(fields[12])) / 100
    return own + sum(_of_process(int(child)) for child in children)


def stages(at: Site, processes: int, count: int, seconds: float) -> Iterator[Rate]:
    """Each stage by itself, the edge beside it."""
    at.fill(count)
    due = count
    with Part(at.written, "edge"):
        for stage, role in (("fetch", "sender"), ("read", "worker"), ("deliver", "sender")):
            parts = [Part(at.written, role, number) for number in range(processes)]
            yield measure(at, stage, parts, due, seconds)
            due = at.ended(stage)[0]


def together(at: Site, workers: int, senders: int, count: int, seconds: float) -> Rate:
    """All stages at once."""
    at.fill(count)
    parts = [Part(at.written, "worker", number) for number in range(workers)]
    parts += [Part(at.written, "sender", number) for number in range(senders)]
    with Part(at.written, "edge"), _told_every_minute(at):
        return measure(at, "deliver", parts, count, seconds)


@contextmanager
def _told_every_minute(at: Site) -> Iterator[None]:
    over = threading.Event()

    def tell_states() -> None:
        while not over.wait(60):
            tell(_CONSOLE, f"  {time.strftime('%H:%M:%S')} {at.states()}")

    thread = threading.Thread(target=tell_states)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def table(kind: str, rates: Sequence[Rate]) -> Table:
    """As it stands in docs/scaling.md."""
    told = Table("stage", title=kind, box=None)
    for name in ("processes", "studies", "a second", "CPU ms a study"):
        told.add_column(name, justify="right")
    for one in rates:
        told.add_row(
            one.stage, one.processes, str(one.studies), f"{one.per_second:.1f}",
            f"{one.cpu_milliseconds:.0f}",
        )  # fmt: skip
    return told


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="at most, for each rate")
    parser.add_argument("--processes", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--senders", type=int, default=2)
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument(
        "--together",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="all stages at once too, until all is done or for so long",
    )
    chosen = parser.parse_args()
    for kind in chosen.kind or KINDS:
        rates: list[Rate] = []
        for processes in chosen.processes:
            with _fresh(kind) as at:
                rates += stages(at, processes, chosen.studies, chosen.seconds)
            if chosen.together:
                with _fresh(kind) as at:
                    rates.append(
                        together(at, processes, chosen.senders, chosen.studies, chosen.together)
                    )
        _CONSOLE.print(table(kind, rates))


@contextmanager
def _fresh(kind: str) -> Iterator[Site]:
    with (
        tempfile.TemporaryDirectory(prefix="dicom-node-bench-") as name,
        site(Path(name), kind) as at,
    ):
        yield at
        tell(_CONSOLE, f"{kind}: {at.states()}")


if __name__ == "__main__":
    main()
