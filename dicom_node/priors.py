"""The earlier film to compare with: found, guarded against the wrong patient, and looked at.

Every study that was considered, and why it was not used, is part of the result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TypeVar

from dicom_node.archives import Archive, FoundSeries, FoundStudy
from dicom_node.errors import BadStudy, NotForUs, Rejected, Unreachable
from dicom_node.films import choose_film
from dicom_node.geometry import Fit
from dicom_node.headers import read_study
from dicom_node.identity import same_patient
from dicom_node.pixels import pixel_digest, read_frame
from dicom_node.report import Candidate, Film, Prior, PriorOutcome
from dicom_node.rules import Priors
from dicom_node.study import Instance, Study, View

#: Fetches a series within so many seconds.
Retrieve = Callable[[FoundSeries, float], list[Path]]

_Dated = TypeVar("_Dated", FoundStudy, Study)

_FRONTAL = tuple(view for view in View if view.is_frontal)


@dataclass(frozen=True, slots=True)
class FoundPrior:
    """What the result says of the prior, and where its file lies if one is used."""

    prior: Prior
    path: Path | None = None


def find_prior(
    *,
    study: Study,
    film: Instance,
    rule: Priors,
    archive: Archive,
    retrieve: Retrieve,
    wait_seconds: float,
) -> FoundPrior:
    """The latest earlier film of the same patient in an archive that may be compared with.

    An archive that is away or refuses is an outcome, not an error: the film is then read without.
    """
    if not study.patient.id:
        return _without(PriorOutcome.NOT_ASKED, "the film states no Patient ID")
    try:
        found = archive.find_studies(study.patient)
    except BadStudy as refusal:
        return _without(PriorOutcome.NOT_ASKED, str(refusal))
    except (Unreachable, Rejected) as error:
        return _without(PriorOutcome.NOT_IN_TIME, str(error))
    search = _Search(study, film, rule, archive, retrieve, time.monotonic() + wait_seconds)
    others = [one for one in found if one.study_instance_uid != study.study_instance_uid]
    return _first((one.study_instance_uid, partial(search.attempt, one)) for one in _newest(others))


def compare_files(
    *, study: Study, film: Instance, rule: Priors, earlier: Sequence[Study]
) -> FoundPrior:
    """The same choice among studies whose files are here already."""
    compare = partial(_compare, study, film, rule)
    return _first((one.study_instance_uid, partial(compare, one)) for one in _newest(earlier))


class _NotUsed(Exception):
    """Why one earlier study is not used, and what that makes of the search."""

    def __init__(self, outcome: PriorOutcome, verdict: str) -> None:
        super().__init__(verdict)
        self.outcome = outcome


#: Of several reasons, the one that stands first names the outcome of the search.
_TELLING = (
    PriorOutcome.NOT_IN_TIME,
    PriorOutcome.REFUSED,
    PriorOutcome.NOT_COMPARABLE,
    PriorOutcome.NONE_FOUND,
)


def _first(attempts: Iterable[tuple[str, Callable[[], FoundPrior]]]) -> FoundPrior:
    """The first attempt that gives a prior; else the most telling reason why none did."""
    tried: list[Candidate] = []
    reasons: list[_NotUsed] = []
    for uid, attempt in attempts:
        try:
            found = attempt()
        except _NotUsed as reason:
            reasons.append(reason)
            tried.append(Candidate(uid, str(reason)))
        else:
            candidates = (*tried, Candidate(uid, "used"))
            return replace(found, prior=replace(found.prior, candidates=candidates))
    if not reasons:
        return _without(PriorOutcome.NONE_FOUND, "no other study of the patient was found")
    told = min(reasons, key=lambda reason: _TELLING.index(reason.outcome))
    return FoundPrior(Prior(told.outcome, str(told), candidates=tuple(tried)))


@dataclass(frozen=True, slots=True)
class _Search:
    """A search in an archive; ``fetched`` grows with each study that is retrieved."""

    study: Study
    film: Instance
    rule: Priors
    archive: Archive
    retrieve: Retrieve
    deadline: float
    fetched: list[str] = field(default_factory=list)

    def attempt(self, found: FoundStudy) -> FoundPrior:
        """Look at the archive's answer, fetch what it may hold, and compare that."""
        self._judge_answer(found)
        if len(self.fetched) >= self.rule.count:
            raise _NotUsed(PriorOutcome.NOT_COMPARABLE, "not fetched: enough others were")
        if self._seconds_left() <= 0:
            raise _NotUsed(PriorOutcome.NOT_IN_TIME, "not fetched: the time for priors was over")
        self.fetched.append(found.study_instance_uid)
        try:
            series = self.archive.find_series(found.study_instance_uid)
            paths = [
                path
                for one in series
                if self._may_hold(one)
                for path in self.retrieve(one, self._seconds_left())
            ]
        except (Unreachable, Rejected) as error:
            raise _NotUsed(PriorOutcome.NOT_IN_TIME, str(error)) from None
        if not paths:
            raise _NotUsed(PriorOutcome.NOT_COMPARABLE, "no image that the rule allows was there")
        try:
            earlier = read_study(paths)
        except BadStudy as error:
            raise _NotUsed(PriorOutcome.NOT_COMPARABLE, str(error)) from None
        return _compare(self.study, self.film, self.rule, earlier)

    def _seconds_left(self) -> float:
        return self.deadline - time.monotonic()

    def _judge_answer(self, found: FoundStudy) -> None:
        if not (verdict := same_patient(self.study.patient, found.patient)).same:
            raise _NotUsed(PriorOutcome.REFUSED, f"{verdict.reason} in the archive's answer")
        if found.modalities and not set(found.modalities) & set(self.rule.modalities):
            raise _NotUsed(PriorOutcome.NOT_COMPARABLE, "of another modality")
        if found.date is not None and self.study.date is not None:
            _judge_age((self.study.date - found.date).days, self.rule)

    def _may_hold(self, series: FoundSeries) -> bool:
        body_part_fits = not series.body_part or series.body_part in self.rule.body_parts
        return series.modality in self.rule.modalities and body_part_fits


