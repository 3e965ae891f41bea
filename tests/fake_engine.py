"""An engine that gives known answers, in MedGemma's formats: for tests of everything around it.

::

    engine = FakeEngine(vocabulary, {
        "pneumothorax": Known(site="right pleural space", box=(100, 80, 300, 240), score=0.93),
        "cardiomegaly": Known(box=(450, 300, 800, 760), before=True, change="Worsened"),
        "consolidation": Known(present=False, before=True),
    })

It knows a question by the very prompt that the question module writes, so it answers nothing that
was not asked as the node asks it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dicom_node.report import Weights
from dicom_node.vocabulary import FindingTerm, Vocabulary
from models.engines.base import Answer, Choices, FreeText, Identity, Numbers, Request
from models.questions import QUESTIONS
from models.questions.asked import Asked

CURRENT, PRIOR, PAIR = "current", "prior", "pair"

#: (question, finding, film): film is "current", "prior", or "pair" for the change.
Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Known:
    """What the engine knows of one finding.

    ``box`` is [y0, x0, y1, x1] in thousandths of the padded square (``Fit.to_model``), ``site`` a
    name of the vocabulary, ``score`` the probability of "yes" on the current film, ``change``
    one of Improved, Stable, Worsened.
    """

    present: bool = True
    before: bool = False
    score: float | None = None
    site: str | None = None
    box: tuple[int, int, int, int] = (400, 200, 600, 450)
    change: str = "Stable"


@dataclass(slots=True)
class FakeEngine:
    """Known answers; findings that are not named are absent on both films.

    ``texts`` replaces the free answer to a question, ``enforced`` the one in the enforced form;
    both are used as they are. ``suitable`` is the probability that the film is a frontal chest
    radiograph. ``asked``, ``prompts``, ``images`` and ``batches`` record what came.
    """

    vocabulary: Vocabulary
    known: Mapping[str, Known] = field(default_factory=dict)
    texts: Mapping[Key, str] = field(default_factory=dict)
    enforced: Mapping[Key, str] = field(default_factory=dict)
    description: str = "Nothing of note."
    suitable: float = 0.97
    weights: Weights = Weights.MODEL
    asked: list[tuple[Key, str]] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    images: list[tuple[NDArray[np.uint8], ...]] = field(default_factory=list)

    @property
    def identity(self) -> Identity:
        """A digest that says what it is."""
        return Identity("fake", "known-answers", self.weights, "fa" * 32)

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """The known answers; of a batch on single films the first request is on the current."""
        self.batches.append(len(requests))
        return [self._answer(request, self._film(request, requests[0])) for request in requests]

    def _film(self, request: Request, first: Request) -> str:
        if len(request.images) > 1:
            return PAIR
        return CURRENT if request.images[0] is first.images[-1] else PRIOR

    def _answer(self, request: Request, film: str) -> Answer:
        question, term = self._recognise(request.prompt)
        key = question, term.name if term else "", film
        self.prompts.append(request.prompt)
        self.asked.append((key, type(request.form).__name__))
        self.images.append(request.images)
        match request.form:
            case FreeText():
                return Answer(self.texts.get(key) or self._text(question, term, film))
            case Choices():
                return self._choice(key, term, request.form)
            case Numbers():
                assert term is not None
                return Answer(self.enforced.get(key) or json.dumps(list(self._of(term).box)))

    def _recognise(self, prompt: str) -> tuple[str, FindingTerm | None]:
        for name, question in QUESTIONS.items():
            if prompt == question.prompt(Asked("")):
                return name, None
            for term in self.vocabulary.findings.values():
                if prompt == question.prompt(self._asked(term)):
                    return name, term
        raise AssertionError(f"no question of the node has this prompt: {prompt}")

    def _asked(self, term: FindingTerm) -> Asked:
        return Asked(
            term.phrase, tuple(site.phrase for site in self.vocabulary.sites_of(term.name))
        )

    def _of(self, term: FindingTerm) -> Known:
        return self.known.get(term.name, Known(present=False))

    def _text(self, question: str, term: FindingTerm | None, film: str) -> str:
        if question == "suitability":
            return f"I look.\n\nFinal Answer: {'yes' if self.suitable >= 0.5 else 'no'}"
        if term is None:
            return self.description
        known = self._of(term)
        if question == "location":
            found = json.dumps([{"box_2d": list(known.box), "label": term.phrase}])
            return f"It stands out from what surrounds it.\n\nFinal Answer:```json{found}```"
        if question == "presence":
            yes = known.present if film == CURRENT else known.before
            return f"I look at the whole film.\n\nFinal Answer: {'yes' if yes else 'no'}"
        return f"I compare.\n\nFinal Answer: ({self._letter(question, term)})"

    def _letter(self, question: str, term: FindingTerm) -> str:
        known = self._of(term)
        if question == "change":
            return "ABC"[("Improved", "Stable", "Worsened").index(known.change)]
        return "ABCDEFGH"[term.sites.index(known.site or term.sites[0])]

    def _choice(self, key: Key, term: FindingTerm | None, form: Choices) -> Answer:
        question, _, film = key
        if question == "suitability":
            return Answer(
                form.options[0 if self.suitable >= 0.5 else 1], (self.suitable, 1 - self.suitable)
            )
        assert term is not None
        if question == "presence":
            yes = self._score(term, film)
            scores = (yes, 1 - yes)
            return Answer(form.options[0 if yes >= 0.5 else 1], scores)
        wanted = f"Final Answer: {self._letter(question, term)}"
        certain = tuple(float(option == wanted) for option in form.options)
        return Answer(self.enforced.get(key) or wanted, certain)

    def _score(self, term: FindingTerm, film: str) -> float:
        known = self._of(term)
        if film == PRIOR:
            return 0.9 if known.before else 0.1
        if known.score is not None:
            return known.score
        return 0.9 if known.present else 0.1
