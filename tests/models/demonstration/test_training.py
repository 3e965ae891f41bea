"""The training, with every part of it, on a few films: it learns, stops, goes on, and ends."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from dicom_node.report import Weights
from models.demonstration.training import loop, pool
from models.demonstration.training.lessons import terms
from models.demonstration.training.plan import Part, Plan
from models.engines import weights

PLAN = Plan(
    files=1,
    parts=(
        Part(8, 1e-3, 5e-4, films=4, pairs=0, asks=False, looks=True),
        Part(3, 1e-3, 5e-4, films=2, pairs=2, asks=True, looks=False, dull=0.5),
        Part(2, 1e-3, 5e-4, films=2, pairs=2, asks=True, looks=True, dull=0.5),
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
    for _ in loop.main(drawn, terms(), PLAN):
        pass
    return drawn


def test_what_is_drawn_already_is_not_drawn_again(drawn: Path) -> None:
    (path,) = (drawn / "pool").iterdir()
    before = path.stat().st_mtime_ns
    assert list(pool.draw(drawn / "pool", 1, 2)) == [1]
    assert path.stat().st_mtime_ns == before


def test_the_pool_holds_each_region_where_its_box_is(drawn: Path) -> None:
    films = pool.load(drawn / "pool", 1)
    assert films.pictures.shape == (500, pool.SIDE, pool.SIDE)
    cells = pool.SIDE // pool.CELL
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
    steps = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert [step["step"] for step in steps] == list(range(1, PLAN.steps + 1))
    assert all(step["seconds"] > 0 for step in steps)
    assert "dense" in steps[0]
    assert {"words1", "numbers1", "words2"} <= set(steps[8])
    assert "dense" not in steps[8]
    assert {"dense", "words1"} <= set(steps[-1])


def test_the_tower_learns_where_it_is_shown(trained: Path) -> None:
    steps = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert steps[7]["dense"] < 0.97 * steps[0]["dense"]


def test_a_training_that_was_stopped_ends_as_if_it_had_not_been(
    trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained / "pool", tmp_path / "pool")
    for figures in loop.main(tmp_path, terms(), PLAN):
        if figures.get("step") == 7:
            break
    went_on = [f["step"] for f in loop.main(tmp_path, terms(), PLAN) if "step" in f]
    assert went_on[0] == 6  # the state of step 5 was the last that was kept
    assert weights.digest(tmp_path / "checkpoint") == weights.digest(trained / "checkpoint")
