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
        ((100, 501), {Laterality.RIGHT}),
        ((400, 600), {Laterality.RIGHT, Laterality.LEFT}),
        (
            (400, 700),
            {Laterality.RIGHT, Laterality.LEFT},
        ),  # 5 % beside the middle: a turned patient
        ((400, 702), {Laterality.LEFT}),
        ((300, 600), {Laterality.RIGHT, Laterality.LEFT}),
        ((298, 600), {Laterality.RIGHT}),
        ((499, 900), {Laterality.LEFT}),
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
            with pytest.raises(BadAnswer, match=f"patient's {side}, the box on"):
                check_side(box, side)


#: What may be said of (now, on the prior).
_SAID = {
    (Presence.PRESENT, Presence.PRESENT): {
        ChangeKind.IMPROVED,
        ChangeKind.STABLE,
        ChangeKind.WORSENED,
    },
    (Presence.PRESENT, Presence.ABSENT): {ChangeKind.NEW},
    (Presence.ABSENT, Presence.PRESENT): {ChangeKind.RESOLVED},
    (Presence.ABSENT, Presence.ABSENT): set(),
}


@pytest.mark.parametrize("change", ChangeKind)
@pytest.mark.parametrize(("now", "earlier"), _SAID)
def test_presence_on_both_films_and_change_agree(
    now: Presence, earlier: Presence, change: ChangeKind
) -> None:
    """Absent and worsened, new with a prior that shows it, and all others like these."""
    finding = Finding("fracture", now, change=change)
    not_compared = change is ChangeKind.NOT_COMPARABLE and now is Presence.PRESENT
    if change in _SAID[now, earlier] or not_compared:
        check_change(finding, earlier)
    else:
        with pytest.raises(
            BadAnswer, match=r"absent and yet|present and yet|the prior (shows|does)"
        ):
            check_change(finding, earlier)


@pytest.mark.parametrize("change", [None, *ChangeKind])
def test_presence_now_and_change_agree_where_the_prior_was_not_judged(
    change: ChangeKind | None,
) -> None:
    absent = Finding("fracture", Presence.ABSENT, change=change)
    present = Finding("fracture", Presence.PRESENT, change=change)
    if change in (None, ChangeKind.RESOLVED):
        check_change(absent, None)
    else:
        with pytest.raises(BadAnswer, match="absent and yet"):
            check_change(absent, None)
    if change is ChangeKind.RESOLVED:
        with pytest.raises(BadAnswer, match="present and yet"):
            check_change(present, None)
    else:
        check_change(present, None)
