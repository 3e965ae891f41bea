"""The edge as a process of its own: the order of what it does, its memory, and how it ends."""

from __future__ import annotations

import errno
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from nodes import AE_TITLE, Node, Site
from peers import echo, free_port, need, storescu, wait_until
from pydicom.uid import ComputedRadiographyImageStorage
from receiving import EXPLICIT, associated, dataset, encoded, part10, status

from dicom_node.ledger.retrievals import retrieving
from dicom_node.receive.scp import Receiver
from workers import edge, site

_STOP_SECONDS = 15
FILMS = [(ComputedRadiographyImageStorage, [EXPLICIT])]


def film(path: Path, **elements: str) -> tuple[Path, str]:
    """A film with its SOP Instance UID."""
    made = dataset(**elements)
    return part10(path, made, encoded(made, EXPLICIT), EXPLICIT), str(made.SOPInstanceUID)


class Traced(Node):
    """An edge under strace."""

    def __init__(self, site: Site) -> None:
        super().__init__(site, "edge")
        self.trace = self.folder / "trace.txt"
        self._strace = need("strace", "strace")

    def command(self) -> list[str]:
        names = "fsync,fdatasync,rename,renameat,renameat2,link,linkat,mkdir,sendto,sendmsg"
        options = ["-f", "--seccomp-bpf", "-y", "-s", "8", "-e", f"trace={names}"]
        return [self._strace, *options, "-o", str(self.trace), *super().command()]

    def stop(self) -> None:
        """By its own process: strace ends with it, and waits for it whatever it is told."""
        if self._process is not None:
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
            for child in children.split():
                os.kill(int(child), signal.SIGTERM)
            self._process.wait(_STOP_SECONDS)
        super().stop()


@dataclass(frozen=True)
class Call:
    """A finished system call: its name, and what strace prints of its arguments."""

    name: str
    arguments: str


def calls(trace: str) -> list[Call]:
    """In the order in which they ended, of all threads."""
    begun: dict[str, Call] = {}
    done = []
    for line in trace.splitlines():
        thread, _, what = line.partition(" ")
        if match := re.match(r"\s*<\.\.\. (\w+) resumed>", what):
            done.append(begun.pop(thread))
            assert done[-1].name == match[1]
        elif match := re.match(r"\s*(\w+)\((.*)", what):
            call = Call(match[1], match[2])
            if "<unfinished" in what:
                begun[thread] = call
            else:
                done.append(call)
    return done


def place(done: list[Call], name: str, what: str, after: int = 0) -> int:
    """Where a call stands; fails when there is none."""
    for at, call in enumerate(done[after:], after):
        if re.fullmatch(name, call.name) and re.search(what, call.arguments):
            return at
    raise AssertionError(f"no {name} of {what} after call {after}")


def test_an_object_is_on_the_disk_before_it_is_answered(tmp_path: Path) -> None:
    """The file's bytes, its name, the folder's names; for a new study also the folder's own."""
    site = Site(tmp_path / "site")
    first, uid = film(tmp_path / "first.dcm", StudyInstanceUID="1.2.3")
    second, other = film(tmp_path / "second.dcm", StudyInstanceUID="1.2.3")
    edge = Traced(site)
    with edge, associated(site.port, FILMS, called=AE_TITLE) as opened:
        assert [status(opened, one) for one in (first, second)] == [0, 0]
    done = calls(edge.trace.read_text("utf-8", "replace"))
    made = place(done, "mkdir", r'studies/1\.2\.3"')
    parent = place(done, "fsync", r"/studies>", made)
    begin = 0
    for name in (uid, other):
        named = place(
            done, "(rename|link).*", rf'incoming/.*studies/1\.2\.3/{re.escape(name)}\.dcm"'
        )
        flushed = [
            at
            for at in range(begin, named)
            if done[at].name in ("fsync", "fdatasync") and "/incoming/" in done[at].arguments
        ]
        assert flushed, "the bytes were not flushed before they had their name"
        folder = place(done, "fsync", r"studies/1\.2\.3>", named)
        # P-DATA-TF: what goes out first on this association after the object has its name.
        answered = place(done, "send(to|msg)", r'"\\4', named)
        assert named < folder < answered
        assert made < parent < answered
        begin = answered


def memory(pid: int) -> int:
    """Bytes of a process that lie in memory (VmRSS)."""
    text = Path(f"/proc/{pid}/status").read_text()
    (kib,) = re.findall(r"VmRSS:\s+(\d+) kB", text)
    return int(kib) * 1024


