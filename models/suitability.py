"""Whether the model takes the current film for what its header says: a frontal chest radiograph.

A pelvis that is labelled CHEST in every attribute is caught nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicom_node.errors import BadAnswer
from dicom_node.report import About, Presence
from models.asking import WHOLE_FILM, Ask, Asking
from models.presence import judge
from models.questions.asked import Asked

#: Where the score of "yes" and of "no" are alike; it is not a threshold of the site.
_EVEN = 0.5
_REFUSED = "the model does not take the image for a frontal chest radiograph"
_NOT_CERTAIN = (
    "It is not certain that this is a frontal chest radiograph: asked for it, the model "
    "contradicts itself or gives no usable answer."
)


@dataclass(frozen=True, slots=True)
class Suitability:
    """What the model takes the film for: ``refusal`` is empty where it can be read on; ``notes``
    are for the report.
    """

    refusal: str = ""
    notes: tuple[str, ...] = ()


def check_suitable(asking: Asking, picture: NDArray[np.uint8]) -> Suitability:
    """Ask before anything else.

    ``picture`` is that of the current film, uint8 (side, side). It is refused where answer and
    score both say no, or where the answer cannot be read and the score says no. Where they
    disagree it is read, and the note says so.
    """
    ask = Ask("suitability", WHOLE_FILM, About.CURRENT, Asked(""), (picture,), scored=True)
    (outcome,) = asking.ask([ask])
    try:
        seen = judge(outcome, _EVEN)
    except BadAnswer:
        return Suitability(notes=(_NOT_CERTAIN,))
    return Suitability(_REFUSED if seen.presence is Presence.ABSENT else "")
