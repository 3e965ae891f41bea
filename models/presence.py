"""Whether a finding counts as present: what the model says, and how sure it is, together."""

from __future__ import annotations

from dataclasses import dataclass

from dicom_node.errors import BadAnswer
from dicom_node.report import Presence
from models.asking import Outcome


@dataclass(frozen=True, slots=True)
class Seen:
    """A finding as judged on one film. ``score``: 0 to 1, of being there, not calibrated."""

    presence: Presence
    score: float


def judge(outcome: Outcome, threshold: float) -> Seen:
    """Hold what the model says against the score of its "yes".

    The model is asked twice: for an answer in its own words, which it may reason its way to, and
    for the probability of "yes" among "yes" and "no", which the site's threshold is about. A
    finding is present when it says yes *and* the score reaches the threshold, absent when it says
    no and the score does not. Where the two disagree neither is taken: the model contradicts
    itself, and to choose one would hide that. Where its own words could not be read the score
    decides alone.

    Raises:
        BadAnswer: nothing could be read, or the two disagree.
    """
    if outcome.value is None:
        raise BadAnswer(outcome.reason)
    if not outcome.scores:
        raise BadAnswer("the engine gave no score")
    score = outcome.scores[0]
    scored = Presence.PRESENT if score >= threshold else Presence.ABSENT
    if not outcome.enforced and outcome.value is not scored:
        raise BadAnswer(
            f"the model says {outcome.value}, but its score {score:.2f} against the threshold "
            f"{threshold:.2f} says {scored}"
        )
    return Seen(scored, score)