@contextmanager
def highest_memory(pid: int) -> Iterator[list[int]]:
    """What it was before, and the highest while the block ran."""
    seen = [memory(pid), 0]
    running = [True]

    def look() -> None:
        while running[0]:
            seen[1] = max(seen[1], memory(pid))
            time.sleep(0.02)

    looker = Thread(target=look)
    looker.start()
    try:
        yield seen
    finally:
        running[0] = False
        looker.join()


MIB = 1024**2


def test_memory_stays_flat_whatever_a_study_has(tmp_path: Path) -> None:
    """600 small objects, then two of 200 MB, on one association and of one study."""
    site = Site(tmp_path / "site")
    site.configure(completion={"quiet_seconds": 600})
    stem = "1.2.826.0.1.1"
    paths = {}
    for name, size in (("small", 2048), ("large", 200 * MIB)):
        made = dataset(
            PixelData=bytes(size), StudyInstanceUID="1.2.3", SOPInstanceUID=f"{stem}0000000"
        )
        made["PixelData"].VR = "OW"
        paths[name] = part10(tmp_path / f"{name}.dcm", made, encoded(made, EXPLICIT), EXPLICIT)
    with Node(site, "edge") as edge, associated(site.port, FILMS, called=AE_TITLE) as opened:
        _send_under_new_uids(opened, paths["small"], stem, range(50))
        with highest_memory(edge.pid) as of_small:
            _send_under_new_uids(opened, paths["small"], stem, range(50, 650))
        with highest_memory(edge.pid) as of_large:
            _send_under_new_uids(opened, paths["large"], stem, range(650, 652))
        time.sleep(1)
        after = memory(edge.pid)
    grown = [(one - of_small[0]) / MIB for one in (of_small[1], of_large[1], after)]
    assert len(list(site.data.glob("studies/1.2.3/*.dcm"))) == 652
    assert max(grown) < 40, f"MiB more while small, while large, and after: {grown}"


def _send_under_new_uids(opened: Any, path: Path, stem: str, numbers: range) -> None:
    """The same file with another SOP Instance UID each time: the stem and seven digits."""
    with path.open("r+b") as file:
        places = [one.end() for one in re.finditer(re.escape(stem.encode()), file.read(4096))]
        assert len(places) == 2  # in the meta information and in the data set
        for number in numbers:
            for at in places:
                file.seek(at)
                file.write(f"{number:07d}".encode())
            file.flush()
            assert status(opened, path) == 0


def test_what_was_answered_is_there_after_a_stop_and_nothing_by_half(tmp_path: Path) -> None:
    """SIGTERM in the middle of a stream of objects."""
    site = Site(tmp_path / "site")
    site.configure(completion={"quiet_seconds": 600})
    edge = Node(site, "edge")
    answered: list[str] = []
    with edge, associated(site.port, FILMS, called=AE_TITLE) as opened:
        for number in range(300):
            path, uid = film(tmp_path / "film.dcm")
            if number == 20:
                os.kill(edge.pid, signal.SIGTERM)
            try:
                answer = status(opened, path)
            except RuntimeError:
                break
            if answer != 0:
                break
            answered.append(uid)
        begun = time.monotonic()
    assert time.monotonic() - begun < 10
    assert 20 <= len(answered) < 300
    there = {one.stem for one in site.data.glob("studies/*/*.dcm")}
    assert set(answered) <= there
    # Of the last one the answer may have been lost.
    assert len(there) <= len(answered) + 1
    listed = site.command("jobs", "--json", "--limit", "1000")
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.count('"received"') >= len(answered)
    assert list((site.data / "incoming").rglob("*.dcm")) == []


