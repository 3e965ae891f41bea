"""What is measured: which answers each figure is of, and how it comes from them. No torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray

from models.demonstration.evaluation import figures
from models.demonstration.evaluation.asks import YES, Told
from models.demonstration.truth import ANATOMY, FINDINGS
from models.questions.change import KINDS

#: What is to be reached.
AUROC, IOU_ANATOMY, IOU_FINDINGS, CHANGE, FIRST_TRY = 0.95, 0.80, 0.50, 0.85, 0.99
_KINDS = tuple(map(str, KINDS))


@dataclass(frozen=True, slots=True)
class Answers:
    """One entry for each answer; ``group`` says from which seed its film or pair is: two films of
    the same seed, from different ranges, are of one group.
    """

    right: NDArray[np.float64] = field(repr=False)
    score: NDArray[np.float64] = field(repr=False)
    truth: NDArray[np.str_] = field(repr=False)
    about: NDArray[np.str_] = field(repr=False)
    first_try: NDArray[np.bool_] = field(repr=False)
    group: NDArray[np.intp] = field(repr=False)

    @classmethod
    def of(cls, told: Sequence[Told]) -> Answers:
        """All of these, in their order."""
        seeds = {seed: number for number, seed in enumerate({one.case.drawn_as: 0 for one in told})}
        return cls(
            np.array([one.right for one in told], np.float64),
            np.array([0.5 if one.score is None else one.score for one in told], np.float64),
            np.array([one.truth if isinstance(one.truth, str) else "" for one in told], np.str_),
            np.array([one.about for one in told], np.str_),
            np.array([one.first_try for one in told], np.bool_),
            np.array([seeds[one.case.drawn_as] for one in told], np.intp),
        )

    def at(self, places: NDArray[np.intp] | NDArray[np.bool_]) -> Answers:
        """Those at these places."""
        return Answers(
            self.right[places],
            self.score[places],
            self.truth[places],
            self.about[places],
            self.first_try[places],
            self.group[places],
        )


#: A figure of answers; NaN where they cannot tell it.
Statistic = Callable[[Answers], float]


class Interval(Enum):
    """Where a figure's interval comes from."""

    #: From drawing the films and pairs anew, with all of their answers.
    DRAWN = auto()
    #: Clopper and Pearson's: of a plain proportion with one answer a film.
    EXACT = auto()
    #: As DRAWN; where all answers are alike Clopper and Pearson's of the films and pairs, each of
    #: which counts once: as a hit where all of its answers are.
    CASES = auto()


@dataclass(frozen=True, slots=True)
class Measure:
    """``question`` is None for the answers to all; ``about`` are the findings or the anatomy it is
    of. ``target`` is None where none is set. ``guessed``: guesses without the film tell a baseline.
    """

    name: str
    statistic: Statistic
    question: str | None = None
    about: tuple[str, ...] | None = None
    target: float | None = None
    interval: Interval = Interval.DRAWN
    guessed: bool = True

    def of(self, told: Sequence[Told]) -> list[Told]:
        """The answers that it is of."""
        return [
            one
            for one in told
            if (self.question is None or one.question == self.question)
            and (self.about is None or one.about in self.about)
        ]


def _auroc(answers: Answers) -> float:
    return figures.auroc(answers.score, answers.truth == YES)


def _mean(answers: Answers) -> float:
    return figures.mean(answers.right)


def _macro(answers: Answers) -> float:
    return figures.macro_mean(answers.right, answers.truth, _KINDS)


def _of_both(answers: Answers) -> float:
    """How many are right; NaN where the same is true of all: then who looks at nothing is right."""
    return _mean(answers) if len(np.unique(answers.truth)) > 1 else math.nan


def _first_try(answers: Answers) -> float:
    return figures.mean(answers.first_try.astype(np.float64))


def _by_finding(statistic: Statistic) -> Statistic:
    """Its mean over the findings, each counting as much; NaN where it is of any."""

    def whole(answers: Answers) -> float:
        parts = [statistic(answers.at(answers.about == name)) for name in FINDINGS]
        return sum(parts) / len(parts)

    return whole


def _each(
    what: str,
    names: Sequence[str],
    statistic: Statistic,
    question: str,
    target: float | None = None,
) -> list[Measure]:
    """The same of each of these names."""
    return [Measure(f"{what}: {name}", statistic, question, (name,), target) for name in names]


#: All figures, in the order of the table.
MEASURES = (
    *_each("presence AUROC", FINDINGS, _auroc, "presence"),
    Measure("presence AUROC: mean", _by_finding(_auroc), "presence", target=AUROC),
    *_each("box IoU", ANATOMY, _mean, "location", IOU_ANATOMY),
    *_each("box IoU", FINDINGS, _mean, "location"),
    Measure(
        "box IoU: mean of findings", _by_finding(_mean), "location", FINDINGS, target=IOU_FINDINGS
    ),
    *_each("change macro-accuracy", FINDINGS, _macro, "change"),
    Measure("change macro-accuracy: all", _macro, "change", target=CHANGE),
    Measure("site: accuracy", _mean, "site"),
    Measure(
        "frontal chest film or not: accuracy", _of_both, "suitability", interval=Interval.EXACT
    ),
    Measure(
        "first answers that parse",
        _first_try,
        target=FIRST_TRY,
        interval=Interval.CASES,
        guessed=False,
    ),
)
