"""Phantoms: what is drawn is what the truth says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dicom_node.findings_file import shipped
from dicom_node.geometry import Box
from dicom_node.report import ChangeKind
from models.demonstration.drawing import cases
from models.demonstration.drawing.phantoms import chest, other, pair
from models.demonstration.evaluation import evaluate, sheet
from models.demonstration.ranges import FIRST_TRAINING_SEED, SHIFTED, TRAINED
from models.demonstration.truth import ANATOMY, FINDINGS, Phantom, Sign
from workers import demo

SIDE = 128
#: Mean greys of nine parts of a chest, of the earlier film of a pair, and of something else.
AS_TRAINED = (
    (109, 162, 79, 130, 195, 126, 148, 221, 89),
    (91, 195, 88, 182, 223, 187, 197, 244, 191),
    (147, 161, 155, 164, 174, 157, 171, 158, 164),
)


@pytest.fixture(scope="module")
def films() -> list[Phantom]:
    return [chest(seed, side=SIDE) for seed in range(60)]


def test_the_same_seed_gives_the_same_film_and_another_gives_another() -> None:
    assert np.array_equal(chest(3, side=SIDE).grey, chest(3, side=SIDE).grey)
    assert not np.array_equal(chest(3, side=SIDE).grey, chest(4, side=SIDE).grey)


def test_a_film_has_the_side_asked_for_and_its_spacing() -> None:
    small, large = chest(5, side=SIDE), chest(5, side=2 * SIDE)
    assert max(small.grey.shape) == SIDE
    assert max(large.grey.shape) == 2 * SIDE
    assert small.spacing == pytest.approx(2 * large.spacing)


def test_all_findings_are_drawn_and_some_films_show_nothing(films: list[Phantom]) -> None:
    assert {sign.name for film in films for sign in film.signs} == set(FINDINGS)
    assert any(not film.signs for film in films)


def test_each_box_holds_its_area_and_no_more(films: list[Phantom]) -> None:
    for film in films:
        boxes = dict(film.anatomy) | {sign.name: sign.box for sign in film.signs}
        for name, box in boxes.items():
            area = film.regions[name]
            inside = area[int(box.top) : int(box.bottom), int(box.left) : int(box.right)]
            assert inside.sum() == area.sum() > 0
            assert inside.any(axis=0)[[0, -1]].all()
            assert inside.any(axis=1)[[0, -1]].all()


def test_sites_are_those_of_the_vocabulary_and_on_their_side(films: list[Phantom]) -> None:
    vocabulary = shipped()
    for film in films:
        for sign in film.signs:
            assert sign.site in {site.name for site in vocabulary.sites_of(sign.name)}
            side = next((word for word in ("right", "left") if word in sign.site), "")
            if side:
                lung = film.anatomy[f"{side} lung"]
                x, y = sign.box.centre
                assert lung.left < x < lung.right
                assert lung.top < y < lung.bottom


def test_a_heart_is_large_where_the_truth_calls_it_so(films: list[Phantom]) -> None:
    for film in films:
        lungs = film.anatomy["left lung"].right - film.anatomy["right lung"].left
        heart = film.anatomy["cardiac silhouette"]
        large = any(sign.name == "cardiomegaly" for sign in film.signs)
        assert ((heart.right - heart.left) / lungs > 0.52) is large


def test_right_is_on_the_left_of_the_picture(films: list[Phantom]) -> None:
    for film in films:
        assert set(film.anatomy) == set(ANATOMY)
        assert film.anatomy["right lung"].centre[0] < film.anatomy["left lung"].centre[0]


def test_a_finding_changes_its_area_and_nothing_else(films: list[Phantom]) -> None:
    """Of two films that differ in the strength of one finding alone, the difference lies where its
    box is. The size of a heart is no matter of strength.
    """
    names = set()
    for seed, film in enumerate(films):
        if len(film.signs) != 1 or film.signs[0].name == "cardiomegaly":
            continue
        (sign,) = film.signs
        names.add(sign.name)
        change = np.abs(film.grey.astype(int) - _fainter(seed).grey.astype(int))
        outside = np.ones(change.shape, np.bool_)
        outside[_around(sign)] = False
        assert np.median(change[film.regions[sign.name]]) >= 10, (seed, sign.name)
        assert np.median(change[outside]) == 0, (seed, sign.name)
        assert change[outside].mean() < 0.02 * change[~outside].mean(), (seed, sign.name)
    assert names == {*FINDINGS} - {"cardiomegaly"}


def _fainter(seed: int) -> Phantom:
    return chest(seed, replace(TRAINED, contrast=(0.05, 0.06)), side=SIDE)


def _around(sign: Sign) -> tuple[slice, slice]:
    box = sign.box
    return slice(int(box.top), int(box.bottom)), slice(int(box.left), int(box.right))


def test_pairs_grow_shrink_or_stay_as_the_truth_says() -> None:
    seen = set()
    for seed in range(40):
        both = pair(seed, side=SIDE)
        before = {sign.name: sign.extent for sign in both.prior.signs}
        now = {sign.name: sign.extent for sign in both.current.signs}
        assert set(both.changes) == set(before) | set(now)
        for name, kind in both.changes.items():
            seen.add(kind)
            if kind is ChangeKind.NEW:
                assert name not in before
            elif kind is ChangeKind.RESOLVED:
                assert name not in now
            else:
                _check_growth(name, now[name] / before[name], kind)
    assert seen == {kind for kind, _ in cases.FATES}


def _check_growth(name: str, ratio: float, kind: ChangeKind) -> None:
    least = 1.05 if name == "cardiomegaly" else 1.4
    if kind is ChangeKind.WORSENED:
        assert ratio > least
    elif kind is ChangeKind.IMPROVED:
        assert ratio < 1 / least
    else:
        assert 0.94 < ratio < 1.06


def test_the_films_of_a_pair_are_taken_differently() -> None:
    both = pair(11, side=SIDE)
    assert not np.array_equal(both.prior.grey, both.current.grey)


def test_what_is_no_chest_film_has_no_truth_of_one() -> None:
    for seed in range(12):
        film = other(seed, side=SIDE)
        assert not film.chest
        assert not film.signs
        assert not film.anatomy
        assert film.grey.ndim == 2


@pytest.mark.parametrize("name", sorted(SHIFTED))
def test_shifted_ranges_draw_outside_of_the_trained(name: str) -> None:
    shifted = SHIFTED[name]
    fields = [
        field for field in TRAINED.__slots__ if getattr(TRAINED, field) != getattr(shifted, field)
    ]
    assert fields
    for field in fields:
        low, high = getattr(TRAINED, field)
        other_low, other_high = getattr(shifted, field)
        assert other_high <= low or other_low >= high or (other_low < low and other_high > high)
    assert chest(1, shifted, side=64).grey.size


def test_phantoms_are_still_those_that_the_checkpoint_was_trained_on() -> None:
    """Coarse, for machines differ in the last digit. Where this fails on purpose: raise the
    version in models/demonstration/training/pool.py, train anew, and renew these numbers.
    """
    for film, expected in zip(
        (chest(7, side=SIDE), pair(7, side=SIDE).prior, other(7, side=SIDE)),
        AS_TRAINED,
        strict=True,
    ):
        parts = [np.array_split(row, 3, axis=1) for row in np.array_split(film.grey, 3, axis=0)]
        means = [part.mean() for row in parts for part in row]
        np.testing.assert_allclose(means, expected, atol=2)


def test_seeds_of_training_are_far_from_those_of_everything_else() -> None:
    size = evaluate.FULL
    asked = {case.seed for case in evaluate._cases(size)}
    tried = {seed for part in evaluate._parts(evaluate._HARDNESS, size.hardness) for seed in part}
    assert not asked & tried
    assert max(asked | tried) < sheet.FIRST_SEED < FIRST_TRAINING_SEED
    assert demo.PAIR_SEED < FIRST_TRAINING_SEED


def test_boxes_are_in_pixels_of_the_film(films: list[Phantom]) -> None:
    for film in films:
        whole = Box(0, 0, film.grey.shape[1], film.grey.shape[0])
        for box in [*film.anatomy.values(), *(sign.box for sign in film.signs)]:
            assert box.left >= whole.left
            assert box.right <= whole.right
            assert box.bottom <= whole.bottom


def test_a_finding_that_lies_beside_the_film_is_not_in_the_truth() -> None:
    """Of this patient the effusion lies wholly in what was cut off."""
    film = chest(938, SHIFTED["size"], side=SIDE)
    assert "pleural effusion" not in {sign.name for sign in film.signs}
    assert set(film.anatomy) == set(ANATOMY)
