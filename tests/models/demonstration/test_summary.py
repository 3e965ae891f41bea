"""From answers to figures, beside what needs no model, and to the tables that show them."""

from __future__ import annotations

import json
import math
import re
from io import StringIO

import pytest
from rich.console import Console

from models.demonstration.evaluation import tables
from models.demonstration.evaluation.asks import TRAINED_NAME, AskedCase, Told, Truth
from models.demonstration.evaluation.baselines import guessed, learn
from models.demonstration.evaluation.evaluate import QUICK, Evaluation
from models.demonstration.evaluation.figures import exact_interval
from models.demonstration.evaluation.hardness import Row
from models.demonstration.evaluation.summary import Figure, compare, summarise
from models.demonstration.truth import ANATOMY, FINDINGS
from models.questions.location import Box2d

BOX: Box2d = (100, 100, 500, 500)
HALF: Box2d = (100, 100, 500, 300)


def _one(
    number: int,
    question: str,
    about: str,
    truth: Truth,
    *,
    right: float = 1.0,
    score: float | None = None,
    first_try: bool = True,
    ranges: str = TRAINED_NAME,
) -> Told:
    case = AskedCase("film", number, ranges)
    return Told(case, question, about, truth, right, score, first_try)


def _presence(number: int, about: str, truth: str, score: float) -> Told:
    return _one(number, "presence", about, truth, score=score)


def _by_name(told: list[Told], known: list[tuple[str, str, Truth]]) -> dict[str, Figure]:
    return {one.name: one for one in summarise(told, learn(known))}


def test_presence_is_told_by_the_scores_and_averaged_over_findings() -> None:
    told = []
    for number, (truth, score) in enumerate(
        [("present", 0.9), ("present", 0.4), ("absent", 0.6), ("absent", 0.1)] * 5
    ):
        for name in FINDINGS:
            sure = {"present": 0.8, "absent": 0.3}[truth]
            told.append(_presence(number, name, truth, score if name == "mass" else sure))
    figures = _by_name(told, [])
    assert figures["presence AUROC: mass"].value == 0.75
    assert figures["presence AUROC: nodule"].value == 1.0
    mean = figures["presence AUROC: mean"]
    assert mean.value == pytest.approx((5 + 0.75) / 6)
    assert (mean.of, mean.baseline, mean.target, mean.met) == (120, 0.5, 0.95, True)
    assert mean.low <= mean.value <= mean.high
    assert mean.low < mean.high


def test_boxes_are_averaged_by_structure_and_over_findings_alike() -> None:
    told = [_one(0, "location", name, BOX, right=0.9) for name in ANATOMY]
    told += [_one(n, "location", "mass", BOX, right=0.2) for n in range(9)]
    told += [_one(0, "location", name, BOX, right=0.8) for name in FINDINGS if name != "mass"]
    figures = _by_name(told, [("location", "mass", BOX), ("location", "mass", HALF)])
    assert figures["box IoU: left lung"].value == 0.9
    assert figures["box IoU: left lung"].met
    assert figures["box IoU: mass"].value == pytest.approx(0.2)
    assert figures["box IoU: mass"].baseline == pytest.approx(0.75)  # the mean box is 300 wide
    mean = figures["box IoU: mean of findings"]
    assert mean.value == pytest.approx((5 * 0.8 + 0.2) / 6)  # not weighted by how often each is
    assert (mean.of, mean.met) == (14, True)


def test_change_counts_each_class_alike_and_its_baseline_is_the_most_frequent() -> None:
    kinds = ["stable"] * 8 + ["improved", "worsened"]
    told = [
        _one(n, "change", "mass", kind, right=float(kind != "worsened"))
        for n, kind in enumerate(kinds)
    ]
    figures = _by_name(told, [("change", "mass", kind) for kind in kinds])
    change = figures["change macro-accuracy: all"]
    assert change.value == pytest.approx(2 / 3)
    assert change.baseline == pytest.approx(1 / 3)
    assert (change.of, change.target, change.met) == (10, 0.85, False)
    assert figures["change macro-accuracy: mass"].value == change.value
    assert math.isnan(figures["change macro-accuracy: nodule"].value)


