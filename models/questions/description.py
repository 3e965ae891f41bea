"""The model's own words on the film. Unchecked; asked only where a rule names it."""

from __future__ import annotations

from dicom_node.errors import BadAnswer
from models.questions.asked import Asked

VERSION = "1"
EXAMPLE_ASKED = Asked("")
EXAMPLE = "The lungs are clear. The heart is not enlarged. No pleural effusion or pneumothorax."


def prompt(asked: Asked) -> str:  # noqa: ARG001 - every question asks so
    """The short stem of MedGemma's report prompt (fact sheet 2.1)."""
    return "Describe the findings of this chest X-ray.\nfindings:"


def parse(text: str, asked: Asked) -> str:  # noqa: ARG001 - every question parses so
    """The words, trimmed.

    Raises:
        BadAnswer: there are none.
    """
    words = text.strip()
    if not any(character.isalpha() for character in words):
        raise BadAnswer("the description holds no words")
    return words


def told(value: str, asked: Asked) -> str:  # noqa: ARG001 - every question tells so
    """How much was written: the words stand in the report, once."""
    return f"{len(value.split())} words"


def enforced(asked: Asked) -> None:  # noqa: ARG001 - every question has this
    """Free words have no form to enforce."""
    return


parse_enforced = parse
