"""Asking in batches: what does not parse gets one second try, with the form enforced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from dicom_node.errors import BadAnswer
from dicom_node.report import About, Answered
from models.check import check_text
from models.engines.base import Answer, Engine, Request
from models.questions import QUESTIONS
from models.questions.asked import Asked, Question

Progress = Callable[[int, int], None]
#: What a question that is on no finding is said to be of.
WHOLE_FILM = "film"


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to be put: which of QUESTIONS, on which finding (its name in the vocabulary,
    or WHOLE_FILM), about what, and about which pictures, the earlier first.

    ``scored``: the form that a second try would enforce is asked at once, for the scores of its
    choices; it then serves as the second try too, for the same request has the same answer.
    """

    name: str
    finding: str
    about: About
    asked: Asked
    images: tuple[NDArray[np.uint8], ...] = field(repr=False)
    scored: bool = False

    @property
    def question(self) -> Question:
        """What is asked."""
        return QUESTIONS[self.name]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a question.

    ``value`` is what its parser gave, None where no try could be used: then ``reason`` says why.
    ``enforced`` says that it comes from the second try; ``scores`` are those of a scored one;
    ``seconds`` is the model's time for all tries.
    """

    value: object | None
    reason: str = ""
    enforced: bool = False
    scores: tuple[float, ...] | None = None
    seconds: float = 0.0


class Asking:
    """An engine, how far the questions to it have come, and what was answered so far."""

    def __init__(self, engine: Engine, progress: Progress | None) -> None:
        """Nothing asked yet."""
        self._engine = engine
        self._progress = progress
        self._done = self._total = 0
        self._answered: list[Answered] = []

    @property
    def answered(self) -> tuple[Answered, ...]:
        """Each question so far, in the order of asking."""
        return tuple(self._answered)

    def ask(self, asks: Sequence[Ask]) -> list[Outcome]:
        """Put all questions in one batch, then all second tries in another.

        Returns:
            One outcome for each question, in their order.
        """
        first = [Request(ask.images, ask.question.prompt(ask.asked)) for ask in asks]
        scored = [_enforced(ask) if ask.scored else None for ask in asks]
        answers = self._answers([*first, *(one for one in scored if one is not None)])
        rest = iter(answers[len(first) :])
        scores = [None if one is None else next(rest) for one in scored]
        outcomes = [
            _first_try(ask, request.prompt, answer, score)
            for ask, request, answer, score in zip(asks, first, answers, scores, strict=False)
        ]
        outcomes = self._again(asks, outcomes)
        self._answered += [_told(*pair) for pair in zip(asks, outcomes, strict=True)]
        return outcomes

    def _again(self, asks: Sequence[Ask], outcomes: list[Outcome]) -> list[Outcome]:
        """The same outcomes, with second tries where a question failed and has had none."""
        due: list[tuple[int, Request]] = []
        for place, (ask, outcome) in enumerate(zip(asks, outcomes, strict=True)):
            request = _enforced(ask)
            if outcome.value is None and not outcome.enforced and request is not None:
                due.append((place, request))
        answers = self._answers([request for _, request in due])
        for (place, _), answer in zip(due, answers, strict=True):
            outcomes[place] = _second_try(asks[place], answer, outcomes[place])
        return outcomes

    def _answers(self, requests: list[Request]) -> list[Answer]:
        if not requests:
            return []
        self._total += len(requests)
        self._tell()
        answers = self._engine.answer(requests)
        self._done += len(requests)
        self._tell()
        return answers

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self._done, self._total)


def _enforced(ask: Ask) -> Request | None:
    form = ask.question.enforced(ask.asked)
    if form is None:
        return None
    return Request(ask.images, ask.question.prompt(ask.asked), form)


def _first_try(ask: Ask, prompt: str, answer: Answer, score: Answer | None) -> Outcome:
    seconds = answer.seconds + (score.seconds if score else 0.0)
    scores = None if score is None else score.scores
    try:
        _refuse_broken(answer)
        check_text(answer.text, prompt)
        value = ask.question.parse(answer.text, ask.asked)
    except BadAnswer as error:
        failed = Outcome(None, str(error), seconds=seconds)
        # The answer in the enforced form is here already; its time is counted above.
        return failed if score is None else _second_try(ask, replace(score, seconds=0.0), failed)
    return Outcome(value, scores=scores, seconds=seconds)


def _second_try(ask: Ask, answer: Answer, first: Outcome) -> Outcome:
    value, reason = None, ""
    try:
        _refuse_broken(answer)
        value = ask.question.parse_enforced(answer.text, ask.asked)
    except BadAnswer as error:
        reason = f"{first.reason}; with the form enforced: {error}"
    seconds = first.seconds + answer.seconds
    return Outcome(value, reason, enforced=True, scores=answer.scores, seconds=seconds)


def _refuse_broken(answer: Answer) -> None:
    if answer.broken:
        raise BadAnswer(answer.broken)


def _told(ask: Ask, outcome: Outcome) -> Answered:
    """The record of a question: what was understood, nothing that the model worded."""
    return Answered(
        question=ask.name,
        finding=ask.finding,
        about=ask.about,
        answer="" if outcome.value is None else ask.question.told(outcome.value, ask.asked),
        reason=outcome.reason,
        enforced=outcome.enforced,
        score=outcome.scores[0] if ask.scored and outcome.scores else None,
        seconds=round(outcome.seconds, 3),
    )
