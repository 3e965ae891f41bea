"""The evaluation as it is run: by the command, with the engine that reads films."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from models.demonstration.evaluation import evaluate as evaluation
from models.demonstration.evaluation.asks import TRAINED_NAME, answered
from models.demonstration.evaluation.baselines import learn
from models.demonstration.evaluation.summary import summarise
from models.demonstration.ranges import FIRST_TRAINING_SEED, SHIFTED
from models.engines import demonstration, weights
from models.engines.base import EngineOptions


@pytest.fixture(scope="module")
def checkpoint(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained checkpoint that passes for the demonstration's."""
    folder = tmp_path_factory.mktemp("checkpoint") / "untrained"
    shutil.copytree(tiny_folder, folder)
    (folder / weights.NOTE).write_text('{"weights": "demonstration"}', encoding="utf-8")
    return folder


def test_no_phantom_of_the_evaluation_is_one_of_the_training() -> None:
    for size in (evaluation.FULL, evaluation.QUICK):
        cases = evaluation._cases(size)
        assert len(set(cases)) == len(cases)
        assert max(case.seed for case in cases) < FIRST_TRAINING_SEED
        assert min(case.seed for case in evaluation._learnt(size)) >= FIRST_TRAINING_SEED


def test_the_command_prints_what_the_engine_reaches_and_writes_it_down(
    checkpoint: Path, tmp_path: Path
) -> None:
    """Two processes that share the phantoms come to the figures that one alone comes to."""
    written, card = tmp_path / "figures.json", tmp_path / "card.md"
    done = _evaluate(
        "--quick", f"--checkpoint={checkpoint}", f"--json={written}", f"--markdown={card}"
    )
    assert done.returncode == 0, done.stderr
    figures: dict[str, Any] = json.loads(written.read_text("utf-8"))
    assert set(figures["shifted"]) == set(SHIFTED)
    assert figures["digest"] == weights.digest(checkpoint)
    assert "presence AUROC: mean" in done.stdout
    assert (
        f"| first answers that parse | {_of(figures, 'first answers that parse')} |"
        in card.read_text("utf-8")
    )
    expected = _figures_of_one_process(checkpoint)
    assert [_rounded(one) for one in figures["trained"]] == expected


def test_figures_and_tables_need_no_torch() -> None:
    """Nor does the command line, before it is asked for answers."""
    blocked = "import sys; sys.modules.update(torch=None, transformers=None); "
    done = subprocess.run(
        [sys.executable, "-c", blocked + "import models.demonstration.__main__"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_folder_without_checkpoint_is_told_in_one_line(tmp_path: Path) -> None:
    done = _evaluate("--quick", f"--checkpoint={tmp_path}")
    assert done.returncode == 2
    assert done.stderr.strip().startswith(f"error: {tmp_path}")
    assert "Traceback" not in done.stderr


def _figures_of_one_process(checkpoint: Path) -> list[dict[str, Any]]:
    options = EngineOptions(None, None, "cpu", threads=1)
    engine, size = demonstration.open_checkpoint(checkpoint, options), evaluation.QUICK
    cases = [one for one in evaluation._cases(size) if one.ranges == TRAINED_NAME]
    told = [one for case in cases for one in answered(case, engine)]
    known = [one for case in evaluation._learnt(size) for one in evaluation._known(case)]
    return [_rounded(asdict(one)) for one in summarise(told, learn(known))]


def _rounded(figure: dict[str, Any]) -> dict[str, Any]:
    """With what cannot be told as None, as JSON has it."""
    return {
        key: (None if math.isnan(value) else round(value, 6)) if isinstance(value, float) else value
        for key, value in figure.items()
    }


def _of(figures: dict[str, Any], name: str) -> int:
    (one,) = [figure for figure in figures["trained"] if figure["name"] == name]
    return int(one["of"])


def _evaluate(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "models.demonstration", "evaluate", *arguments]
    wide = {**os.environ, "COLUMNS": "200"}  # else words of the tables are folded
    return subprocess.run(command, capture_output=True, text=True, check=False, env=wide)
