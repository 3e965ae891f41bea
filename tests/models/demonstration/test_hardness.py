"""Simple methods find what is simple to find, and nothing in noise."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from models.demonstration.evaluation.hardness import Films, Row, draw, joined, measure
from models.demonstration.truth import FINDINGS

SIDE = 128


def _films(seed: int, mark: str | None, count: int = 120) -> Films:
    """Noise of varying exposure, in which the first finding is marked so, and nothing else is."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(100, 20, (count, SIDE, SIDE)).astype(np.float32)
    raw += rng.normal(0, 10, (count, 1, 1)).astype(np.float32)
    shown = rng.random((count, len(FINDINGS))) < 0.4
    for number in np.flatnonzero(shown[:, 0]):
        _mark(raw[number], mark, rng)
    return Films(raw, shown)


def _mark(film: NDArray[np.float32], mark: str | None, rng: np.random.Generator) -> None:
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    if mark == "brighter":
        film += 60
    elif mark == "blob":
        top, left = rng.integers(40, 88, 2)
        film += (80 * np.exp(-((y - top) ** 2 + (x - left) ** 2) / 32)).astype(np.float32)
    elif mark == "place":
        film[16:32, 80:96] += 25


@cache
def _of_first(mark: str | None) -> dict[str, tuple[float, ...]]:
    return {row.method: row.values for row in measure(_films(1, mark), _films(2, mark))}


def test_a_threshold_finds_films_that_are_brighter() -> None:
    assert _of_first("brighter")["mean grey"][0] > 0.95


def test_a_blob_is_found_wherever_it_is() -> None:
    assert _of_first("blob")["strongest blob (difference of Gaussians)"][0] > 0.95


@pytest.mark.parametrize(
    "method",
    [
        "grey of one part of an 8 x 8 grid",
        "difference of the two sides",
        "mean positive minus mean negative film",
        "ridge regression on 32 x 32 pixels",
    ],
)
def test_what_is_always_at_one_place_is_found_by_templates(method: str) -> None:
    values = _of_first("place")[method]
    assert values[0] > 0.9
    assert all(0.3 < value < 0.7 for value in values[1:])


def test_nothing_is_found_in_noise() -> None:
    for method, values in _of_first(None).items():
        assert all(0.3 < value < 0.7 for value in values), method
        assert abs(sum(values) / len(values) - 0.5) < 0.08, method


def test_the_mean_is_over_the_findings() -> None:
    assert Row("any", (0.5, 0.7, 0.9)).mean == pytest.approx(0.7)


def test_parts_that_were_drawn_apart_are_the_films_drawn_at_once() -> None:
    whole, parts = draw(range(4)), joined([draw(range(2)), draw(range(2, 4))])
    np.testing.assert_array_equal(whole.raw, parts.raw)
    np.testing.assert_array_equal(whole.shown, parts.shown)
    assert whole.raw.shape == (4, SIDE, SIDE)
    assert abs(float(whole.pictures[0].mean())) < 1e-3
    assert float(whole.pictures[0].std()) == pytest.approx(1, abs=1e-3)
