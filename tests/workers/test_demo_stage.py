"""Where the demo takes place: folders that are its own, programs that end when it does."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from dicom_node.errors import Misconfigured
from workers.demo_stage import program, work_folder

#: Does not end when it is asked to.
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""


def test_each_work_folder_is_new_and_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out = Path("new/out")
    first, second = work_folder(out), work_folder(out)
    assert first != second
    for folder in (first, second):
        assert folder.parent == tmp_path / out
        assert not list(folder.iterdir())


def test_a_file_where_the_results_are_to_go_is_told(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("somebody's", encoding="utf-8")
    with pytest.raises(Misconfigured, match="out: cannot be written: Not a directory"):
        work_folder(out)
    assert out.read_text("utf-8") == "somebody's"


def test_a_program_that_does_not_listen_has_ended_afterwards(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with program([sys.executable, "-c", DEAF], log, stop_seconds=0.2) as started:
        deadline = time.monotonic() + 60
        while log.read_bytes() != b"deaf\n":
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert started.process.returncode == -signal.SIGKILL
