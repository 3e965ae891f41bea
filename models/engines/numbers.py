"""Lists of whole numbers, letter by letter: which texts may still become one. No torch."""

from __future__ import annotations

from collections.abc import Iterable

from models.engines.base import Numbers

#: All that such a list is written with.
ALPHABET = frozenset("0123456789,[] ")


def is_complete(text: str, form: Numbers) -> bool:
    """The text is the whole list, such as ``[10, 20, 30, 40]``."""
    if not (text.startswith("[") and text.endswith("]")):
        return False
    parts = _parts(text[1:-1])
    return len(parts) == form.count and _are_numbers(parts, form)


def may_become(text: str, form: Numbers) -> bool:
    """The text is the beginning of a complete list, or is one.

    A comma may be followed by one space; there is no other space, sign or leading zero, so that
    every list ends after a bounded number of letters.
    """
    if not text or is_complete(text, form):
        return True
    if not text.startswith("[") or text.endswith("]"):
        return False
    *whole, last = _parts(text[1:])
    if len(whole) >= form.count or not _are_numbers(whole, form):
        return False
    return _may_become_number(last, *_bounds(whole, form))


def next_pieces(text: str, pieces: Iterable[tuple[int, str]], form: Numbers) -> list[int]:
    """The ids of those pieces (id, text) that keep the text the beginning of a list."""
    return [number for number, piece in pieces if may_become(text + piece, form)]


def longest(form: Numbers) -> int:
    """No list of this form is longer, in letters: the brackets, and each number with ``, ``."""
    return 2 + form.count * (len(str(form.high)) + 2)


def _parts(inner: str) -> list[str]:
    first, *others = inner.split(",")
    return [first, *(part.removeprefix(" ") for part in others)]


def _are_numbers(parts: list[str], form: Numbers) -> bool:
    """Each is a number between the bounds of its place, plainly written."""
    for place, part in enumerate(parts):
        low, high = _bounds(parts[:place], form)
        if not _is_plain(part) or not low <= int(part) <= high:
            return False
    return True


def _bounds(before: list[str], form: Numbers) -> tuple[int, int]:
    """Least and greatest number that may follow these numbers."""
    partner = len(before) - form.count // 2
    if not form.apart:
        return form.low, form.high
    if partner < 0:
        return form.low, form.high - form.apart
    return int(before[partner]) + form.apart, form.high


def _is_plain(text: str) -> bool:
    return text.isdecimal() and (text == "0" or text[0] != "0")


def _may_become_number(text: str, low: int, high: int) -> bool:
    """With more digits behind it, or as it is, the text is a number between the bounds."""
    if not text:
        return True
    if not _is_plain(text):
        return False
    smallest = largest = int(text)
    while smallest <= high:
        if largest >= low:
            return True
        if text == "0":
            return False
        smallest, largest = smallest * 10, largest * 10 + 9
    return False
