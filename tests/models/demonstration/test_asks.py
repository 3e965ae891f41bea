"""What is asked of a phantom, by the node's own questions, and how right an answer is."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import pytest
from oracle import Oracle, Spoilt

from models.demonstration.drawing.phantoms import chest, pair
from models.demonstration.evaluation.asks import (
    SIDE,
    YES,
    AskedCase,
    Told,
    answered,
    put,
    rightness,
)
from models.demonstration.truth import ANATOMY, FINDINGS


@cache
def _film() -> AskedCase:
    """The first with two findings, one of which may be at several sites."""
    for seed in range(1000):
        shown = {sign.name for sign in chest(seed, side=128).signs}
        if len(shown) == 2 and "consolidation" in shown:
            return AskedCase("film", seed)
    raise AssertionError("no such phantom")


@cache
def _pair() -> AskedCase:
    for seed in range(1000):
        if "worsened" in pair(seed, side=128).changes.values():
            return AskedCase("pair", seed)
    raise AssertionError("no such pair")


def _told(case: AskedCase, spoil: Spoilt = lambda _, text: text, sure: float = 0.9) -> list[Told]:
    return answered(case, Oracle([case], spoil, sure))


def test_a_film_is_asked_for_every_finding_and_the_place_of_what_is_there() -> None:
    shown = {sign.name for sign in chest(_film().seed, side=SIDE).signs}
    asked = [(one.ask.name, one.ask.finding) for one in put(_film())]
    assert asked.count(("suitability", "film")) == 1
    assert [name for question, name in asked if question == "presence"] == list(FINDINGS)
    placed = [name for question, name in asked if question == "location"]
    assert set(placed) == {*ANATOMY, *shown}
    assert {name for question, name in asked if question == "site"} == shown - {"cardiomegaly"}
    truths = {one.ask.finding: one.truth for one in put(_film()) if one.ask.name == "presence"}
    assert {name for name, truth in truths.items() if truth == YES} == shown


def test_a_pair_is_asked_how_what_both_films_show_has_changed() -> None:
    changes = pair(_pair().seed, side=SIDE).changes
    questions = put(_pair())
    assert questions
    for one in questions:
        assert (one.ask.name, len(one.ask.images)) == ("change", 2)
        assert one.truth == changes[one.ask.finding]
    asked = {one.ask.finding for one in questions}
    assert {str(changes[name]) for name in changes.keys() - asked} <= {"new", "resolved"}


@pytest.mark.parametrize("case", [_film, _pair, lambda: AskedCase("other", 3)])
def test_who_knows_the_truth_is_always_right(case: object) -> None:
    assert callable(case)
    told = _told(case())
    assert told
    assert {(one.right, one.first_try) for one in told} == {(1.0, True)}


def test_the_score_is_that_of_yes() -> None:
    for one in _told(_film(), sure=0.8):
        expected = {"presence": 0.8 if one.truth == YES else 0.2, "suitability": 0.8}
        wanted = expected.get(one.question)
        assert one.score is wanted or one.score == pytest.approx(wanted)


def test_who_says_the_contrary_is_never_right() -> None:
    def contrary(_: object, text: str) -> str:
        other = {"yes": "no", "no": "yes", "A": "B", **dict.fromkeys("BCDEF", "A")}
        *head, last = text.split(" ")
        return " ".join([*head, other.get(last, last)])

    for case in (_film(), _pair()):
        for one in _told(case, contrary):
            assert one.right == (1.0 if one.question == "location" else 0.0), one
            assert one.first_try


def test_a_box_is_as_right_as_it_overlaps() -> None:
    def moved(one: object, text: str) -> str:
        head, begin, rest = text.partition("```json")
        if not begin:
            return text
        (found,) = json.loads(rest.removesuffix("```"))
        y0, x0, y1, x1 = found["box_2d"]
        found["box_2d"] = [y0, x0, y1 - (y1 - y0) // 2, x1]
        return f"{head}{begin}{json.dumps([found])}```"

    boxes = [one for one in _told(_film(), moved) if one.question == "location"]
    assert len(boxes) == 5
    assert all(0.4 < one.right < 0.6 for one in boxes)


def test_what_parses_only_with_the_form_enforced_is_no_first_try() -> None:
    for case in (_film(), _pair()):
        for one in _told(case, lambda *_: "I cannot tell."):
            assert not one.first_try
            assert one.right == 1.0  # by the second try, in which this engine is right again


def test_an_answer_that_cannot_be_used_at_all_is_wrong() -> None:
    class Mute(Oracle):
        def answer(self, requests):  # type: ignore[no-untyped-def]
            return [replace(one, text="I cannot tell.") for one in super().answer(requests)]

    for one in answered(_film(), Mute([_film()])):
        assert (one.right, one.first_try) == (0.0, False)


def test_words_are_right_or_wrong_and_boxes_by_degrees() -> None:
    assert rightness("stable", "stable") == 1.0
    assert rightness("stable", "improved") == 0.0
    assert rightness((0, 0, 100, 100), (0, 0, 50, 100)) == 0.5
    assert rightness("present", (0, 0, 50, 100)) == 0.0