def _compare(study: Study, film: Instance, rule: Priors, earlier: Study) -> FoundPrior:
    """The film of an earlier study, if it may be compared with.

    Raises:
        _NotUsed: it may not.
    """
    if not (verdict := same_patient(study.patient, earlier.patient)).same:
        raise _NotUsed(PriorOutcome.REFUSED, verdict.reason)
    try:
        choice = choose_film(
            earlier,
            modalities=rule.modalities,
            body_parts=rule.body_parts,
            views=sorted(_FRONTAL, key=lambda view: view is not film.view),
            unknown_view="refuse",
        )
        before = choice.film
        if film.acquired is None or before.acquired is None:
            raise _NotUsed(PriorOutcome.NOT_COMPARABLE, "a time of acquisition is not stated")
        if before.acquired >= film.acquired:
            raise _NotUsed(PriorOutcome.NONE_FOUND, "not acquired before the current film")
        days = (film.acquired.date() - before.acquired.date()).days
        _judge_age(days, rule)
        if pixel_digest(before.path) == pixel_digest(film.path):
            raise _NotUsed(PriorOutcome.NOT_COMPARABLE, "a copy of the current film")
        # What cannot be shown or stood up must not stop the current film from being read.
        read_frame(before)
        Fit.standing(before.rows, before.columns, before.orientation)
    except (NotForUs, BadStudy) as error:
        raise _NotUsed(PriorOutcome.NOT_COMPARABLE, str(error)) from None
    reason = "" if before.view is film.view else f"views differ: {before.view} then {film.view}"
    return FoundPrior(Prior(PriorOutcome.USED, reason, Film.of(before), days), before.path)


def _judge_age(days: int, rule: Priors) -> None:
    if days < 0:
        raise _NotUsed(PriorOutcome.NONE_FOUND, "later than the current study")
    if days > rule.maximum_age_days:
        wanted = f"more than the {rule.maximum_age_days} that the rule allows"
        raise _NotUsed(PriorOutcome.NOT_COMPARABLE, f"{days} days old, {wanted}")


def _newest(studies: Iterable[_Dated]) -> list[_Dated]:
    return sorted(studies, key=lambda one: one.date or date.min, reverse=True)


def _without(outcome: PriorOutcome, reason: str) -> FoundPrior:
    return FoundPrior(Prior(outcome, reason))
