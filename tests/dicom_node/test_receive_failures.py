"""What goes wrong while receiving: nothing is lost, nothing is mixed up, and the node lives on."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import receiving
from pydicom.uid import ComputedRadiographyImageStorage, generate_uid
from pynetdicom.dimse_primitives import C_STORE
from receiving import (
    DOOR,
    EXPLICIT,
    IMPLICIT,
    Node,
    associated,
    dataset,
    encoded,
    part10,
    settle,
    status,
)
from sqlalchemy import func, select

from dicom_node.association import echo
from dicom_node.ledger import arrivals, history, jobs, quarantined
from dicom_node.ledger.tables import associations
from dicom_node.receive import recorder
from dicom_node.receive.door import Door
from dicom_node.receive.recorder import CONFLICT, FORGOTTEN, REENCODED
from dicom_node.receive.scan import scan

FILMS = [(ComputedRadiographyImageStorage, [EXPLICIT])]
BOTH = [(ComputedRadiographyImageStorage, [one]) for one in (EXPLICIT, IMPLICIT)]
OUT_OF_RESOURCES = 0xA700
CANNOT_UNDERSTAND = 0xC000


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    with ExitStack() as stack:
        yield lambda door=DOOR, folder=tmp_path: stack.enter_context(receiving.node(folder, door))


def film(folder: Path, syntax: str = EXPLICIT, **elements: str) -> Path:
    made = dataset(**elements)
    name = f"{len(list(folder.iterdir()))}.dcm"
    return part10(folder / name, made, encoded(made, syntax), syntax)


def reasons(node: Node) -> list[str]:
    return [one.reason for one in quarantined.listing(node.database, limit=9)]


def test_the_same_data_set_in_a_file_of_other_software_is_the_same(
    start: Callable[..., Node], tmp_path: Path
) -> None:
    """A later version of pynetdicom writes another meta information round the same bytes."""
    node = start()
    made = dataset()
    sent = part10(tmp_path / "film.dcm", made, encoded(made, EXPLICIT), EXPLICIT)
    with associated(node, FILMS) as opened:
        assert status(opened, sent) == 0
        (there,) = node.received()
        named = {"ImplementationVersionName": "PYNETDICOM_9"}
        part10(there, made, encoded(made, EXPLICIT), EXPLICIT, **named)
        before = there.read_bytes()
        assert status(opened, sent) == 0
    settle(node.studies)
    assert there.read_bytes() == before
    assert reasons(node) == []
    assert node.temporary() == []


def test_the_same_object_in_another_transfer_syntax_is_set_aside(
    start: Callable[..., Node], tmp_path: Path
) -> None:
    node = start()
    made = dataset()
    first, again = (
        part10(tmp_path / f"{one}.dcm", made, encoded(made, one), one)
        for one in (EXPLICIT, IMPLICIT)
    )
    with associated(node, BOTH) as opened:
        assert [status(opened, one) for one in (first, again, again)] == [0, 0, 0]
    settle(lambda: reasons(node))
    assert reasons(node) == [REENCODED]


def test_a_conflict_that_is_sent_again_is_told_once(
    start: Callable[..., Node], tmp_path: Path
) -> None:
    node = start()
    uids = {one: generate_uid() for one in ("StudyInstanceUID", "SOPInstanceUID")}
    first = film(tmp_path, **uids)
    other = film(tmp_path, **uids, BodyPartExamined="HIP")
    with associated(node, FILMS) as opened:
        assert [status(opened, one) for one in (first, other, other, other)] == [0] * 4
    settle(lambda: reasons(node))
    with associated(node, FILMS) as opened:
        assert status(opened, other) == 0
    assert reasons(node) == [CONFLICT]
    assert node.temporary() == []


def test_what_was_set_aside_and_not_entered_is_found_at_the_next_start(
    start: Callable[..., Node], tmp_path: Path
) -> None:
    node = start()
    (node.spool.quarantine / f"{'0' * 64}.dcm").write_bytes(b"what an edge left that was killed")
    for _ in range(2):
        scan(node.spool, node.database, node.recorder)
        settle(lambda: reasons(node))
    assert reasons(node) == [FORGOTTEN]


def test_a_file_that_cannot_be_read_does_not_keep_the_scan_from_the_others(
    start: Callable[..., Node], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    node = start()
    good = film(tmp_path, StudyInstanceUID="1.2.3", SOPInstanceUID="1.2.3.5")
    for study in ("1.2.2", "1.2.3"):
        (node.spool.study(study) / "1.2.3.4.dcm").mkdir(parents=True)  # EISDIR, as a bad sector EIO
    shutil.copy(good, node.spool.study("1.2.3") / "1.2.3.5.dcm")
    assert scan(node.spool, node.database, node.recorder) == 1
    settle(lambda: node.studies() == ["1.2.3"])
    assert "2 received file(s) or folder(s) cannot be read (Is a directory)" in caplog.text


def test_a_file_that_cannot_be_read_is_entered_later_and_holds_up_no_other(
    start: Callable[..., Node], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, again = threading.Event(), recorder.data_set_sha256
    bad.set()

    def read(path: Path) -> str:
        if bad.is_set() and path.name == "1.2.3.4.dcm":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return again(path)

    monkeypatch.setattr(recorder, "data_set_sha256", read)
    monkeypatch.setattr(recorder, "_AGAIN_SECONDS", 0.1)
    node = start()
    for study in ("1.2.3", "1.2.4"):
        made = film(tmp_path, StudyInstanceUID=study, SOPInstanceUID=f"{study}.4")
        node.spool.study(study).mkdir()
        shutil.copy(made, node.spool.study(study) / f"{study}.4.dcm")
    assert scan(node.spool, node.database, node.recorder) == 2
    settle(lambda: node.studies() == ["1.2.4"])
    bad.clear()
    settle(lambda: node.studies() == ["1.2.3", "1.2.4"])


def test_a_folder_and_a_file_that_the_disk_does_not_give_keep_the_scan_from_no_other(
    start: Callable[..., Node],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    node = start()
    for study in ("1.2.2", "1.2.3", "1.2.4"):
        made = film(tmp_path, StudyInstanceUID=study, SOPInstanceUID=f"{study}.4")
        node.spool.study(study).mkdir()
        shutil.copy(made, node.spool.study(study) / f"{study}.4.dcm")
    listed, looked = os.scandir, Path.stat

    def scandir(folder: Path) -> Iterator[os.DirEntry[str]]:
        if Path(folder).name == "1.2.2":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return listed(folder)

    def stat(path: Path, **options: bool) -> os.stat_result:
        if path.name == "1.2.3.4.dcm":
            raise OSError(errno.EUCLEAN, os.strerror(errno.EUCLEAN))
        return looked(path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", scandir)
        patched.setattr(Path, "stat", stat)
        assert scan(node.spool, node.database, node.recorder) == 1
    settle(lambda: node.studies() == ["1.2.4"])
    assert "2 received file(s) or folder(s) cannot be read" in caplog.text


def test_a_file_whose_meta_information_is_damaged_is_set_aside_and_ends_nothing(
    start: Callable[..., Node], tmp_path: Path
) -> None:
    """What says how long it is, that is: its header can be read, its data set not be found."""
    node = start()
    whole = film(tmp_path, StudyInstanceUID="1.2.3", SOPInstanceUID="1.2.3.4").read_bytes()
    node.spool.study("1.2.3").mkdir()
    (node.spool.study("1.2.3") / "1.2.3.4.dcm").write_bytes(whole[:132] + whole[144:])
    assert scan(node.spool, node.database, node.recorder) == 0
    settle(lambda: reasons(node))
    assert reasons(node) == ["data set cannot be decoded (InvalidDicomError)"]
    assert not node.recorder.has_ended


def test_what_is_entered_late_opens_no_association_again(
    start: Callable[..., Node], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would close it, and its study would wait for as long as a study may."""
    bad = threading.Event()
    bad.set()
    understood = recorder.assessment.is_assessment

    def look(path: Path, sop_class_uid: str) -> bool:
        if bad.is_set():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return understood(path, sop_class_uid)

    node = start()
    monkeypatch.setattr(recorder.assessment, "is_assessment", look)
    monkeypatch.setattr(recorder, "_AGAIN_SECONDS", 0.1)
    with associated(node, FILMS) as opened:
        assert status(opened, film(tmp_path)) == 0
        settle(lambda: _open_associations(node) == 1)
    settle(lambda: _open_associations(node) == 0)
    arrivals.forget_associations(node.database)  # as the recorder does from time to time
    assert node.studies() == []
    bad.clear()
    settle(node.studies)
    assert _open_associations(node) == 0


