"""``dicom-node run``: three parts under one command, whichever of them dies."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from builders import chest, drawn_picture
from nodes import AE_TITLE, READ_SECONDS, Node, Site
from peers import HOST, dcmsend, wait_until

PARTS = {"edge", "sender", "worker"}
#: A part imports its libraries on two slow cores.
START_SECONDS = 60.0
#: As long as a supervisor waits for its parts, and a little more.
STOP_SECONDS = 40.0


def status(pid: int) -> tuple[str, int] | None:
    """State and parent of a process; None when it has ended, reaped or not."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, parent = text.rpartition(")")[2].split()[:2]
    return None if state in "ZX" else (state, int(parent))


def children(pid: int) -> set[int]:
    """The processes that this one started itself."""
    running = {int(path.name): status(int(path.name)) for path in Path("/proc").glob("[0-9]*")}
    return {one for one, known in running.items() if known is not None and known[1] == pid}


def descendants(pid: int) -> set[int]:
    """Its children and theirs: Celery's prefork worker has a child that reads."""
    found = children(pid)
    return found.union(*(descendants(one) for one in found))


def parts(node: Node) -> dict[str, int]:
    """The process ids of the parts that run."""
    found = {}
    for pid in children(node.pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            found.update({word: pid for word in words if word in PARTS})
    return found


def ended(pids: set[int]) -> bool:
    return all(status(pid) is None for pid in pids)


def log_of(node: Node) -> str:
    return node.log.read_text("utf-8", "replace")


def all_run(node: Node) -> bool:
    """All parts run, and the reader has its own process: it can be stopped by its time limit."""
    found = parts(node)
    return found.keys() == PARTS and bool(children(found["worker"]))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


@pytest.fixture
def node(site: Site) -> Iterator[Node]:
    """A node of which all parts run; whatever it leaves behind is ended."""
    with Node(site) as started:
        wait_until(lambda: all_run(started), "all parts run", START_SECONDS)
        left = descendants(started.pid)
        try:
            yield started
        finally:
            left |= descendants(started.pid)
            started.stop()
            for pid in left:
                if status(pid) is not None:
                    os.kill(pid, signal.SIGKILL)


def test_its_three_parts_run_and_end_with_it(node: Node) -> None:
    left = descendants(node.pid)
    assert parts(node).keys() == PARTS
    assert len(left) > len(PARTS)

    os.kill(node.pid, signal.SIGTERM)

    wait_until(lambda: ended(left | {node.pid}), "no process is left", STOP_SECONDS)
    exited = os.waitid(os.P_PID, node.pid, os.WEXITED | os.WNOWAIT)
    assert exited is not None
    assert (exited.si_code, exited.si_status) == (os.CLD_EXITED, 0)
    said = log_of(node)
    assert "Traceback" not in said
    assert said.count("runs as root") == (os.geteuid() == 0)
    assert "withheld" not in said, "nothing is told that tells nothing"
    assert "shutdown" not in said
    assert said.count(": stopped\n") == 2


@pytest.mark.parametrize(
    ("part", "body_part", "state"),
    [("edge", "HAND", "refused"), ("sender", "HAND", "refused"), ("worker", "CHEST", "done")],
)
def test_a_part_that_is_killed_is_started_again_and_does_its_work(
    node: Node, tmp_path: Path, part: str, body_part: str, state: str
) -> None:
    before = parts(node)
    its_own = descendants(before[part])

    os.kill(before[part], signal.SIGKILL)

    wait_until(
        lambda: parts(node).get(part) not in (None, before[part]), "it runs again", START_SECONDS
    )
    wait_until(lambda: ended(its_own), "what it had started ends too", STOP_SECONDS)
    after = parts(node)
    assert {name for name in PARTS if after[name] != before[name]} == {part}
    assert f"{part} ended with status -9; again in 1 s" in log_of(node)
    wait_until(node.answers, "the door is open", START_SECONDS)
    film = chest(tmp_path / "film.dcm", drawn_picture(), BodyPartExamined=body_part)
    dcmsend([film], node.site.port, aec=AE_TITLE)
    node.site.job_in(state, seconds=READ_SECONDS)


def test_a_part_that_dies_again_is_started_again_later(node: Node) -> None:
    for pause in (1, 2):
        pid = parts(node)["sender"]
        os.kill(pid, signal.SIGKILL)
        wait_until(
            lambda pid=pid: parts(node).get("sender") not in (None, pid),  # type: ignore[misc]
            "it runs again",
            START_SECONDS,
        )
        assert f"sender ended with status -9; again in {pause} s" in log_of(node)


def test_a_supervisor_that_is_killed_leaves_nothing_behind(node: Node) -> None:
    left = descendants(node.pid)
    assert len(left) > len(PARTS)

    os.kill(node.pid, signal.SIGKILL)

    wait_until(lambda: ended(left), "no process is left", STOP_SECONDS)
    with socket.socket() as probe:
        assert probe.connect_ex((HOST, node.site.port)) != 0, "the port is free again"


def test_what_cannot_even_start_ends_all_parts_with_one_line(site: Site) -> None:
    """Another program has the port; starting the edge again would not help."""
    with socket.socket() as other:
        other.bind((HOST, site.port))
        other.listen()
        with subprocess.Popen(
            [sys.executable, "-m", "workers", "run", "--config", str(site.config)],
            stderr=subprocess.PIPE,
            text=True,
        ) as started:
            seen: set[int] = set()

            def is_over() -> bool:
                seen.update(descendants(started.pid))
                return status(started.pid) is None

            try:
                wait_until(is_over, "it ends by itself", START_SECONDS + STOP_SECONDS)
            finally:
                started.kill()
            _, told = started.communicate()
    assert started.returncode == 2
    assert f"cannot listen on {HOST} port {site.port}: Address already in use" in told
    assert "change node.port" in told
    assert "Traceback" not in told
    assert len(seen) >= len(PARTS)
    assert ended(seen)
