"""What a training stands on: what must not change under weights that were trained on it.

A training that goes on after such a change would end in weights of two kinds, whose note names only
the second.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dicom_node.errors import Misconfigured
from dicom_node.vocabulary import Vocabulary
from models.demonstration.training import architecture, pool, tokenizer
from models.demonstration.training.plan import Plan
from models.engines import weights
from models.questions import QUESTIONS

#: As a user calls them.
_NAMES = {
    "questions": "the questions",
    "tokenizer": "the words of the tokenizer",
    "model": "the sizes of the model or the turns of its chat",
    "findings": "config/findings.yaml",
    "plan": "the plan",
    "pool": "the drawn films",
}


@dataclass(frozen=True, slots=True)
class Basis:
    """All that decides what is learnt; kept with the state of a training.

    ``questions`` are their versions by name. ``tokenizer``, ``model`` and ``findings`` are SHA-256
    (hexadecimal). ``plan`` are the fields of the plan, ``pool`` is the version of what is drawn.
    """

    questions: dict[str, str]
    tokenizer: str
    model: str
    findings: str
    plan: dict[str, Any]
    pool: int


def now(plan: Plan, vocabulary: Vocabulary) -> Basis:
    """What a training that begins now stands on."""
    return Basis(
        questions={name: question.VERSION for name, question in QUESTIONS.items()},
        tokenizer=tokenizer.digest(),
        model=architecture.digest(),
        findings=vocabulary.digest,
        plan=asdict(plan),
        pool=pool.VERSION,
    )


def check(state: Path, kept: Mapping[str, Any] | None, basis: Basis) -> None:
    """A training may go on from ``state``, with which ``kept`` was kept (a Basis, as a dict).

    Raises:
        Misconfigured: what differs, or that the state does not say what it stands on; what to do.
    """
    if kept is None:
        raise Misconfigured(
            f"{state}: does not say what it was trained on, for an older dicom-node kept it; "
            "train in another folder"
        )
    if changed := list(_changed(kept, asdict(basis))):
        raise Misconfigured(
            f"{state}: since this training began these changed: {'; '.join(changed)}; let the "
            "dicom-node that began it end it, or train in another folder"
        )


def check_questions(folder: Path) -> None:
    """The checkpoint in this folder was trained on the questions as they are now asked.

    Raises:
        Misconfigured: which are asked otherwise, and that the model must be trained anew.
    """
    from transformers import AutoTokenizer

    trained = weights.questions(folder)
    changed = {name for name, one in QUESTIONS.items() if trained.get(name) != one.VERSION}
    load: Any = AutoTokenizer  # it has no types
    known = load.from_pretrained(folder, local_files_only=True).get_vocab()
    new = [passage for passage in tokenizer.passages() if passage not in known]
    if changed or new:
        what = ", ".join(sorted(changed)) or f"the passage {new[0]!r}"
        raise Misconfigured(
            f"{folder}: was trained before these questions changed: {what}; train it anew with "
            "`python -m models.demonstration train`"
        )


def _changed(kept: Mapping[str, Any], basis: Mapping[str, Any]) -> Iterator[str]:
    """What differs, as a user calls it; of questions and plan also which."""
    for name, called in _NAMES.items():
        before, today = kept.get(name), basis[name]
        if before == today:
            continue
        if isinstance(before, dict) and isinstance(today, dict):
            which = [one for one in before | today if before.get(one) != today.get(one)]
            yield f"{called} ({', '.join(sorted(which))})"
        else:
            yield called
