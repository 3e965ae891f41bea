"""Figures with known answers, so that a table of them can be believed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from models.demonstration.evaluation.figures import (
    LEAST_GROUPS,
    Statistic,
    auroc,
    bootstrap,
    exact_interval,
    iou,
    macro_mean,
    mean,
)


def _auroc(scores: list[float], positive: list[int]) -> float:
    return auroc(np.array(scores, np.float64), np.array(positive, np.bool_))


def test_the_auroc_is_one_where_each_positive_is_above_each_negative() -> None:
    assert _auroc([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]) == 1.0
    assert _auroc([0.1, 0.2, 0.8, 0.9], [1, 1, 0, 0]) == 0.0


def test_the_auroc_counts_pairs_and_ties_half() -> None:
    # Of the six pairs four are in order, one is a tie, one is not in order.
    assert _auroc([0.3, 0.5, 0.7, 0.5, 0.4], [0, 0, 1, 1, 0]) == pytest.approx(5.5 / 6)
    assert _auroc([0.6, 0.5, 0.5, 0.2, 0.7], [0, 0, 1, 1, 1]) == pytest.approx(2.5 / 6)
    assert _auroc([0.5] * 6, [0, 1, 0, 1, 1, 0]) == 0.5


def test_the_auroc_does_not_depend_on_the_scale() -> None:
    rng = np.random.default_rng(0)
    scores, positive = rng.normal(size=300), rng.random(300) < 0.3
    pairs = scores[positive][:, None] - scores[~positive][None, :]
    expected = float((pairs > 0).mean())
    assert auroc(scores, positive) == pytest.approx(expected, abs=1e-12)
    assert auroc(np.exp(3 * scores), positive) == pytest.approx(expected, abs=1e-12)


def test_there_is_no_auroc_without_positives_and_negatives() -> None:
    assert math.isnan(_auroc([0.1, 0.2], [1, 1]))
    assert math.isnan(_auroc([], []))


def test_boxes_overlap_by_their_share() -> None:
    assert iou((0, 0, 100, 200), (0, 0, 100, 200)) == 1.0
    assert iou((0, 0, 100, 200), (0, 100, 100, 300)) == pytest.approx(1 / 3)
    assert iou((0, 0, 100, 100), (25, 25, 75, 75)) == pytest.approx(0.25)


def test_boxes_that_only_touch_or_lie_apart_do_not_overlap() -> None:
    assert iou((0, 0, 100, 100), (100, 0, 200, 100)) == 0.0
    assert iou((0, 0, 100, 100), (300, 300, 400, 400)) == 0.0


def test_rare_classes_count_as_much_as_frequent_ones() -> None:
    right = np.array([1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0])
    classes = np.array(["stable"] * 4 + ["improved"] * 2 + ["worsened"])
    names = ["improved", "stable", "worsened"]
    assert macro_mean(right, classes, names) == pytest.approx(2 / 3)
    assert mean(right) == pytest.approx(5 / 7)


def test_of_nothing_there_is_no_mean() -> None:
    assert math.isnan(mean(np.array([])))
    assert math.isnan(macro_mean(np.array([]), np.array([], np.str_), ["stable"]))


def test_without_one_of_its_classes_a_macro_mean_is_another_figure() -> None:
    """So it cannot be told, and a draw that has none of a rare class is left out."""
    right, classes = np.ones(3), np.array(["stable", "stable", "improved"])
    assert macro_mean(right, classes, ["improved", "stable"]) == 1.0
    assert math.isnan(macro_mean(right, classes, ["improved", "stable", "worsened"]))
    right = np.array([*np.linspace(0.8, 1.0, 29), 0.0])
    classes = np.array(["stable"] * 29 + ["worsened"])

    def chosen(places: NDArray[np.intp]) -> float:
        return macro_mean(right[places], classes[places], ["stable", "worsened"])

    low, high = bootstrap(chosen, range(30))
    assert 0.4 < low < high < 0.5  # of the frequent class alone it is 0.9


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [
        # Clopper and Pearson's table; with 0 of n the upper end is 1 - 0.025 ** (1 / n).
        (0, 10, 0.0, 1 - 0.025 ** (1 / 10)),
        (10, 10, 0.025 ** (1 / 10), 1.0),
        (5, 10, 0.187086, 0.812914),
        (2, 20, 0.012349, 0.316983),
        (95, 100, 0.887165, 0.983568),
        (1990, 2000, 0.990823, 0.997602),
    ],
)
def test_the_interval_of_a_proportion_is_exact(hits: int, of: int, low: float, high: float) -> None:
    assert exact_interval(hits, of) == pytest.approx((low, high), abs=2e-5)


def test_nothing_is_known_of_a_proportion_of_nothing() -> None:
    assert exact_interval(0, 0) == (0.0, 1.0)


def test_drawing_anew_gives_the_interval_of_a_mean() -> None:
    values = np.random.default_rng(4).normal(10, 2, 400)
    low, high = bootstrap(lambda places: mean(values[places]), range(400))
    half = 1.96 * 2 / 20
    assert low == pytest.approx(10 - half, abs=0.12)
    assert high == pytest.approx(10 + half, abs=0.12)
    assert low < float(values.mean()) < high


def test_answers_on_one_film_are_drawn_together() -> None:
    """Ten times the same answer on each film tells no more than one answer on each."""
    values = np.random.default_rng(5).normal(0, 1, 50)
    once = bootstrap(lambda places: mean(values[places]), range(50))
    often = np.repeat(values, 10)
    together = bootstrap(lambda places: mean(often[places]), np.repeat(range(50), 10).tolist())
    apart = bootstrap(lambda places: mean(often[places]), range(500))
    assert together == pytest.approx(once, abs=1e-9)
    assert apart[1] - apart[0] < 0.5 * (once[1] - once[0])


def test_the_same_draws_are_made_each_time() -> None:
    values = np.random.default_rng(6).random(40)
    first, second = (bootstrap(lambda places: mean(values[places]), range(40)) for _ in range(2))
    assert first == second


def test_no_interval_is_made_up() -> None:
    values = np.random.default_rng(7).random(50)

    def told(statistic: Statistic, groups: Sequence[int]) -> bool:
        return not any(map(math.isnan, bootstrap(statistic, groups)))

    assert not told(lambda _: math.nan, range(50))
    assert not told(lambda _: 1.0, [])
    assert not told(lambda _: 1.0, range(50))  # no draw differs: that is not certainty
    assert told(lambda places: mean(values[places]), range(LEAST_GROUPS))
    assert not told(lambda places: mean(values[places]), range(LEAST_GROUPS - 1))
    few = [0, 1] * 20  # many answers on two films
    assert not told(lambda places: mean(values[places]), few)


def test_there_is_no_interval_where_most_draws_tell_nothing() -> None:
    """Of one positive in forty a third of the draws have none, of a pair of kinds more have not."""
    values = np.random.default_rng(8).random(40)

    def only_with(places: NDArray[np.intp], wanted: int) -> float:
        there = all((places == one).any() for one in range(wanted))
        return mean(values[places]) if there else math.nan

    assert not math.isnan(bootstrap(lambda places: only_with(places, 1), range(40))[0])
    assert math.isnan(bootstrap(lambda places: only_with(places, 3), range(40))[0])