def test_sites_and_suitability_are_plain_proportions() -> None:
    told = [_one(n, "site", "mass", "left", right=float(n < 6)) for n in range(8)]
    told += [_one(n, "suitability", "film", "present", score=0.9) for n in range(3)]
    told.append(_one(9, "suitability", "film", "absent", right=0.0, score=0.9))
    known = [("site", "mass", "right"), ("suitability", "film", "present")]
    figures = _by_name(told, known)
    assert figures["site: accuracy"].value == 0.75
    assert figures["site: accuracy"].baseline == 0.0
    suitable = figures["frontal chest film or not: accuracy"]
    assert (suitable.of, suitable.value, suitable.baseline) == (4, 0.75, 0.75)
    assert (suitable.low, suitable.high) == pytest.approx(exact_interval(3, 4))  # one a film


def test_whether_it_is_a_chest_film_is_not_told_from_chest_films_alone() -> None:
    told = [_one(n, "suitability", "film", "present", score=0.9) for n in range(40)]
    suitable = _by_name(told, [])["frontal chest film or not: accuracy"]
    assert suitable.of == 40
    assert all(map(math.isnan, (suitable.value, suitable.low, suitable.high)))


def test_several_sites_on_one_film_are_one_film() -> None:
    """Four times the same answer on each film are as sure as one answer on each."""
    once, often = (
        _by_name(
            [
                _one(n, "site", "mass", "left", right=float(n % 5 > 0))
                for n in range(40)
                for _ in range(times)
            ],
            [],
        )["site: accuracy"]
        for times in (1, 4)
    )
    assert (once.of, often.of) == (40, 160)
    assert (once.low, once.high) == pytest.approx((often.low, often.high))
    assert 0.6 < once.low < once.value == often.value == 0.8 < once.high < 0.95


