"""The training, with every part of it, on a few films: it learns, stops, goes on, and ends."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dicom_node.errors import Misconfigured
from dicom_node.findings_file import shipped
from dicom_node.report import Weights
from models.demonstration.training import loop, pool
from models.demonstration.training.architecture import IMAGE_SIDE
from models.demonstration.training.plan import Part, Plan
from models.engines import weights

PLAN = Plan(
    files=1,
    parts=(
        Part(8, 1e-3, 5e-4, films=4, pairs=0, asks=False, looks=True),
        Part(3, 1e-3, 5e-4, films=2, pairs=2, asks=True, looks=False, dull=0.5),
        Part(2, 1e-3, 5e-4, films=2, pairs=2, asks=True, looks=True, holds=True, dull=0.5),
    ),
    saved_every=5,
)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a pool of one file."""
    folder = tmp_path_factory.mktemp("training")
    assert list(pool.draw(folder / "pool", 1, 2)) == [0, 1]
    return folder


@pytest.fixture(scope="module")
def trained(drawn: Path) -> Path:
    """A training that was not stopped."""
    for _ in loop.main(drawn, shipped(), PLAN):
        pass
    return drawn


def test_what_is_drawn_already_is_not_drawn_again(drawn: Path) -> None:
    (path,) = (drawn / "pool").iterdir()
    before = path.stat().st_mtime_ns
    assert list(pool.draw(drawn / "pool", 1, 2)) == [1]
    assert path.stat().st_mtime_ns == before


def test_the_pool_holds_each_region_where_its_box_is(drawn: Path) -> None:
    films = pool.load(drawn / "pool", 1)
    assert films.pictures.shape == (500, IMAGE_SIDE, IMAGE_SIDE)
    cells = IMAGE_SIDE // pool.CELL
    for number in range(0, 500, 25):
        shown = films.shown[number]
        boxes = dict(shown.anatomy) | {n: box for n, (_, box) in shown.findings.items()}
        for place, name in enumerate(pool.REGIONS):
            rows, columns = np.nonzero(films.covered[number, place])
            if name not in boxes:
                assert not rows.size
                continue
            seen = np.array([rows.min(), columns.min(), rows.max() + 1, columns.max() + 1])
            np.testing.assert_allclose(seen / cells, np.array(boxes[name]) / 1000, atol=1.4 / cells)


def test_a_training_ends_in_a_checkpoint_of_the_demonstration(trained: Path) -> None:
    folder = trained / "checkpoint"
    assert weights.kind(folder) is Weights.DEMONSTRATION
    assert sum(path.stat().st_size for path in folder.iterdir()) < 12_000_000


def test_the_log_tells_loss_and_time_of_each_step(trained: Path) -> None:
    steps = _logged(trained)
    assert [step["step"] for step in steps] == list(range(1, PLAN.steps + 1))
    assert all(step["seconds"] > 0 for step in steps)
    assert "dense" in steps[0]
    assert {"words1", "numbers1", "words2"} <= set(steps[8])
    assert "dense" not in steps[8]
    assert {"dense", "words1"} <= set(steps[-1])
    held = {name for step in steps[-2:] for name in step if name.startswith("held ")}
    assert held == {"held number1", "held growth2"}
    assert not [name for step in steps[:-2] for name in step if name.startswith("held ")]


def test_the_tower_learns_where_it_is_shown(trained: Path) -> None:
    steps = _logged(trained)
    assert steps[7]["dense"] < 0.97 * steps[0]["dense"]


def test_a_training_that_was_stopped_ends_as_if_it_had_not_been(
    trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained / "pool", tmp_path / "pool")
    for figures in loop.main(tmp_path, shipped(), PLAN):
        if figures.get("step") == 7:
            break
    assert [step["step"] for step in _logged(tmp_path)] == list(range(1, 8))
    went_on = [f["step"] for f in loop.main(tmp_path, shipped(), PLAN) if "step" in f]
    assert went_on[0] == 6  # the state of step 5 was the last that was kept
    each_once = list(range(1, PLAN.steps + 1))
    assert [step["step"] for step in _logged(tmp_path)] == each_once
    assert weights.digest(tmp_path / "checkpoint") == weights.digest(trained / "checkpoint")


def test_a_training_does_not_go_on_after_a_question_changed(trained: Path, tmp_path: Path) -> None:
    """Else old weights would be written with today's versions of the questions."""
    state = torch.load(trained / "state.pt", weights_only=True)
    state["basis"]["questions"]["location"] = "0"
    torch.save(state, tmp_path / "state.pt")
    with pytest.raises(
        Misconfigured, match=r"changed: the questions \(location\); .*another folder"
    ):
        next(loop.main(tmp_path, shipped(), PLAN))
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


def test_a_training_does_not_go_on_by_another_plan(trained: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    other = replace(PLAN, parts=(*PLAN.parts, PLAN.parts[-1]))
    with pytest.raises(Misconfigured, match=r"changed: the plan \(parts\); "):
        next(loop.main(trained, shipped(), other))
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*")} == before


def test_the_command_says_in_one_line_that_it_cannot_go_on(trained: Path, tmp_path: Path) -> None:
    state = torch.load(trained / "state.pt", weights_only=True)
    del state["basis"]
    torch.save(state, tmp_path / "state.pt")
    done = subprocess.run(
        [sys.executable, "-m", "models.demonstration", "train", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.strip().startswith(f"error: {tmp_path / 'state.pt'}: does not say")
    assert "train in another folder" in done.stderr
    assert "Traceback" not in done.stderr


def _logged(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
