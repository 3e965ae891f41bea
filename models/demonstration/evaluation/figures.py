"""The numbers of an evaluation: how well answers fit the truth, and how sure that is. No torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.questions.location import Box2d

#: A figure of the answers at these indices (from 0); each may occur more than once.
Statistic = Callable[[NDArray[np.intp]], float]

#: Outside of the interval on each side: 95 % are within.
_TAIL = 0.025
_RESAMPLES = 1000
#: Fewer groups than these say too little of how others would vary.
LEAST_GROUPS = 10
#: So many of the draws must tell the figure.
_LEAST_KNOWN = _RESAMPLES // 2
_HALVINGS = 60  # of the range 0 to 1: far finer than a double can tell apart


def auroc(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """How often a positive scores higher than a negative; ties count half. NaN without either."""
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return math.nan
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2)[places]  # from 1; those that tie share their mean
    above = float(ranks[positive].sum()) - positives * (positives + 1) / 2
    return above / (positives * negatives)


def iou(one: Box2d, other: Box2d) -> float:
    """Intersection over union, 0 to 1."""
    height = min(one[2], other[2]) - max(one[0], other[0])
    width = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(height, 0) * max(width, 0)
    return shared / (_area(one) + _area(other) - shared)


def mean(values: NDArray[np.float64]) -> float:
    """NaN without any."""
    return float(values.mean()) if len(values) else math.nan


def macro_mean(
    values: NDArray[np.float64], classes: NDArray[np.str_], names: Sequence[str]
) -> float:
    """The mean over classes of each class's mean: rare ones count as much.

    ``names`` are all classes. NaN where one of them does not occur: a mean of the others is another
    figure.
    """
    means = [mean(values[classes == name]) for name in names]
    return sum(means) / len(means)


def exact_interval(hits: int, of: int) -> tuple[float, float]:
    """95 % interval of a proportion by Clopper and Pearson; (0, 1) of nothing."""
    if not of:
        return 0.0, 1.0
    low = 0.0 if hits == 0 else _solve(lambda p: _at_least(hits, of, p) > _TAIL)
    high = 1.0 if hits == of else _solve(lambda p: 1 - _at_least(hits + 1, of, p) <= _TAIL)
    return low, high


def bootstrap(
    statistic: Statistic, groups: Sequence[int] | NDArray[np.intp], seed: int = 0
) -> tuple[float, float]:
    """95 % interval of a figure (percentiles) by drawing as many groups anew, with return.

    ``groups`` says for each answer of which group it is: answers on one film belong together.
    Draws of which the figure cannot be told (NaN) are left out. NaN twice where that is most of
    them, with fewer than LEAST_GROUPS, and where all draws give the same: of answers all alike the
    draws cannot say how sure they are.
    """
    _, group_of = np.unique(np.asarray(groups), return_inverse=True)
    count = int(group_of.max()) + 1 if len(group_of) else 0
    rng, every = np.random.default_rng(seed), np.arange(len(group_of))
    known = []
    for _ in range(_RESAMPLES if count >= LEAST_GROUPS else 0):
        times = np.bincount(rng.integers(0, count, count), minlength=count)
        value = statistic(np.repeat(every, times[group_of]))
        if not math.isnan(value):
            known.append(value)
    if len(known) < _LEAST_KNOWN:
        return math.nan, math.nan
    low, high = np.quantile(known, [_TAIL, 1 - _TAIL])
    return (float(low), float(high)) if low < high else (math.nan, math.nan)


def _area(box: Box2d) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _at_least(hits: int, of: int, chance: float) -> float:
    """How likely so many hits or more are."""
    if not 0 < chance < 1:
        return float(chance == 1 or hits == 0)
    logs = (math.log(chance), math.log1p(-chance))
    return math.fsum(
        math.exp(_log_ways(of, k) + k * logs[0] + (of - k) * logs[1]) for k in range(hits, of + 1)
    )


def _log_ways(of: int, hits: int) -> float:
    return math.lgamma(of + 1) - math.lgamma(hits + 1) - math.lgamma(of - hits + 1)


def _solve(reached: Callable[[float], bool]) -> float:
    """The least chance from which on this holds."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high
