"""At which of its sites is a finding? A multiple choice (fact sheet 2.9)."""

from __future__ import annotations

from models.engines.base import Choices
from models.questions.asked import Asked, chosen, lettered, letters

VERSION = "1"
EXAMPLE_ASKED = Asked("pleural effusion", ("right pleural space", "left pleural space"))
EXAMPLE = "The blunted angle is on the side of the heart.\n\nFinal Answer: (B) left pleural space"


def prompt(asked: Asked) -> str:
    """The choices are the finding's sites, in the order of the vocabulary."""
    return (
        f"This image shows {asked.phrase}. Where is it? Left means the patient's left, the side "
        "of the heart.\n"
        f"{lettered(asked.sites)}\n"
        'You may explain your reasoning, but you must end with "Final Answer: X", where X is the '
        "letter of one choice."
    )


def parse(text: str, asked: Asked) -> int:
    """Index (from 0) into the sites asked.

    Raises:
        BadAnswer: the final answer is none of the sites.
    """
    return chosen(text, asked.sites)


def told(value: int, asked: Asked) -> str:
    """The site's phrase."""
    return asked.sites[value]


def enforced(asked: Asked) -> Choices:
    """One letter for each site."""
    return Choices(letters(asked.sites))


parse_enforced = parse
