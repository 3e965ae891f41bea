"""A door under fire: batches of inputs, each accounted for, and nothing left behind.

A batch has a node of its own. Each input ends stored or quarantined (its very bytes, and a reason
in the ledger), or its association was refused or ended. After the batch an honest sender is served,
and threads, open files and temporary files are as they were before.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import receiving
import wire
from receiving import DOOR, EXPLICIT, LIMITS, Node, dataset, encoded, part10
from sqlalchemy import func, select

from dicom_node import logs
from dicom_node.ledger.tables import instances, quarantine
from dicom_node.partial import data_set_of

#: Where inputs that found a fault are kept; printed with the fault.
FOUND = Path(tempfile.gettempdir()) / "dicom-node-fuzz"
_ALLOWED = (0x0000, 0xC000)
_SETTLE_SECONDS = 15.0  # less than any limit of time that the door has in these tests
_AT_ONCE = 6
_LINES = 10  # in the log for one input, at most: more is a loop
_DOOR = replace(DOOR, maximum_associations=50, maximum_per_sender=50)


@dataclass
class Tally:
    """A line of the table."""

    kind: str
    inputs: int = 0
    stored: int = 0
    quarantined: int = 0
    refused: int = 0
    milliseconds: list[float] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)

    def line(self) -> str:
        median = statistics.median(self.milliseconds) if self.milliseconds else 0.0
        return (
            f"{self.kind:<22}{self.inputs:>8}{self.stored:>8}{self.quarantined:>13}"
            f"{self.refused:>9}{median:>11.1f}{len(self.crashes):>9}{len(self.leaks):>7}"
        )

    def fault(self, content: bytes, what: str) -> None:
        """Keep an input that found a fault."""
        FOUND.mkdir(exist_ok=True)
        path = FOUND / f"{self.kind.replace(' ', '-')}-{hashlib.sha256(content).hexdigest()[:16]}"
        path.write_bytes(content)
        self.crashes.append(f"{what}: {path}")


HEADING = (
    f"{'kind':<22}{'inputs':>8}{'stored':>8}{'quarantined':>13}{'refused':>9}{'median ms':>11}"
    f"{'crashes':>9}{'leaks':>7}"
)


class _Traces(logging.Handler):
    """What a log would have with a trace, after the node's own filter; and uncaught ones."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.addFilter(logs._tells_something)
        self.seen: list[str] = []
        self.lines = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += 1
        if record.exc_info:
            self.seen.append(logs.Withholding("%(name)s: %(message)s").format(record))

    def uncaught(self, what: Any) -> None:
        self.seen.append("\n".join(logs._chain(what.exc_value)))


@contextmanager
def under_fire(tally: Tally, folder: Path) -> Iterator[Node]:
    """A node for one batch, looked at afterwards."""
    traces, hook = _Traces(), threading.excepthook
    logging.getLogger().addHandler(traces)
    threading.excepthook = traces.uncaught
    try:
        with receiving.node(folder, _DOOR, LIMITS) as node:
            _honest(node, tally)
            before = _open()
            yield node
            _honest(node, tally)
            _settled(tally, node, before)
            _accounted(tally, node)
    finally:
        logging.getLogger().removeHandler(traces)
        threading.excepthook = hook
    tally.crashes += traces.seen
    if traces.lines > _LINES * (tally.inputs + 10):
        tally.crashes.append(f"{traces.lines} lines in the log")


def _honest(node: Node, tally: Tally) -> None:
    """Somebody else is served."""
    made = dataset()
    content = encoded(made, EXPLICIT)
    path = part10(node.spool.root / "honest.dcm", made, content, EXPLICIT)
    with receiving.associated(node, [(wire.FILM, [EXPLICIT])], "HONEST") as opened:
        if not opened.is_established or receiving.status(opened, path) != 0:
            tally.crashes.append("an honest sender was not served")
    path.unlink()


def _open() -> dict[str, int]:
    gc.collect()
    return {"threads": threading.active_count(), "files": len(os.listdir("/proc/self/fd"))}  # noqa: PTH208


