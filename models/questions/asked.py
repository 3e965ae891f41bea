"""What all questions share: what is asked about, the last "Final Answer", and lettered choices.

No error quotes the model: it may have read a name that is burned into the film.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any, Protocol

from dicom_node.errors import BadAnswer
from models.engines.base import Form

_FINAL = re.compile(r"final\s+answer\W*:", re.IGNORECASE)
_LETTERED = re.compile(r"\W*([A-Z])(?:\W+(.*))?", re.DOTALL)
_TRIMMED = " \t\r\n*_`'\".,;:()"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question is about: the finding's phrase and, where it is asked, its sites' phrases."""

    phrase: str
    sites: tuple[str, ...] = ()


class Question(Protocol):
    """A question; each module of this package is one.

    ``VERSION`` changes whenever the prompt, the parser or the enforced form does. ``EXAMPLE`` is
    an answer that :meth:`parse` reads when ``EXAMPLE_ASKED`` was asked.
    """

    VERSION: str
    EXAMPLE: str
    EXAMPLE_ASKED: Asked

    def prompt(self, asked: Asked) -> str:
        """The words that follow the images."""
        ...

    def parse(self, text: str, asked: Asked) -> object:
        """What the model's own words mean; raises BadAnswer with what broke."""
        ...

    def told(self, value: Any, asked: Asked) -> str:
        """What :meth:`parse` gave, for the record: never the model's own words."""
        ...

    def enforced(self, asked: Asked) -> Form | None:
        """The form of the second try; None where there is none."""
        ...

    def parse_enforced(self, text: str, asked: Asked) -> object:
        """What an answer in the enforced form means; raises BadAnswer with what broke."""
        ...


def final_answer(text: str) -> str:
    """What follows the last "Final Answer:"; the last counts, for models correct themselves.

    Raises:
        BadAnswer: there is none.
    """
    marks = list(_FINAL.finditer(text))
    if not marks:
        raise BadAnswer("the answer holds no `Final Answer:`")
    return text[marks[-1].end() :].strip()


def lettered(options: Sequence[str]) -> str:
    """``(A) first``, ``(B) second`` and so on, a line each."""
    pairs = zip(ascii_uppercase, options, strict=False)
    return "\n".join(f"({letter}) {option}" for letter, option in pairs)


def letters(options: Sequence[str]) -> tuple[str, ...]:
    """The answers that choose each of the options."""
    return tuple(f"Final Answer: {letter}" for letter in ascii_uppercase[: len(options)])


def chosen(text: str, options: Sequence[str]) -> int:
    """The index (from 0) of the option that the final answer names, by letter or by its words.

    Raises:
        BadAnswer: it names none of them, or a letter and other words than the letter's.
    """
    answer = final_answer(text).split("\n")[0]
    plain = [option.casefold() for option in options]
    words = answer.strip(_TRIMMED).casefold()
    if words in plain:
        return plain.index(words)
    match = _LETTERED.fullmatch(answer)
    if match:
        index = ascii_uppercase.index(match[1])
        rest = (match[2] or "").strip(_TRIMMED).casefold()
        if index < len(options) and rest in ("", plain[index]):
            return index
    raise BadAnswer(f"the final answer is none of the {len(options)} choices")
