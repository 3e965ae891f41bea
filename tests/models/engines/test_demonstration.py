from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dicom_node.errors import Misconfigured
from dicom_node.report import ChangeKind, Presence, Weights
from dicom_node.vocabulary import Vocabulary
from models.demonstration.evaluation.film import frame
from models.demonstration.training import basis
from models.engines import ENGINES, demonstration, weights
from models.engines.base import EngineOptions
from models.read import read_films
from workers import demo

ALL = ("presence", "location", "site", "change", "description")
#: Reads nothing from files, so that it measures the engine alone.
_WORST = """
import json, re, sys, time
from pathlib import Path
import numpy as np
from models.engines import ENGINES
from models.engines.base import EngineOptions, FreeText, Request
from models.questions import QUESTIONS
from models.questions.asked import Asked

prior, current = (np.random.default_rng(seed).integers(0, 256, (2048, 2048), dtype=np.uint8)
                  for seed in range(2))
films = {"current": (current,), "prior": (prior,), "pair": (prior, current)}
def ask(name, about, asked):
    question = QUESTIONS[name]
    for form in (FreeText(), question.enforced(asked)):
        if form is not None:
            yield Request(films[about], question.prompt(asked), form)

requests = [*ask("suitability", "current", Asked("")), *ask("description", "current", Asked(""))]
for phrase, *sites in json.loads(sys.argv[1]):
    asked = Asked(phrase, tuple(sites))
    for name, about in (("presence", "current"), ("presence", "prior"), ("site", "current"),
                        ("location", "current"), ("change", "pair")):
        if name != "site" or len(sites) > 1:
            requests += ask(name, about, asked)
answers = ENGINES["demonstration"](EngineOptions("", "", "cpu")).answer(requests)
# Of this program alone: getrusage counts what the process was before it became this program.
most = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
print(len(answers), time.process_time(), most * 1024)
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The checkpoint that ships, with its digest beside it, to be spoilt."""
    shutil.copy(demonstration.folder().with_suffix(".sha256"), tmp_path)
    return Path(shutil.copytree(demonstration.folder(), tmp_path / "checkpoint"))


def test_the_pair_of_the_demo_gets_findings_with_boxes_and_changes(
    options: EngineOptions, vocabulary: Vocabulary
) -> None:
    """Else `make demo` has no SEG to show. Films of another size get other answers."""
    told: list[tuple[int, int]] = []
    prior, current = (film.phantom.grey for film in demo.draw_pair().films)
    reading = read_films(
        current=frame(current),
        prior=frame(prior),
        vocabulary=vocabulary,
        prepare="chest_radiograph",
        questions=ALL,
        engine=ENGINES["demonstration"](options),
        software_version="test",
        progress=lambda done, total: told.append((done, total)),
    )
    assert reading.made.engine == "demonstration"
    assert reading.made.weights is Weights.DEMONSTRATION
    assert reading.made.questions == tuple((name, "1") for name in ALL)
    present = [one for one in reading.findings if one.presence is Presence.PRESENT]
    assert any(one.box and one.site for one in present)
    assert 0 < len(present) < len(reading.findings)
    assert any(one.change in (ChangeKind.IMPROVED, ChangeKind.WORSENED) for one in present)
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]


def test_two_films_with_all_that_can_be_asked_take_20_seconds_and_1_gigabyte(
    vocabulary: Vocabulary,
) -> None:
    """Each finding on both films, each answer a second time; imports and loading included.

    The time of one CPU core, which is what the engine uses: on a machine with nothing else to do
    the clock shows the same.
    """
    asked = [
        [term.phrase, *(site.phrase for site in vocabulary.sites_of(term.name))]
        for term in vocabulary.findings.values()
    ]
    done = subprocess.run(
        [sys.executable, "-c", _WORST, json.dumps(asked)],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,  # of a machine that is busy with other things
    )
    assert done.returncode == 0, done.stderr
    count, seconds, most = map(float, done.stdout.split())
    assert count > 9 * len(asked)
    assert seconds < 20
    assert most < 1e9


def test_it_says_what_it_is(options: EngineOptions) -> None:
    identity = demonstration.open_engine(options).identity
    assert identity.name == "demonstration"
    assert identity.model == "demonstration-gemma3-1"
    assert identity.weights is Weights.DEMONSTRATION
    assert identity.digest == weights.digest(demonstration.folder())


def test_it_was_trained_on_the_questions_as_they_are_asked() -> None:
    basis.check_questions(demonstration.folder())