def _settled(tally: Tally, node: Node, before: dict[str, int]) -> None:
    deadline = time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < deadline:
        now = _open()
        left = [f"{now[one] - before[one]} {one}" for one in now if now[one] > before[one]]
        left += [f"{len(found)} temporary files"] if (found := node.temporary()) else []
        if not left:
            return
        time.sleep(0.1)
    tally.leaks += left


def _accounted(tally: Tally, node: Node) -> None:
    """All that lies in the spool is in the ledger, with a reason where it was set aside."""
    stored, aside = len(node.received()), len(list(node.spool.quarantine.iterdir()))

    def entered() -> bool:
        with node.database.reading() as connection:
            known = connection.execute(select(func.count()).select_from(instances)).scalar_one()
            reasons = list(connection.execute(select(quarantine.c.reason)).scalars())
        return known == stored and len(reasons) == aside and all(reasons)

    deadline = time.monotonic() + _SETTLE_SECONDS
    while not entered():
        if time.monotonic() > deadline:
            tally.crashes.append("what lies in the spool is not all in the ledger")
            return
        time.sleep(0.1)


def send_data_sets(tally: Tally, node: Node, inputs: Sequence[tuple[str, bytes]]) -> None:
    """Each as it is by C-STORE: transfer syntax, and the bytes of the data set."""
    syntaxes = sorted({syntax for syntax, _ in inputs})
    contexts = [wire.context(2 * at + 1, wire.FILM, one) for at, one in enumerate(syntaxes)]
    connection = wire.associated(node.port, wire.request(contexts))
    answers = []
    for syntax, content in inputs:
        begun = time.monotonic()
        connection.sendall(
            b"".join(wire.store(content, "1.2.3", context=2 * syntaxes.index(syntax) + 1))
        )
        connection.settimeout(60)
        answers.append(wire.status(connection))
        tally.milliseconds.append(1000 * (time.monotonic() - begun))
        if answers[-1] not in _ALLOWED:
            tally.fault(content, f"answered {answers[-1]:#x}")
            connection.close()
            connection = wire.associated(node.port, wire.request(contexts))
    connection.sendall(wire.RELEASE)
    wire.end_of(connection)
    connection.close()
    stored = {_digest(path) for path in node.received()}
    aside = {_digest(path) for path in node.spool.quarantine.iterdir()}
    for (_, content), answer in zip(inputs, answers, strict=True):
        digest = hashlib.sha256(content).digest()
        tally.inputs += 1
        tally.stored += digest in stored
        tally.quarantined += digest in aside and digest not in stored
        if answer in _ALLOWED and digest not in stored | aside:
            tally.fault(content, f"answered {answer:#x} and kept nowhere")


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()[data_set_of(path)[1] :]).digest()


def send_conversations(tally: Tally, node: Node, inputs: Sequence[bytes]) -> None:
    """Each over a connection of its own, to its end; several at once."""
    before = _kept(node)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        times = list(pool.map(lambda content: _say(node, content), inputs))
    for content, seconds in zip(inputs, times, strict=True):
        if seconds is None:
            tally.fault(content, "the connection was not ended")
    tally.milliseconds += [1000 * one for one in times if one is not None]
    stored, aside = (now - then for now, then in zip(_kept(node), before, strict=True))
    tally.inputs += len(inputs)
    tally.stored += stored
    tally.quarantined += aside
    tally.refused += len(inputs) - stored - aside


def _kept(node: Node) -> tuple[int, int]:
    return len(node.received()), len(list(node.spool.quarantine.iterdir()))


def _say(node: Node, content: bytes) -> float | None:
    """Seconds until the connection has ended after all was said; None where it did not."""
    begun = time.monotonic()
    with wire.connected(node.port) as connection:
        try:
            # What follows the request may be said once it is accepted.
            first = 6 + int.from_bytes(content[2:6])
            connection.sendall(content[:first])
            if first < len(content):
                connection.settimeout(3)
                with suppress(TimeoutError):
                    wire.received(connection)
            connection.sendall(content[first:])
            connection.shutdown(wire.socket.SHUT_WR)
        except OSError:
            pass
        try:
            wire.end_of(connection, 30)
        except TimeoutError:
            return None
    return time.monotonic() - begun
