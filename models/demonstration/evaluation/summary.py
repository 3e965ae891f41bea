"""From answers to figures: each with its number of answers, 95 % interval, baseline and target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.demonstration.evaluation import figures
from models.demonstration.evaluation.asks import Told
from models.demonstration.evaluation.baselines import Guesses, guessed
from models.demonstration.evaluation.measures import MEASURES, Answers, Interval, Measure


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
class Shift:
    """A figure beyond the trained ranges, beside the same figure of the same seeds within them.

    ``of`` and ``within_of`` are how many answers they are of. ``difference`` is ``value`` less
    ``within``; ``low`` and ``high`` are its 95 % interval, each seed drawn with both of its films.
    NaN where there is nothing to tell it from.
    """

    name: str
    of: int
    value: float
    within_of: int
    within: float
    difference: float
    low: float
    high: float


def summarise(told: Sequence[Told], guesses: Guesses) -> tuple[Figure, ...]:
    """All figures of these answers, in the order of the table."""
    return tuple(_figure(one, one.of(told), guesses) for one in MEASURES)


def compare(beyond: Sequence[Told], within: Sequence[Told]) -> tuple[Shift, ...]:
    """All figures of answers beyond the trained ranges, beside those within them.

    Of ``within`` counts what has a seed that ``beyond`` has: the seeds decide how hard a film is.
    """
    seeds = {one.case.drawn_as for one in beyond}
    same = [one for one in within if one.case.drawn_as in seeds]
    return tuple(_shift(one, one.of(beyond), one.of(same)) for one in MEASURES)


def _figure(measure: Measure, told: Sequence[Told], guesses: Guesses) -> Figure:
    answers = Answers.of(told)
    baseline = math.nan
    if measure.guessed:
        baseline = measure.statistic(Answers.of(guessed(told, guesses)))
    value = measure.statistic(answers)
    low, high = (math.nan, math.nan) if math.isnan(value) else _interval(measure, answers)
    return Figure(measure.name, len(told), value, low, high, baseline, measure.target)


def _interval(measure: Measure, answers: Answers) -> tuple[float, float]:
    if measure.interval is Interval.EXACT:
        return figures.exact_interval(int(answers.right.sum()), len(answers.right))
    if measure.interval is Interval.CASES and len(np.unique(answers.first_try)) == 1:
        cases = len(np.unique(answers.group))
        return figures.exact_interval(cases if answers.first_try[0] else 0, cases)
    return figures.bootstrap(lambda places: measure.statistic(answers.at(places)), answers.group)


def _shift(measure: Measure, beyond: Sequence[Told], within: Sequence[Told]) -> Shift:
    answers, count = Answers.of([*beyond, *within]), len(beyond)

    def both(places: NDArray[np.intp]) -> tuple[float, float]:
        return (
            measure.statistic(answers.at(places[places < count])),
            measure.statistic(answers.at(places[places >= count])),
        )

    def difference(places: NDArray[np.intp]) -> float:
        there, here = both(places)
        return there - here

    every = np.arange(len(answers.group))
    value, same = both(every)
    low = high = math.nan
    if not math.isnan(value - same):
        low, high = figures.bootstrap(difference, answers.group)
    return Shift(measure.name, count, value, len(within), same, value - same, low, high)
