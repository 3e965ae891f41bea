"""Files that are written whole or not at all, also by several at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier

import disks
import pytest

from dicom_node import durable

_LARGE = 1 << 20


@pytest.mark.parametrize("replace", [True, False])
def test_of_two_that_write_the_same_file_at_once_one_is_there_whole(
    tmp_path: Path, *, replace: bool
) -> None:
    """As two threads of a sender do that fetch the same prior, or edges in two containers."""
    both = Barrier(2)

    def write(path: Path, content: bytes) -> bool:
        both.wait(30)
        return durable.write(path, content, replace=replace)

    contents = [b"a" * _LARGE, b"b" * (2 * _LARGE)]
    with ThreadPoolExecutor(2) as writers:
        for number in range(20):
            path = tmp_path / str(number)
            written = list(writers.map(lambda one, path=path: write(path, one), contents))
            there = [path.read_bytes() == one for one in contents]
            assert sum(there) == 1
            assert replace or written == there
    assert len(list(tmp_path.iterdir())) == 20, "nothing is left aside"


def test_what_would_leave_too_little_room_is_not_written_by_several_at_once_either(
    tmp_path: Path,
) -> None:
    with disks.small(tmp_path / "disk", "size=8m") as disk:
        together = Barrier(4)

        def write(number: int) -> bool:
            together.wait(30)
            with suppress(OSError):
                return durable.write(disk / str(number), bytes(2 * _LARGE), least_free=5 * _LARGE)
            return False

        with ThreadPoolExecutor(4) as writers:
            assert sum(writers.map(write, range(4))) == 1
        assert len(list(disk.iterdir())) == 1, "nothing is left aside"
        assert durable.free_bytes(disk) >= 5 * _LARGE


def test_a_disk_without_files_left_has_no_room(tmp_path: Path) -> None:
    with disks.small(tmp_path / "disk", "size=999m", "nr_inodes=20") as disk:
        assert durable.free_bytes(disk) <= 19 * _LARGE
        with suppress(OSError):
            for number in range(20):
                (disk / str(number)).touch()
        assert durable.free_bytes(disk) == 0


def test_one_at_a_time_is_in_a_folder(tmp_path: Path) -> None:
    """Two studies of one patient want the same prior: each deletes what is there, and fetches."""
    film = tmp_path / "film.dcm"

    def fetch(_: int) -> bytes:
        with durable.alone(tmp_path):
            film.unlink(missing_ok=True)
            time.sleep(0.01)
            film.write_bytes(b"film")
            time.sleep(0.01)
            return film.read_bytes()

    with ThreadPoolExecutor(4) as fetching:
        assert list(fetching.map(fetch, range(12))) == [b"film"] * 12
