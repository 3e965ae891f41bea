"""Files that are written whole or not at all, also by several at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

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