def test_every_answer_counts_for_the_first_try() -> None:
    told = [_one(n // 5, "site", "mass", "left", first_try=n > 1) for n in range(100)]
    rate = _by_name(told, [])["first answers that parse"]
    assert (rate.of, rate.value, rate.met) == (100, 0.98, False)
    assert rate.low < 0.95 < rate.high == 1.0
    assert math.isnan(rate.baseline)


def test_where_every_first_answer_parses_each_film_counts_once() -> None:
    told = [_one(n // 5, "site", "mass", "left") for n in range(100)]
    rate = _by_name(told, [])["first answers that parse"]
    assert (rate.of, rate.value, rate.met) == (100, 1.0, True)
    assert (rate.low, rate.high) == pytest.approx(exact_interval(20, 20))


def test_what_lies_beyond_is_held_against_the_same_seeds_within() -> None:
    """Easy seeds are easy beyond, too: neither films of other seeds count, nor how seeds differ."""
    ease = [0.3 + 0.02 * n for n in range(30)]
    within = [_one(n, "location", "left lung", BOX, right=one) for n, one in enumerate(ease)]
    within += [_one(n, "location", "left lung", BOX, right=1.0) for n in range(30, 300)]
    beyond = [
        _one(n, "location", "left lung", BOX, right=one - 0.1 - 0.01 * (n % 2), ranges="noise")
        for n, one in enumerate(ease)
    ]
    beyond += [_one(n, "suitability", "film", "present", ranges="noise") for n in range(30)]
    shifts = {one.name: one for one in compare(beyond, within)}
    lung = shifts["box IoU: left lung"]
    assert (lung.of, lung.within_of) == (30, 30)
    assert lung.within == pytest.approx(0.59)
    assert lung.value == pytest.approx(0.485)
    assert lung.difference == pytest.approx(-0.105)
    assert -0.108 < lung.low < -0.105 < lung.high < -0.102  # though films differ by 0.6
    for name in ("frontal chest film or not: accuracy", "box IoU: mass"):
        assert math.isnan(shifts[name].difference)
        assert math.isnan(shifts[name].low)


def test_the_usual_answer_is_the_most_frequent_or_the_mean_box() -> None:
    known: list[tuple[str, str, Truth]] = [
        ("site", "mass", "left"),
        ("site", "mass", "right"),
        ("site", "mass", "right"),
        ("site", "nodule", "b"),
        ("site", "nodule", "a"),
        ("location", "mass", (0, 0, 100, 100)),
        ("location", "mass", (100, 200, 300, 401)),
    ]
    guesses = learn(known)
    assert guesses["site", "mass"] == "right"
    assert guesses["site", "nodule"] == "a"
    assert guesses["location", "mass"] == (50, 100, 200, 250)
    (unknown,) = guessed([_one(0, "site", "effusion", "left")], guesses)
    assert unknown.right == 0.0


def _evaluation() -> Evaluation:
    told = [_one(n, "location", "left lung", BOX, right=0.5 + 0.01 * n) for n in range(31)]
    trained = summarise(told, learn([("location", "left lung", HALF)]))
    beyond = [
        _one(n, "location", "left lung", BOX, right=0.4 + 0.004 * n, ranges="noise")
        for n in range(21)
    ]
    fallen = compare(beyond, told)
    rows = (Row("one", (0.5,) * 6), Row("two", (0.9, *(0.6,) * 5)), Row("ridge", (0.9,) * 6, False))
    return Evaluation("ab" * 32, QUICK, trained, {"noise": fallen}, rows)


def test_the_tables_say_what_is_to_be_reached_and_whether_it_is() -> None:
    figures, shifted, hardness = tables.of(_evaluation())
    (lung,) = [row for row in figures.rows if row[0] == "box IoU: left lung"]
    assert lung[:3] == ("box IoU: left lung", "31", "0.650")
    assert re.fullmatch(r"\[0\.6[123]\d, 0\.6[678]\d\]", lung[3])
    assert lung[4:] == ("0.500", "0.80", "no")
    (fallen,) = [row for row in shifted.rows if row[0] == "box IoU: left lung"]
    assert fallen[1] == "0.600 (21)"  # not of the ten that have no films beyond
    assert re.fullmatch(r"0\.440 \(21\) -0\.16 \[-0\.1[78], -0\.1[45]\]", fallen[2])
    (suitable,) = [row for row in shifted.rows if row[0].startswith("frontal chest film")]
    assert suitable[1:] == ("-", "-")
    best = hardness.rows[2]
    assert best == (
        "best of the above for each finding", "0.900", *("0.600",) * 5, "0.650"
    )  # fmt: skip
    assert hardness.rows[3][-1] == "0.900"  # what is no simple method comes after it


def test_the_tables_are_printed_and_written_alike() -> None:
    done = _evaluation()
    out = StringIO()
    tables.show(done, Console(file=out, width=250))
    text, printed = tables.markdown(done), out.getvalue()
    for table in tables.of(done):
        assert table.title in text
        assert table.note in text
        assert table.note in printed
        for row in table.rows:
            assert f"| {' | '.join(row)} |" in text
            assert all(cell in printed for cell in row)


def test_what_cannot_be_told_is_null_in_json() -> None:
    plain = json.loads(tables.as_json(_evaluation()))
    by_name = {one["name"]: one for one in plain["trained"]}
    assert by_name["box IoU: left lung"]["value"] == pytest.approx(0.65)
    assert by_name["box IoU: mass"]["value"] is None
    beyond = {one["name"]: one for one in plain["shifted"]["noise"]}
    assert beyond["box IoU: left lung"]["difference"] == pytest.approx(-0.16)
    assert beyond["box IoU: mass"]["difference"] is None
    assert plain["digest"] == "ab" * 32
    assert plain["hardness"][1]["values"][0] == 0.9
