"""How has a finding changed since the prior? Earlier image first (fact sheet 2.3, MS-CXR-T)."""

from __future__ import annotations

from dicom_node.report import ChangeKind
from models.engines.base import Choices
from models.questions.asked import Asked, chosen, lettered, letters

VERSION = "1"
EXAMPLE_ASKED = Asked("pleural effusion")
EXAMPLE = "The effusion reaches higher than on the earlier image.\n\nFinal Answer: C"

#: What may be answered, in the order of the letters.
KINDS = (ChangeKind.IMPROVED, ChangeKind.STABLE, ChangeKind.WORSENED)
_CHOICES = ("Improved", "Stable", "Worsened")


def prompt(asked: Asked) -> str:
    """The images are (prior, current)."""
    return (
        "The first image is the earlier chest X-ray of a patient, the second is the current one. "
        f"How has the {asked.phrase} changed from the earlier to the current image?\n"
        f"{lettered(_CHOICES)}\n"
        'You may explain your reasoning, but you must end with "Final Answer: X", where X is the '
        "letter of one choice."
    )


def parse(text: str, asked: Asked) -> ChangeKind:  # noqa: ARG001 - every question parses so
    """Improved, stable or worsened.

    Raises:
        BadAnswer: the final answer is none of the three.
    """
    return KINDS[chosen(text, _CHOICES)]


def told(value: ChangeKind, asked: Asked) -> str:  # noqa: ARG001 - every question tells so
    """The kind of change."""
    return str(value)


def enforced(asked: Asked) -> Choices:  # noqa: ARG001 - every question has this form
    """One letter for each kind of change."""
    return Choices(letters(_CHOICES))


parse_enforced = parse
