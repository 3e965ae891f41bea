"""From answers to figures: each with its number of answers, 95 % interval, baseline and target."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.demonstration.evaluation import figures
from models.demonstration.evaluation.asks import YES, Told
from models.demonstration.evaluation.baselines import Guesses, guessed
from models.demonstration.truth import ANATOMY, FINDINGS

#: What is to be reached.
AUROC, IOU_ANATOMY, IOU_FINDINGS, CHANGE, FIRST_TRY = 0.95, 0.80, 0.50, 0.85, 0.99


@dataclass(frozen=True, slots=True)
class Figure:
    """``of`` is how many answers it is of; NaN where there is nothing to tell it from.

    ``baseline`` is what is reached without looking at the film. ``target`` is None where none is
    set.
    """

    name: str
    of: int
    value: float
    low: float
    high: float
    baseline: float
    target: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None without one."""
        return None if self.target is None else self.value >= self.target


@dataclass(frozen=True, slots=True)
class _Answers:
    """One entry for each answer; ``group`` says of which film or pair it is."""

    right: NDArray[np.float64] = field(repr=False)
    score: NDArray[np.float64] = field(repr=False)
    truth: NDArray[np.str_] = field(repr=False)
    about: NDArray[np.str_] = field(repr=False)
    group: NDArray[np.intp] = field(repr=False)

    @classmethod
    def of(cls, told: Sequence[Told]) -> _Answers:
        cases = {case: number for number, case in enumerate({one.case: None for one in told})}
        return cls(
            np.array([one.right for one in told], np.float64),
            np.array([0.5 if one.score is None else one.score for one in told], np.float64),
            np.array([one.truth if isinstance(one.truth, str) else "" for one in told], np.str_),
            np.array([one.about for one in told], np.str_),
            np.array([cases[one.case] for one in told], np.intp),
        )

    def at(self, places: NDArray[np.intp] | NDArray[np.bool_]) -> _Answers:
        """Those at these places."""
        return _Answers(
            self.right[places],
            self.score[places],
            self.truth[places],
            self.about[places],
            self.group[places],
        )


_Statistic = Callable[[_Answers], float]


def summarise(told: Sequence[Told], guesses: Guesses) -> tuple[Figure, ...]:
    """All figures of these answers, in the order of the table."""
    return (
        *_presence(told, guesses),
        *_location(told, guesses),
        *_change(told, guesses),
        _figure("site: accuracy", _of(told, "site"), guesses, _mean, exact=True),
        _figure(
            "frontal chest film or not: accuracy",
            _of(told, "suitability"),
            guesses,
            _mean,
            exact=True,
        ),
        _first_try(told),
    )


def _presence(told: Sequence[Told], guesses: Guesses) -> list[Figure]:
    asked = _of(told, "presence")
    parts = [
        _figure(f"presence AUROC: {name}", _about(asked, name), guesses, _auroc)
        for name in FINDINGS
    ]
    return [
        *parts,
        _figure("presence AUROC: mean", asked, guesses, _by_finding(_auroc), target=AUROC),
    ]


def _location(told: Sequence[Told], guesses: Guesses) -> list[Figure]:
    asked = _of(told, "location")
    findings = [one for one in asked if one.about in FINDINGS]
    return [
        *(
            _figure(f"box IoU: {name}", _about(asked, name), guesses, _mean, target=IOU_ANATOMY)
            for name in ANATOMY
        ),
        *(_figure(f"box IoU: {name}", _about(asked, name), guesses, _mean) for name in FINDINGS),
        _figure(
            "box IoU: mean of findings", findings, guesses, _by_finding(_mean), target=IOU_FINDINGS
        ),
    ]


def _change(told: Sequence[Told], guesses: Guesses) -> list[Figure]:
    asked = _of(told, "change")
    return [
        *(
            _figure(f"change macro-accuracy: {name}", _about(asked, name), guesses, _macro)
            for name in FINDINGS
        ),
        _figure("change macro-accuracy: all", asked, guesses, _macro, target=CHANGE),
    ]


def _first_try(told: Sequence[Told]) -> Figure:
    hits = sum(one.first_try for one in told)
    rate = hits / len(told) if told else math.nan
    low, high = figures.exact_interval(hits, len(told))
    return Figure("first answers that parse", len(told), rate, low, high, math.nan, FIRST_TRY)


def _figure(
    name: str,
    told: Sequence[Told],
    guesses: Guesses,
    statistic: _Statistic,
    *,
    target: float | None = None,
    exact: bool = False,
) -> Figure:
    """``exact``: the figure is a plain proportion, whose interval needs no drawing."""
    answers, guess = _Answers.of(told), _Answers.of(guessed(told, guesses))
    if exact:
        low, high = figures.exact_interval(int(answers.right.sum()), len(told))
    else:
        low, high = figures.bootstrap(
            lambda places: statistic(answers.at(places)), answers.group.tolist()
        )
    return Figure(name, len(told), statistic(answers), low, high, statistic(guess), target)


def _of(told: Sequence[Told], question: str) -> list[Told]:
    return [one for one in told if one.question == question]


def _about(told: Sequence[Told], name: str) -> list[Told]:
    return [one for one in told if one.about == name]


def _auroc(answers: _Answers) -> float:
    return figures.auroc(answers.score, answers.truth == YES)


def _mean(answers: _Answers) -> float:
    return figures.mean(answers.right)


def _macro(answers: _Answers) -> float:
    return figures.macro_mean(answers.right, answers.truth)


def _by_finding(statistic: _Statistic) -> _Statistic:
    """Its mean over the findings, each counting as much; NaN where it is of any."""

    def whole(answers: _Answers) -> float:
        parts = [statistic(answers.at(answers.about == name)) for name in FINDINGS]
        return sum(parts) / len(parts)

    return whole
