from __future__ import annotations

import pytest

from dicom_node.errors import BadAnswer
from dicom_node.report import ChangeKind, Finding, Presence
from dicom_node.vocabulary import Laterality
from models.check import check_box, check_change, check_side, check_text
from models.questions import location
from models.questions.asked import Asked


@pytest.mark.parametrize("mark", ["<start_of_turn>", "<unused94>", "<image_soft_token>"])
def test_chat_marks_do_not_pass(mark: str) -> None:
    with pytest.raises(BadAnswer, match=mark):
        check_text(f"Final Answer: yes{mark}", "Is there?")


def test_a_repeated_prompt_does_not_pass() -> None:
    prompt = location.prompt(Asked("fracture"))
    line = next(line for line in prompt.splitlines() if len(line) > 60)
    with pytest.raises(BadAnswer, match="repeats its prompt"):
        check_text(f"As I was told:\n  {line.replace(' ', '  ', 1)}", prompt)
    check_text(location.EXAMPLE, prompt)


@pytest.mark.parametrize(
    ("box", "passes"),
    [
        ((100, 100, 110, 110), True),
        ((100, 100, 109, 300), False),
        ((100, 100, 300, 109), False),
        ((0, 0, 900, 1000), True),
        ((0, 0, 901, 1000), False),
        ((300, 100, 300, 200), False),
        ((400, 100, 300, 200), False),
    ],
)
def test_a_box_is_a_place(box: tuple[int, int, int, int], *, passes: bool) -> None:
    if passes:
        check_box(box)
    else:
        with pytest.raises(BadAnswer):
            check_box(box)


@pytest.mark.parametrize(
    ("columns", "agrees_with"),
    [
        ((100, 300), {Laterality.RIGHT}),  # the picture's left is the patient's right
        ((100, 500), {Laterality.RIGHT}),
        ((100, 501), {Laterality.RIGHT, Laterality.LEFT}),
        ((499, 900), {Laterality.RIGHT, Laterality.LEFT}),
        ((500, 900), {Laterality.LEFT}),
        ((700, 900), {Laterality.LEFT}),
    ],
)
def test_the_side_agrees_with_the_position(
    columns: tuple[int, int], agrees_with: set[Laterality]
) -> None:
    box = (100, columns[0], 300, columns[1])
    check_side(box, None)
    check_side(box, Laterality.BILATERAL)
    for side in (Laterality.RIGHT, Laterality.LEFT):
        if side in agrees_with:
            check_side(box, side)
        else:
            with pytest.raises(BadAnswer, match=f"patient's {side}, the box wholly"):
                check_side(box, side)


@pytest.mark.parametrize("change", [None, *ChangeKind])
def test_presence_and_change_agree(change: ChangeKind | None) -> None:
    absent = Finding("fracture", Presence.ABSENT, change=change)
    present = Finding("fracture", Presence.PRESENT, change=change)
    if change in (None, ChangeKind.RESOLVED):
        check_change(absent)
    else:
        with pytest.raises(BadAnswer, match="absent and yet"):
            check_change(absent)
    if change is ChangeKind.RESOLVED:
        with pytest.raises(BadAnswer, match="present and yet"):
            check_change(present)
    else:
        check_change(present)
