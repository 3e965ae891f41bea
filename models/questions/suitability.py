"""Is this a film that can be read at all? The closed form of presence (fact sheet 2.1).

PRESENT means that it is one.
"""

from __future__ import annotations

from dicom_node.report import Presence
from models.engines.base import Choices
from models.questions import presence
from models.questions.asked import Asked

VERSION = "1"
EXAMPLE_ASKED = Asked("")
EXAMPLE = "Ribs, both lungs and the heart are seen from the front.\n\nFinal Answer: yes"


def prompt(asked: Asked) -> str:  # noqa: ARG001 - every question asks so
    """The question; the model may reason first."""
    return (
        "Is this image a frontal chest X-ray? You may explain your reasoning, but you must end "
        'with "Final Answer: yes" or "Final Answer: no".'
    )


def parse(text: str, asked: Asked) -> Presence:
    """Present: it is one.

    Raises:
        BadAnswer: the line after the last "Final Answer:" is neither yes nor no.
    """
    return presence.parse(text, asked)


def told(value: Presence, asked: Asked) -> str:  # noqa: ARG001 - every question tells so
    """Yes or no."""
    return "yes" if value is Presence.PRESENT else "no"


def enforced(asked: Asked) -> Choices:
    """Yes before no, as in presence."""
    return presence.enforced(asked)


parse_enforced = parse
