"""Is a finding there? The closed question of MedGemma's classification (fact sheet 2.1)."""

from __future__ import annotations

import re

from dicom_node.errors import BadAnswer
from dicom_node.report import Presence
from models.engines.base import Choices
from models.questions.asked import Asked, final_answer

VERSION = "1"
EXAMPLE_ASKED = Asked("pleural effusion")
EXAMPLE = "The right costophrenic angle is blunted.\n\nFinal Answer: yes"

_YES_OR_NO = re.compile(r"\W*(yes|no)\W*", re.IGNORECASE)


def prompt(asked: Asked) -> str:
    """The question; the model may reason first."""
    return (
        f"Is there {asked.phrase} in this image? You may explain your reasoning, but you must end "
        'with "Final Answer: yes" or "Final Answer: no".'
    )


def parse(text: str, asked: Asked) -> Presence:  # noqa: ARG001 - every question parses so
    """Present or absent.

    Raises:
        BadAnswer: the line after the last "Final Answer:" is neither yes nor no.
    """
    answer = final_answer(text).split("\n")[0]
    match = _YES_OR_NO.fullmatch(answer)
    if match is None:
        raise BadAnswer("the final answer is neither yes nor no")
    return Presence.PRESENT if match[1].lower() == "yes" else Presence.ABSENT


def told(value: Presence, asked: Asked) -> str:  # noqa: ARG001 - every question tells so
    """Present or absent."""
    return str(value)


def enforced(asked: Asked) -> Choices:  # noqa: ARG001 - every question has this form
    """Yes before no: the first score is that of presence."""
    return Choices(("Final Answer: yes", "Final Answer: no"))


parse_enforced = parse
