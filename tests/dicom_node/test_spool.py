"""Filing: nothing is replaced, nothing leaves the data folder, order survives a loss of power."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_node import durable
from dicom_node.errors import BadStudy
from dicom_node.spool import Filed, Spool, size_of


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "data")


def received(spool: Spool, content: bytes) -> Path:
    path = spool.incoming / f"{len(list(spool.incoming.iterdir()))}.tmp"
    path.write_bytes(content)
    return path


def test_a_file_lies_under_its_uids(spool: Spool) -> None:
    place, filed = spool.file(received(spool, b"x"), spool.study("1.2"), "1.2.3")

    assert filed is Filed.NEW
    assert str(spool.below(place)) == "studies/1.2/1.2.3.dcm"


def test_the_same_bytes_again_are_recognised_and_other_bytes_never_replace(spool: Spool) -> None:
    place, _ = spool.file(received(spool, b"x"), spool.study("1.2"), "1.2.3")

    assert spool.file(received(spool, b"x"), spool.study("1.2"), "1.2.3")[1] is Filed.IDENTICAL
    assert spool.file(received(spool, b"y"), spool.study("1.2"), "1.2.3")[1] is Filed.DIFFERENT
    assert place.read_bytes() == b"x"


@pytest.mark.parametrize("content", [b"x", b"y"], ids=["identical", "different"])
def test_the_name_of_what_is_here_already_is_on_the_disk_before_that_is_told(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """Two associations bring one object: who filed it first may still be flushing its folder."""
    folder, flush = spool.study("1.2"), durable.flush
    flushed: list[str] = []
    begun, go = threading.Event(), threading.Event()

    def slowly(path: Path) -> None:
        name = threading.current_thread().name
        if path == folder and name == "first":
            begun.set()
            assert go.wait(30)
        flush(path)
        if path == folder:
            flushed.append(name)

    monkeypatch.setattr(durable, "flush", slowly)
    came = [received(spool, b"x"), received(spool, content)]
    first = threading.Thread(target=spool.file, args=(came[0], folder, "1.2.3"), name="first")
    first.start()
    try:
        assert begun.wait(30)
        assert spool.file(came[1], folder, "1.2.3")[1] is not Filed.NEW
        assert flushed == [threading.current_thread().name]
    finally:
        go.set()
        first.join()


def test_what_is_deleted_while_the_spool_is_looked_through_is_passed_over(spool: Spool) -> None:
    """An edge does both at its start."""
    for study in ("1.2", "1.3"):
        spool.file(received(spool, b"x"), spool.study(study), "1.2.3")
    files = spool.received()
    first = next(files)
    (other,) = {spool.study("1.2"), spool.study("1.3")} - {first.parent}
    shutil.rmtree(other)
    assert list(files) == []


def test_what_goes_meanwhile_has_no_size(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    for job in (1, 2):
        (spool.results(job) / "pacs").mkdir(parents=True)
        (spool.results(job) / "pacs" / "sr.dcm").write_bytes(b"made")
    listed = os.scandir

    def scandir(folder: str | Path) -> Iterator[os.DirEntry[str]]:
        if Path(folder) == spool.results(1):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return listed(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    assert size_of(spool.root / "results") == 4
    assert size_of(spool.results(2) / "pacs" / "sr.dcm") == 4
    assert size_of(spool.results(3)) == 0


@pytest.mark.parametrize("uid", ["../../etc", "1.2/3", "", "1." * 40, "1.2\n", "1..2", "a"])
def test_a_uid_that_is_a_path_is_refused(spool: Spool, uid: str) -> None:
    with pytest.raises(BadStudy):
        spool.study(uid)


def test_a_study_belongs_to_the_patient_it_came_with_first(spool: Spool) -> None:
    assert spool.belongs(spool.study("1.2"), "A")
    assert spool.belongs(spool.study("1.2"), "A")
    assert not spool.belongs(spool.study("1.2"), "B")
    assert b"A" not in (spool.study("1.2") / "patient.sha256").read_bytes()


def test_nobody_else_may_look_into_a_data_folder_that_it_makes(tmp_path: Path) -> None:
    assert Spool(tmp_path / "new" / "data").root.stat().st_mode & 0o777 == 0o700
    (tmp_path / "of the site").mkdir(mode=0o750)
    assert Spool(tmp_path / "of the site").root.stat().st_mode & 0o777 == 0o750


def test_of_two_edges_that_file_one_uid_at_once_one_is_first(tmp_path: Path) -> None:
    """Each with other bytes: nothing is replaced, and each second one is told so."""
    script = (
        "import sys; from pathlib import Path; from dicom_node.spool import Spool\n"
        "spool = Spool(Path(sys.argv[1])); mine = sys.argv[2]\n"
        "for number in range(300):\n"
        "    came = spool.incoming / f'{mine}.{number}'\n"
        "    came.write_bytes(mine.encode() * 100)\n"
        "    place, filed = spool.file(came, spool.study('1.2'), f'1.2.{number}')\n"
        "    print(number, mine, filed.name)\n"
    )
    edges = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path), name], stdout=subprocess.PIPE, text=True
        )
        for name in ("one", "two")
    ]
    told = [edge.communicate(timeout=60)[0].split() for edge in edges]
    assert [edge.returncode for edge in edges] == [0, 0]
    filed: dict[int, dict[str, str]] = {}
    for words in told:
        for number, name, how in zip(words[::3], words[1::3], words[2::3], strict=True):
            filed.setdefault(int(number), {})[how] = name
    assert len(filed) == 300
    for number, ways in filed.items():
        assert set(ways) == {"NEW", "DIFFERENT"}
        place = tmp_path / "studies" / "1.2" / f"1.2.{number}.dcm"
        assert place.read_text() == ways["NEW"] * 100