def test_a_conflict_is_shown_by_jobs_with_its_reason(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    uids = {"StudyInstanceUID": "1.2.3", "SOPInstanceUID": "1.2.3.4"}
    sent = [
        film(tmp_path / "1.dcm", **uids)[0],
        film(tmp_path / "2.dcm", **uids, BodyPartExamined="HIP")[0],
        film(tmp_path / "3.dcm", StudyInstanceUID="1.2.3", PatientID="OTHER")[0],
    ]
    with Node(site, "edge"), associated(site.port, FILMS, called=AE_TITLE) as opened:
        assert [status(opened, one) for one in sent] == [0, 0, 0]
        wait_until(lambda: len(site.listing()["quarantine"]) == 2, "both are shown")
        told = site.command("jobs").stdout
    assert "came before with other bytes" in " ".join(told.split())
    assert "another Patient ID" in " ".join(told.split())


def test_what_the_archive_routes_while_it_is_asked_for_it_is_read(tmp_path: Path) -> None:
    """It is the prior of another study, and was not received yet: nobody would send it again."""
    written = Site(tmp_path / "site")
    archive = {"ae_title": "PACS", "host": "127.0.0.1", "port": free_port()}
    written.configure(archive=archive | {"protocol": "dimse", "retrieve": "c-move"})
    opened = site.open_site(site.configure(written.config))
    today = {"StudyDate": f"{datetime.now().astimezone():%Y%m%d}", "StudyInstanceUID": "1.2.3"}
    first, routed = film(tmp_path / "first.dcm")[0], film(tmp_path / "routed.dcm", **today)[0]
    with Node(written, "edge"), associated(written.port, FILMS, "PACS", AE_TITLE) as line:
        assert status(line, first) == 0
        wait_until(lambda: len(written.jobs()) == 1, "it is entered")
        with retrieving(opened.database, int(written.jobs()[0]["id"]), "1.2.3", "PACS", 120):
            assert status(line, routed) == 0
        wait_until(lambda: len(written.jobs()) == 2, "what was routed is entered, too")
    assert [one.parent.parent.name for one in sorted(written.data.glob("[sp]*/1.2.3/*.dcm"))] == [
        "priors",
        "studies",
    ]


def test_a_caller_that_says_nothing_does_not_hold_up_the_end(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    edge = Node(site, "edge")
    with (
        edge,
        socket.create_connection(("127.0.0.1", site.port)) as silent,
        associated(site.port, FILMS, called=AE_TITLE) as opened,
    ):
        assert opened.is_established
        silent.sendall(b"\x01\x00\x00")
        begun = time.monotonic()
        edge.stop()
        assert time.monotonic() - begun < 8


def test_a_disk_that_is_away_for_a_moment_does_not_end_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(edge, "_SHOW_LIFE_EVERY_SECONDS", 0)
    monkeypatch.setattr(edge, "_SHOW_LIFE_AGAIN_SECONDS", 0)
    written = Site(tmp_path / "site")
    with running(written) as thread:
        away = written.data.rename(written.folder / "away")
        wait_until(lambda: "the data folder: No such file" in caplog.text, "it says so")
        away.rename(written.data)
        path, _ = film(tmp_path / "film.dcm")
        storescu([path], written.port, aec=AE_TITLE)
        wait_until(lambda: len(written.jobs()) == 1, "what comes then is entered")
        assert thread.is_alive()


def test_a_disk_that_is_full_at_its_start_does_not_end_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It has to run to delete what may go."""
    monkeypatch.setattr(edge, "_SHOW_LIFE_AGAIN_SECONDS", 0)
    make, full = Path.mkdir, threading.Event()
    full.set()

    def mkdir(folder: Path, *arguments: Any, **options: Any) -> None:
        if full.is_set() and folder.parent.name == "incoming":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        make(folder, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    written = Site(tmp_path / "site")
    path, _ = film(tmp_path / "film.dcm")
    with running(written):
        assert "nothing can be received: the data folder: No space left" in caplog.text
        assert storescu([path], written.port, aec=AE_TITLE, check=False).returncode != 0
        full.clear()
        wait_until(
            lambda: storescu([path], written.port, aec=AE_TITLE, check=False).returncode == 0,
            "it is accepted once there is room",
        )
        wait_until(lambda: len(written.jobs()) == 1, "and entered")


def test_an_edge_that_cannot_show_life_rings_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However seldom it looks: what is delivered makes room on a disk that is full."""
    monkeypatch.setattr(edge, "_SHOW_LIFE_AGAIN_SECONDS", 0)

    def full(_: Receiver) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Receiver, "show_life", full)
    written = Site(tmp_path / "site")
    written.configure(completion={"quiet_seconds": 0.5})
    path, _ = film(tmp_path / "film.dcm")
    with running(written):
        storescu([path], written.port, aec=AE_TITLE)
        written.job_in("queued", seconds=30)


@contextmanager
def running(written: Site) -> Iterator[Thread]:
    """An edge in this process."""
    stop = threading.Event()
    opened = site.open_site(site.configure(written.config))
    thread = Thread(target=edge.run, args=(opened, stop))
    thread.start()
    try:
        wait_until(lambda: echo(written.port, AE_TITLE), "the edge answers")
        yield thread
    finally:
        stop.set()
        thread.join()
