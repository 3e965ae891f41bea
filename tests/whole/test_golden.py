"""What is written is what stands in tests/golden."""

from __future__ import annotations

import os
from pathlib import Path

import golden
import pytest


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The texts of the objects of one report."""
    texts = golden.texts(tmp_path_factory.mktemp("golden"))
    if os.environ.get("GOLDEN") == "write":
        golden.write(texts)
    return texts


def test_the_objects_are_as_they_were(made: dict[str, str]) -> None:
    kept = {path.name: path.read_text("utf-8") for path in golden.FOLDER.glob("*.txt")}
    assert sorted(made) == sorted(kept), "GOLDEN=write writes them anew, see tests/golden.py"
    for name, text in made.items():
        assert text.splitlines() == kept[name].splitlines(), name


def test_no_text_tells_of_the_machine(made: dict[str, str], tmp_path: Path) -> None:
    for name, text in made.items():
        assert str(Path.cwd()) not in text, name
        assert str(tmp_path.parent) not in text, name
        assert "2.25." not in text, name
