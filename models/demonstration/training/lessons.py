"""What a training teaches: the node's own questions, with the answers of the truth. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from string import ascii_uppercase
from typing import TypeVar

import numpy as np

from dicom_node.report import ChangeKind
from dicom_node.vocabulary import FindingTerm, Vocabulary
from models.demonstration.training.pool import Shown
from models.demonstration.truth import FINDINGS, OPACITIES, OPACITY
from models.questions import change, location, presence, site, suitability
from models.questions.asked import Asked
from models.questions.location import Box2d

#: Findings of config/findings.yaml that no phantom has: the answer is always no.
NEVER = ("atelectasis", "pulmonary edema", "fracture", "pneumomediastinum", "ground-glass opacity")
_T = TypeVar("_T")
#: How often a chest is asked about nothing but whether it is one; how often something is asked that
#: phantoms never have; and how often a finding's site.
_SUITABLE, _OTHERS, _SITES = 0.06, 0.3, 0.5


@dataclass(frozen=True, slots=True)
class Lesson:
    """A question about pictures (by number, the earlier first) and its answer.

    ``growth`` is by how much a finding has changed from the earlier picture to the current one, as
    the binary logarithm of its size; None of all other questions.
    """

    pictures: tuple[int, ...]
    prompt: str
    answer: str
    growth: float | None = None


def of_film(
    rng: np.random.Generator, number: int, shown: Shown, vocabulary: Vocabulary
) -> list[Lesson]:
    """Some questions about one picture: what is there, what is not, where."""
    alone = (number,)
    if not shown.chest or rng.random() < _SUITABLE:
        yes = "yes" if shown.chest else "no"
        return [Lesson(alone, suitability.prompt(Asked("")), f"Final Answer: {yes}")]
    there = _there(shown)
    absent = [name for name in FINDINGS if name not in there]
    names = [*_some(rng, list(there), 2), *_some(rng, absent, 2)]
    if rng.random() < _OTHERS:
        names += _some(rng, [OPACITY, *NEVER], 1)
    lessons = [_presence(alone, vocabulary.findings[name], name in there) for name in names]
    lessons += [
        _location(alone, phrase, box) for phrase, box in _some(rng, [*shown.anatomy.items()], 1)
    ]
    for name in _some(rng, list(there), 2):
        where, box = there[name]
        lessons.append(_location(alone, vocabulary.findings[name].phrase, box))
        if rng.random() < _SITES and len(vocabulary.sites_of(name)) > 1:
            lessons.append(_site(alone, vocabulary, name, where))
    return lessons


def of_pair(
    first: int,
    shown: tuple[Shown, Shown],
    changes: Mapping[str, str],
    vocabulary: Vocabulary,
) -> list[Lesson]:
    """How each finding that both pictures show has changed; ``first`` is the earlier's number."""
    return [
        Lesson(
            (first, first + 1),
            change.prompt(Asked(vocabulary.findings[name].phrase)),
            f"Final Answer: {ascii_uppercase[change.KINDS.index(ChangeKind(kind))]}",
            growth=_growth(*(one.findings[name][1] for one in shown)),
        )
        for name, kind in changes.items()
        if kind in change.KINDS
    ]


def _there(shown: Shown) -> dict[str, tuple[str, Box2d]]:
    """Each finding that is there, with what follows from them; of opacities the largest counts."""
    there = dict(shown.findings)
    opacities = [there[name] for name in OPACITIES if name in there]
    if opacities:
        there[OPACITY] = max(opacities, key=lambda one: _area(one[1]))
    return there


def _presence(alone: tuple[int, ...], term: FindingTerm, there: bool) -> Lesson:
    answer = f"Final Answer: {'yes' if there else 'no'}"
    return Lesson(alone, presence.prompt(Asked(term.phrase)), answer)


def _location(alone: tuple[int, ...], phrase: str, box: Box2d) -> Lesson:
    asked = Asked(phrase)
    lead = location.enforced(asked).lead
    rest = location.EXAMPLE.partition(lead)[2]
    close = rest[rest.index("]") + 1 :].replace(location.EXAMPLE_ASKED.phrase, phrase)
    return Lesson(alone, location.prompt(asked), f"{lead}{list(box)}{close}")


def _site(alone: tuple[int, ...], vocabulary: Vocabulary, name: str, where: str) -> Lesson:
    sites = vocabulary.sites_of(name)
    asked = Asked(vocabulary.findings[name].phrase, tuple(one.phrase for one in sites))
    letter = ascii_uppercase[[one.name for one in sites].index(where)]
    return Lesson(alone, site.prompt(asked), f"Final Answer: {letter}")


def _some(rng: np.random.Generator, of: list[_T], most: int) -> list[_T]:
    return [of[i] for i in rng.permutation(len(of))[:most]]


def _growth(before: Box2d, now: Box2d) -> float:
    return math.log2(_area(now) / _area(before)) / 2


def _area(box: Box2d) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])
