"""May the film of an earlier study be compared with the current one? And if not, why not."""

from __future__ import annotations

from datetime import datetime, time

from dicom_node.errors import BadStudy, Gone, NotForUs
from dicom_node.films import choose_film
from dicom_node.geometry import Fit
from dicom_node.identity import same_patient
from dicom_node.pixels import pixel_digest, read_frame
from dicom_node.report import PriorOutcome
from dicom_node.rules import Priors
from dicom_node.study import Instance, Study


class NotUsed(Exception):
    """Why one earlier study is not used, and what that makes of the search."""

    def __init__(self, outcome: PriorOutcome, verdict: str) -> None:
        super().__init__(verdict)
        self.outcome = outcome


def comparable_film(study: Study, film: Instance, rule: Priors, earlier: Study) -> Instance:
    """The film of an earlier study, if it may be compared with ``film`` of ``study``.

    Raises:
        NotUsed: it may not.
    """
    verdict = same_patient(study.patient, earlier.patient, rule.provisional_identities)
    if not verdict.same:
        raise NotUsed(PriorOutcome.REFUSED, verdict.reason)
    try:
        before = choose_film(
            earlier,
            modalities=rule.modalities,
            body_parts=rule.body_parts,
            views=sorted(rule.views, key=lambda view: view != film.view),
            unknown_view="refuse",
        ).film
        _judge_times(before.acquired, film.acquired, rule)
        if pixel_digest(before.path) == pixel_digest(film.path):
            raise NotUsed(PriorOutcome.NOT_COMPARABLE, "a copy of the current film")
        # What cannot be shown or stood up must not stop the current film from being read.
        read_frame(before)
        Fit.standing(before.rows, before.columns, before.orientation)
    except Gone as error:
        raise NotUsed(PriorOutcome.NOT_IN_TIME, str(error)) from None
    except (NotForUs, BadStudy) as error:
        raise NotUsed(PriorOutcome.NOT_COMPARABLE, str(error)) from None
    return before


def _judge_times(before: datetime | None, now: datetime | None, rule: Priors) -> None:
    if now is None or before is None:
        raise NotUsed(PriorOutcome.NOT_COMPARABLE, "a time of acquisition is not stated")
    # Midnight is what a film has that states only its day (see Instance).
    if before.date() == now.date() and time() in (before.time(), now.time()):
        raise NotUsed(
            PriorOutcome.NOT_COMPARABLE, "of the same day, and not stated which was acquired first"
        )
    if before >= now:
        raise NotUsed(PriorOutcome.NONE_FOUND, "not acquired before the current film")
    if not rule.age.holds(before.date(), now.date()):
        raise NotUsed(PriorOutcome.NOT_COMPARABLE, not_of_age(rule))


def not_of_age(rule: Priors) -> str:
    """What is said of a study that is too old, or not old enough."""
    return f"not of the age that the rule allows ({rule.age})"
