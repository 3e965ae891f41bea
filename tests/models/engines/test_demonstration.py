from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from dicom_node.report import ChangeKind, Presence, Weights
from dicom_node.study import Frame
from dicom_node.vocabulary import Vocabulary
from models.engines import ENGINES, demonstration, tiny, weights
from models.engines.base import EngineOptions
from models.engines.gemma import Gemma
from models.read import read_films

ALL = ("presence", "location", "site", "change", "description")


def test_the_real_film_gets_findings_with_boxes_and_changes(
    options: EngineOptions, current: Frame, prior: Frame, vocabulary: Vocabulary
) -> None:
    """Else `make demo` has no SEG to show: choose another seed when prompts change.

    Measured from scratch, the weights' making and loading included.
    """
    told: list[tuple[int, int]] = []
    start = time.monotonic()
    engine = ENGINES["demonstration"](options)
    reading = read_films(
        current=current,
        prior=prior,
        vocabulary=vocabulary,
        prepare="chest_radiograph",
        questions=ALL,
        engine=engine,
        software_version="test",
        progress=lambda done, total: told.append((done, total)),
    )
    assert time.monotonic() - start < 20
    assert reading.made.engine == "demonstration"
    assert reading.made.weights is Weights.RANDOM
    assert reading.made.questions == tuple((name, "1") for name in ALL)
    present = [one for one in reading.findings if one.presence is Presence.PRESENT]
    assert any(one.box and one.site for one in present)
    assert 0 < len(present) < len(reading.findings)
    assert {one.change for one in reading.findings} > {ChangeKind.NEW, ChangeKind.RESOLVED, None}
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]


def test_the_recipe_has_all_that_the_real_model_has(tiny_folder: Path, tiny: Gemma) -> None:
    text = tiny._model.config.text_config
    assert {"sliding_attention", "full_attention"} == set(text.layer_types)
    assert type(tiny._model).__name__ == "Gemma3ForConditionalGeneration"
    assert text.sliding_window < 2 * tiny._model.config.mm_tokens_per_image + 4
    assert sorted(path.name for path in tiny_folder.glob("*.safetensors")) == ["model.safetensors"]
    assert weights.kind(tiny_folder) is Weights.RANDOM


def test_the_recipe_is_the_same_every_time_and_leaves_randomness_alone(
    tiny_folder: Path, tmp_path: Path
) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    again = demonstration.make(tmp_path)
    assert torch.equal(torch.rand(3), expected)
    assert weights.digest(again) == weights.digest(tiny_folder)
    assert [path.name for path in tmp_path.iterdir()] == [tiny.NAME]


def test_processes_that_start_together_do_not_collide(tmp_path: Path, tiny_folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from models.engines import demonstration, weights;"
        "print(weights.digest(demonstration.make(Path(sys.argv[1]))))"
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    digests = {one.communicate(timeout=120)[0].strip() for one in both}
    assert [one.returncode for one in both] == [0, 0]
    assert digests == {weights.digest(tiny_folder)}
    assert [path.name for path in tmp_path.iterdir()] == [tiny.NAME]


def test_auto_means_the_cpu_so_that_the_noise_is_the_same(options: EngineOptions) -> None:
    engine = demonstration.open_engine(replace(options, device="auto"))
    assert engine._model.device.type == "cpu"
