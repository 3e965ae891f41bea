"""Whether the process that holds a lease lives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workers import owners

_SAYS_WHO = "from workers import owners; print(owners.me(), flush=True); input()"


def test_a_process_is_alive_until_it_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _SAYS_WHO],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        owner = process.stdout.readline().strip()
        assert not owners.is_dead(owner)
        process.kill()
        process.wait()
    assert owners.is_dead(owner)
    assert not owners.is_dead(owners.me())


def test_a_process_that_got_the_id_of_a_dead_one_is_another() -> None:
    place, _, process = owners.me().rpartition(":")
    place = place.rpartition(":")[0]
    assert process == str(os.getpid())
    assert owners.is_dead(f"{place}:1:{process}")


def test_of_another_machine_or_container_nothing_is_known() -> None:
    host, _, rest = owners.me().partition(":")
    namespace, _, rest = rest.partition(":")
    assert not owners.is_dead(f"other:{namespace}:1:99999999")
    assert not owners.is_dead(f"{host}:1:1:99999999")
    assert owners.is_dead(f"{host}:{namespace}:1:99999999")
    for text in ("", "test", "host:12", "a:b:c:d"):
        assert not owners.is_dead(text)


def test_nothing_is_known_of_another_machine_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "machine-id"
    other.write_text("0123456789abcdef0123456789abcdef\n")
    monkeypatch.setattr(owners, "_MACHINE", other)
    there, _, _ = owners.me().rpartition(":")
    monkeypatch.undo()
    assert not owners.is_dead(f"{there}:99999999")
    here, _, _ = owners.me().rpartition(":")
    assert owners.is_dead(f"{here}:99999999")
