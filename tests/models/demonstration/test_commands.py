"""The demonstration's commands end with one line where something cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from models.demonstration.__main__ import app


def told(*arguments: str) -> str:
    """The one line that a command ends with, before any work."""
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 2, done.output
    line = done.output.strip()
    assert line.startswith("error: ")
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    "arguments",
    [
        ("grid", "none/grid.png"),
        ("evaluate", "--json", "none/a.json"),
        ("evaluate", "--markdown", "none/a.md"),
    ],
)
def test_a_folder_that_is_not_there_is_told_before_the_work(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert told(*arguments) == "error: none: is not a folder; make it first"


def test_a_picture_that_is_none_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "film.png").write_text("no picture")
    line = told("grid", str(tmp_path / "grid.png"), "--beside", str(tmp_path / "film.png"))
    assert "film.png" in line


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
def test_a_gpu_that_is_not_there_is_told_before_anything_is_drawn(tmp_path: Path) -> None:
    assert "finds no GPU" in told("train", str(tmp_path / "new"), "--device", "cuda")
    assert not (tmp_path / "new").exists()


def test_a_state_that_is_damaged_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "state.pt").write_bytes(b"PK\x03\x04 cut off")
    line = told("train", str(tmp_path))
    assert "state.pt: is damaged" in line
    assert "delete it" in line
