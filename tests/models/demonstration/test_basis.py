"""What a training stands on, and what a checkpoint says that it was trained on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dicom_node.errors import Misconfigured
from dicom_node.findings_file import shipped
from models.demonstration.training import architecture, basis
from models.demonstration.training.plan import Plan
from models.engines import weights

STATE = Path("training/state.pt")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As after a training that moved one weight."""
    model, processor = architecture.build(1)
    path = tmp_path_factory.mktemp("written") / "checkpoint"
    with torch.no_grad():
        model.model.multi_modal_projector.mm_soft_emb_norm.weight[0] = 0.25
    architecture.write(model, processor, path, basis.now(Plan(), shipped()).questions)
    return path


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    for path in folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


def test_a_training_goes_on_where_nothing_changed() -> None:
    kept = asdict(basis.now(Plan(), shipped()))
    basis.check(STATE, kept, basis.now(Plan(), shipped()))


def _question(kept: dict[str, Any]) -> None:
    kept["questions"]["location"] = "0"


def _new_question(kept: dict[str, Any]) -> None:
    del kept["questions"]["site"]


def _plan(kept: dict[str, Any]) -> None:
    kept["plan"]["seed"] = 2


def _part(kept: dict[str, Any]) -> None:
    kept["plan"]["parts"][1]["rate"] *= 2


def _pool(kept: dict[str, Any]) -> None:
    kept["pool"] -= 1


def _words(kept: dict[str, Any]) -> None:
    kept["tokenizer"] = "0" * 64


def _model(kept: dict[str, Any]) -> None:
    kept["model"] = "0" * 64


def _findings(kept: dict[str, Any]) -> None:
    kept["findings"] = "0" * 64


def _never_kept(kept: dict[str, Any]) -> None:
    del kept["pool"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_question, "the questions (location)"),
        (_new_question, "the questions (site)"),
        (_plan, "the plan (seed)"),
        (_part, "the plan (parts)"),
        (_pool, "the drawn films"),
        (_words, "the words of the tokenizer"),
        (_model, "the sizes of the model or the turns of its chat"),
        (_findings, "config/findings.yaml"),
        (_never_kept, "the drawn films"),
    ],
)
def test_a_training_does_not_go_on_after_what_it_stands_on_changed(
    change: Callable[[dict[str, Any]], None], told: str
) -> None:
    today = basis.now(Plan(), shipped())
    kept = asdict(today)
    change(kept)
    with pytest.raises(Misconfigured) as caught:
        basis.check(STATE, kept, today)
    text = str(caught.value)
    assert text.startswith(f"{STATE}: since this training began these changed: {told}; ")
    assert "train in another folder" in text


def test_all_that_changed_is_told() -> None:
    kept = asdict(basis.now(Plan(), shipped()))
    _new_question(kept)
    today = basis.now(replace(Plan(), files=1, seed=3), shipped())
    with pytest.raises(Misconfigured, match=r"the questions \(site\); the plan \(files, seed\);"):
        basis.check(STATE, kept, today)


def test_a_state_that_does_not_say_what_it_stands_on_is_not_gone_on_from() -> None:
    with pytest.raises(Misconfigured, match=r"older dicom-node.*another folder"):
        basis.check(STATE, None, basis.now(Plan(), shipped()))


def test_findings_that_are_asked_otherwise_change_what_a_training_stands_on() -> None:
    words = shipped()
    nodule = replace(words.findings["nodule"], phrase="small nodule")
    other = replace(words, findings={**words.findings, "nodule": nodule})
    before, after = basis.now(Plan(), words), basis.now(Plan(), other)
    assert after.findings != before.findings
    assert after == replace(before, findings=after.findings)


def test_what_was_just_trained_was_trained_on_the_questions_as_they_are_asked(
    folder: Path,
) -> None:
    basis.check_questions(folder)


def test_a_question_that_changed_asks_for_another_training(copied: Path) -> None:
    note = json.loads((copied / weights.NOTE).read_text())
    note["questions"]["location"] = "0"
    (copied / weights.NOTE).unlink()
    (copied / weights.NOTE).write_text(json.dumps(note))
    with pytest.raises(Misconfigured, match=r"location; train it anew"):
        basis.check_questions(copied)


def test_a_changed_passage_asks_for_another_training(copied: Path) -> None:
    """Also where somebody forgot to raise the question's version."""
    known = (copied / "tokenizer.json").read_text()
    (copied / "tokenizer.json").unlink()
    (copied / "tokenizer.json").write_text(known.replace("Use the label", "Take the label"))
    with pytest.raises(Misconfigured, match=r"Use the label.*train it anew"):
        basis.check_questions(copied)