def test_the_history_says_who_sent_it(start: Callable[..., Node], tmp_path: Path) -> None:
    node = start()
    with associated(node, FILMS, "PACS1") as opened:
        assert status(opened, film(tmp_path)) == 0
    settle(node.studies)
    (job,) = jobs.listing(node.database)
    (told,) = history.history(node.database, job.id)
    assert told.what == "first image received from PACS1"


def test_below_the_reserve_open_associations_are_answered_a700_and_nothing_is_lost(
    start: Callable[..., Node], tmp_path: Path
) -> None:
    """The reserve is so near what is free that a file of ours goes below it."""
    free = shutil.disk_usage(tmp_path).free
    node = start(replace(DOOR, reserve_bytes=free - 1024**3))
    waiting = [film(tmp_path), film(tmp_path)]
    with associated(node, FILMS) as opened:
        assert status(opened, waiting[0]) == 0
        ballast = tmp_path / "ballast"
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, 2 * 1024**3)
        assert status(opened, waiting[1]) == OUT_OF_RESOURCES
        with associated(node, FILMS, "OTHER") as other:
            assert other.is_rejected
        ballast.unlink()
        assert status(opened, waiting[1]) == 0
    assert len(node.received()) == 2
    settle(lambda: len(node.studies()) == 2)
    assert node.temporary() == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """The spool on a disk of 4 MiB."""
    folder = tmp_path / "data"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_disk_that_fills_within_an_object_ends_the_association_and_no_more(
    start: Callable[..., Node], tmp_path: Path, small_disk: Path
) -> None:
    """Without a reserve. What is answered is never a success, and a later try succeeds."""
    node = start(replace(DOOR, reserve_bytes=0))
    large = dataset(PixelData=bytes(6 * 1024**2))
    large["PixelData"].VR = "OW"
    path = part10(tmp_path / "large.dcm", large, encoded(large, EXPLICIT), EXPLICIT)
    with associated(node, FILMS) as opened:
        assert status(opened, path) in (-1, OUT_OF_RESOURCES)
    settle(lambda: node.temporary() == [])
    settle(lambda: _open_associations(node) == 0)
    assert node.received() == []
    with associated(node, FILMS) as opened:
        assert status(opened, film(tmp_path)) == 0
        subprocess.run(["mount", "-o", "remount,size=32m", str(small_disk)], check=True)
        assert status(opened, path) == 0
    assert len(node.received()) == 2