def test_it_is_small_enough_for_the_repository() -> None:
    sizes = {path.name: path.stat().st_size for path in demonstration.folder().iterdir()}
    assert sum(sizes.values()) < 12_000_000, sizes


def test_it_is_a_gemma_3_whose_window_is_shorter_than_two_images(options: EngineOptions) -> None:
    model = demonstration.open_engine(options)._model
    text = model.config.text_config
    assert type(model).__name__ == "Gemma3ForConditionalGeneration"
    assert set(text.layer_types) == {"sliding_attention", "full_attention"}
    assert text.sliding_window < 2 * model.config.mm_tokens_per_image


def _nothing(folder: Path) -> None:
    shutil.rmtree(folder)


def _no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _no_note(folder: Path) -> None:
    (folder / weights.NOTE).unlink()


@pytest.mark.parametrize(
    ("spoil", "lacks"),
    [(_nothing, "config.json"), (_no_weights, "*.safetensors"), (_no_note, "dicom-node.json")],
)
def test_a_checkpoint_that_is_not_whole_says_what_to_do(
    copy: Path, options: EngineOptions, spoil: Callable[[Path], None], lacks: str
) -> None:
    """Without its note it would pass for a model whose results may go to any destination."""
    spoil(copy)
    with pytest.raises(Misconfigured) as caught:
        demonstration.open_checkpoint(copy, options)
    text = str(caught.value)
    assert f"lacks {lacks}" in text
    assert "install dicom-node anew" in text
    assert "models.demonstration train" in text
    assert "MedGemma" not in text


def _flip_bytes(folder: Path) -> None:
    path = folder / "model.safetensors"
    spoilt = bytearray(path.read_bytes())
    spoilt[6_000_000:6_000_008] = bytes(byte ^ 0xFF for byte in spoilt[6_000_000:6_000_008])
    path.write_bytes(spoilt)


def _swap_words(folder: Path) -> None:
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text("utf-8"))
    words = tokenizer["model"]["vocab"]
    one, other = list(words)[300:302]
    words[one], words[other] = words[other], words[one]
    path.write_text(json.dumps(tokenizer), "utf-8")


def _widen_window(folder: Path) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text("utf-8"))
    config["text_config"]["sliding_window"] = 4096
    path.write_text(json.dumps(config), "utf-8")


def _no_pin(folder: Path) -> None:
    folder.with_suffix(".sha256").unlink()


@pytest.mark.parametrize("spoil", [_flip_bytes, _swap_words, _widen_window, _no_pin])
def test_what_is_not_the_checkpoint_that_ships_is_refused(
    copy: Path, options: EngineOptions, spoil: Callable[[Path], None]
) -> None:
    """It would load and answer, but something else."""
    spoil(copy)
    with pytest.raises(Misconfigured, match=r"not the checkpoint that ships .*install .* anew"):
        demonstration.open_shipped(copy, options)


def test_the_checkpoint_is_the_one_that_is_written_down_as_shipped() -> None:
    there = demonstration.folder()
    assert weights.digest(there) == demonstration.pinned(there), (
        "a file of the checkpoint was changed: if it is meant to ship so, run "
        "`python -m models.demonstration pin` and commit checkpoint and checkpoint.sha256"
    )


def test_a_new_checkpoint_is_pinned_with_its_mark(copy: Path, options: EngineOptions) -> None:
    """Also one of a training that did not write the mark."""
    config = json.loads((copy / "config.json").read_text("utf-8"))
    del config["dicom_node_weights"]
    (copy / "config.json").write_text(json.dumps(config), "utf-8")
    assert demonstration.pin(copy) == weights.digest(copy) == demonstration.pinned(copy)
    assert demonstration.open_shipped(copy, options).identity.weights is Weights.DEMONSTRATION
    (copy / weights.NOTE).unlink()
    with pytest.raises(Misconfigured, match=weights.NOTE):
        weights.kind(copy)


def test_without_its_note_it_is_no_model_for_patients(copy: Path, options: EngineOptions) -> None:
    """Whichever engine opens it: results of such a model may go to any destination."""
    chosen = replace(options, model=str(copy))
    assert ENGINES["transformers"](chosen).identity.weights is Weights.DEMONSTRATION
    (copy / weights.NOTE).unlink()
    with pytest.raises(Misconfigured, match=r"no model for patients, and dicom-node.json"):
        ENGINES["transformers"](chosen)


def test_auto_means_the_cpu_so_that_the_answers_are_the_same(options: EngineOptions) -> None:
    engine = demonstration.open_engine(replace(options, device="auto"))
    assert engine._model.device.type == "cpu"
