from __future__ import annotations

import json
from typing import Any

import pytest

from dicom_node.errors import BadAnswer
from dicom_node.report import ChangeKind, Presence
from models.check import check_text
from models.engines.base import Choices
from models.questions import QUESTIONS, change, description, location, presence, site
from models.questions.asked import Asked

EFFUSION = Asked("pleural effusion", ("right pleural space", "left pleural space"))


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_reads_its_own_example(name: str) -> None:
    question = QUESTIONS[name]
    prompt = question.prompt(question.EXAMPLE_ASKED)
    check_text(question.EXAMPLE, prompt)
    value = question.parse(question.EXAMPLE, question.EXAMPLE_ASKED)
    expected: dict[str, Any] = {
        "suitability": Presence.PRESENT,
        "presence": Presence.PRESENT,
        "location": (610, 120, 840, 430),
        "site": 1,
        "change": ChangeKind.WORSENED,
        "description": description.EXAMPLE,
    }
    assert value == expected[name]
    assert question.VERSION


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_choice_of_an_enforced_form_is_read(name: str) -> None:
    question = QUESTIONS[name]
    form = question.enforced(EFFUSION)
    if isinstance(form, Choices):
        values = [question.parse_enforced(option, EFFUSION) for option in form.options]
        assert len(set(values)) == len(form.options)
    elif name == "location":
        assert question.parse_enforced("[1, 20, 300, 1000]", EFFUSION) == (1, 20, 300, 1000)
    else:
        assert form is None


def test_yes_comes_first_for_its_score_is_that_of_presence() -> None:
    first, second = presence.enforced(EFFUSION).options
    assert presence.parse(first, EFFUSION) is Presence.PRESENT
    assert presence.parse(second, EFFUSION) is Presence.ABSENT


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Final Answer: yes", Presence.PRESENT),
        ("final answer: No.", Presence.ABSENT),
        ("**Final Answer:** **yes**", Presence.PRESENT),
        ("Final Answer: yes\n\nNo, I look again. Final Answer: no", Presence.ABSENT),
    ],
)
def test_presence_reads_the_last_final_answer(text: str, expected: Presence) -> None:
    assert presence.parse(text, EFFUSION) is expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yes",
        "Answer: yes",
        "Final Answer:",
        "Final Answer: maybe",
        "Final Answer: yes or no",
        "Final Answer: yes/no",
        "Final Answer: yesterday",
        "Final Answer: yes\nFinal Answer: perhaps",
    ],
)
def test_presence_takes_nothing_else(text: str) -> None:
    with pytest.raises(BadAnswer):
        presence.parse(text, EFFUSION)


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("Final Answer: A", 0),
        ("Final Answer: (B)", 1),
        ("Final Answer: **B.**", 1),
        ("Final Answer: (A) right pleural space", 0),
        ("Final Answer: B: Left pleural space.", 1),
        ("Final Answer: left pleural space", 1),
        ("Final Answer: A\nFinal Answer: B", 1),
    ],
)
def test_a_choice_is_read_by_letter_or_words(text: str, index: int) -> None:
    assert site.parse(text, EFFUSION) == index


@pytest.mark.parametrize(
    "text",
    [
        "A",
        "Final Answer:",
        "Final Answer: C",
        "Final Answer: X",
        "Final Answer: b",
        "Final Answer: A and B",
        "Final Answer: (A) left pleural space",
        "Final Answer: both",
    ],
)
def test_a_choice_that_is_none_or_two_is_refused(text: str) -> None:
    with pytest.raises(BadAnswer):
        site.parse(text, EFFUSION)


def test_change_knows_three_kinds_in_the_order_of_its_letters() -> None:
    kinds = [change.parse(f"Final Answer: {letter}", EFFUSION) for letter in "ABC"]
    assert kinds == [ChangeKind.IMPROVED, ChangeKind.STABLE, ChangeKind.WORSENED]
    assert "(A) Improved\n(B) Stable\n(C) Worsened" in change.prompt(EFFUSION)


def answer(*objects: dict[str, Any], lead: str = "Final Answer:```json", end: str = "```") -> str:
    return f"Reasons [as asked].\n\n{lead}{json.dumps(objects)}{end}"


BOX = {"box_2d": [100, 200, 300, 400], "label": "pleural effusion"}


@pytest.mark.parametrize(
    "text",
    [
        answer(BOX),
        answer(BOX, lead="Final Answer: ", end=""),
        answer(BOX, lead="Final Answer:\n```json\n", end="\n```"),
        answer(BOX | {"label": "Pleural Effusion "}),
        answer(BOX | {"box_2d": [0, 0, 1, 1]}) + "\n" + answer(BOX),
    ],
)
def test_a_box_is_read(text: str) -> None:
    assert location.parse(text, EFFUSION) == (100, 200, 300, 400)


@pytest.mark.parametrize(
    ("text", "broke"),
    [
        ("It is at [100, 200, 300, 400].", "no `Final Answer:`"),
        ("Final Answer: on the right", "no JSON list"),
        (answer(), "0 objects"),
        (answer(BOX, BOX), "2 objects"),
        (answer(BOX | {"label": "heart"}), "label"),
        (answer(BOX | {"sure": 1}), "key other than"),
        (answer({"box_2d": [1, 2, 300, 400]}), "label"),
        (answer(BOX | {"box_2d": [100, 200, 300]}), "box_2d"),
        (answer(BOX | {"box_2d": [100, 200, 300, 400, 500]}), "box_2d"),
        (answer(BOX | {"box_2d": [100, 200, 300, 1001]}), "1000"),
        (answer(BOX | {"box_2d": [-1, 200, 300, 400]}), "0"),
        (answer(BOX | {"box_2d": [0.1, 0.2, 0.3, 0.4]}), "integer"),
        (answer(BOX | {"box_2d": ["100", 200, 300, 400]}), "integer"),
        (answer(BOX | {"box_2d": [300, 200, 100, 400]}), "inside out"),
        (answer(BOX | {"box_2d": [100, 400, 300, 200]}), "inside out"),
        (answer(BOX | {"box_2d": [100, 200, 300, 205]}), "too thin"),
        (answer(BOX | {"box_2d": [0, 0, 1000, 1000]}), "whole picture"),
        (answer(BOX)[:-6], "JSON"),
    ],
)
def test_a_box_that_does_not_fit_is_refused(text: str, broke: str) -> None:
    with pytest.raises(BadAnswer, match=broke):
        location.parse(text, EFFUSION)


def test_no_error_quotes_the_model() -> None:
    """It may have read a name that is burned into the film."""
    name = "Zebrowska"
    texts = [name, f"Final Answer: {name}", answer(BOX | {"label": name}), answer(BOX | {name: 1})]
    for text in texts:
        for question in (presence, site, change, location):
            with pytest.raises(BadAnswer) as caught:
                question.parse(text, EFFUSION)
            assert name not in str(caught.value)


@pytest.mark.parametrize("text", ["", "  \n", "...", "123"])
def test_a_description_holds_words(text: str) -> None:
    with pytest.raises(BadAnswer):
        description.parse(text, EFFUSION)


def test_prompts_are_in_the_formats_of_the_model() -> None:
    assert presence.prompt(EFFUSION).startswith("Is there pleural effusion in this image?")
    where = location.prompt(EFFUSION)
    parts = ("[y0, x0, y1, x1]", "0-1000", "box_2d", "patient's left", "Where is the pleural eff")
    places = [where.index(part) for part in parts]
    assert places == sorted(places)
    assert "(A) right pleural space\n(B) left pleural space" in site.prompt(EFFUSION)