def _open_associations(node: Node) -> int:
    with node.database.reading() as connection:
        return int(
            connection.execute(
                select(func.count())
                .select_from(associations)
                .where(associations.c.closed_at.is_(None))
            ).scalar_one()
        )


def test_a_quarantine_that_cannot_be_written_is_answered_a700(
    start: Callable[..., Node], tmp_path: Path
) -> None:
    node = start()
    node.spool.quarantine.rmdir()
    node.spool.quarantine.write_text("in the way")
    broken = film(tmp_path, StudyInstanceUID="")
    with associated(node, FILMS) as opened:
        assert status(opened, broken) == OUT_OF_RESOURCES
        node.spool.quarantine.unlink()
        node.spool.quarantine.mkdir()
        assert status(opened, broken) == CANNOT_UNDERSTAND
    settle(lambda: reasons(node) == ["StudyInstanceUID is missing"])
    assert node.temporary() == []


def test_a_request_without_a_data_set_is_answered(start: Callable[..., Node]) -> None:
    node = start()
    with associated(node, FILMS) as opened:
        request = C_STORE()
        request.MessageID = 7
        request.AffectedSOPClassUID = ComputedRadiographyImageStorage
        request.AffectedSOPInstanceUID = "1.2.3"
        request.Priority = 2
        opened.dimse.send_msg(request, 1)
        _, answer = opened.dimse.get_msg(block=True)
        assert answer.Status == CANNOT_UNDERSTAND


def test_one_who_fails_does_not_close_the_door(start: Callable[..., Door]) -> None:
    """As often as there are places, an association ends within an object."""
    node = start()
    for _ in range(DOOR.maximum_associations + 1):
        with associated(node, FILMS) as opened:
            assert opened.is_established
            opened.abort()
    echo(receiving.peer(node))
    settle(lambda: _open_associations(node) == 0)
