from __future__ import annotations

import itertools

import pytest

from models.engines.base import Numbers
from models.engines.numbers import ALPHABET, is_complete, longest, may_become

BOX = Numbers(4, 0, 1000)
# Too many or too few, out of bounds, badly written, not a list.
_WRONG = """
1 [[ [1001 [01 [00 [1,, [, [1] [1,] [1,2,3] [1,2,3,4, [1,2,3,4,5] [1,2,3,4]] [-1 [1. [²
"""


@pytest.mark.parametrize("text", ["[0, 0, 0, 0]", "[1,2,3,4]", "[1000, 1000,7, 10]"])
def test_every_beginning_of_a_list_is_allowed(text: str) -> None:
    assert is_complete(text, BOX)
    for end in range(len(text) + 1):
        assert may_become(text[:end], BOX), text[:end]
    assert len(text) <= longest(BOX)


@pytest.mark.parametrize("text", [*_WRONG.split(), " [", "[ 1", "[1 ", "[1,  2", "[1, 2, 3, 4] "])
def test_what_cannot_become_a_list_is_not(text: str) -> None:
    assert not may_become(text, BOX)


def test_every_allowed_beginning_can_be_finished() -> None:
    """Exhaustively for a small form: each reachable beginning leads to a complete list."""
    form = Numbers(2, 3, 20, apart=2)
    reachable = {""}
    complete = set()
    while reachable:
        following = {
            text + letter
            for text, letter in itertools.product(reachable, sorted(ALPHABET))
            if may_become(text + letter, form)
        }
        for text in reachable - {""}:
            grows = any(one.startswith(text) for one in following)
            assert grows or is_complete(text, form), text
            if is_complete(text, form):
                complete.add(text.replace(" ", ""))
        reachable = following
    expected = {f"[{a},{b}]" for a in range(3, 19) for b in range(a + 2, 21)}
    assert complete == expected


def test_a_box_has_its_far_corner_farther() -> None:
    box = Numbers(4, 0, 1000, apart=10)
    assert is_complete("[100, 200, 110, 210]", box)
    for text in ("[100, 200, 109, 210]", "[100, 200, 110, 209]", "[995, 200, 1000, 210]"):
        assert not is_complete(text, box)
        assert not may_become(text, box)
