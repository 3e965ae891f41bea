"""The earlier film to compare with: found, guarded against the wrong patient, and looked at.

Every study that was considered, and why it was not used, is part of the result.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

from dicom_node.archives import Archive, FoundSeries, FoundStudy, finds_one_patient
from dicom_node.comparable import NotUsed, comparable_film, not_of_age
from dicom_node.errors import BadStudy, Gone, Rejected, Unreachable
from dicom_node.headers import read_study
from dicom_node.identity import same_patient
from dicom_node.report import Candidate, Film, Prior, PriorOutcome
from dicom_node.rules import Priors
from dicom_node.study import Instance, Study

#: Fetches a series within so many seconds.
Retrieve = Callable[[FoundSeries, float], list[Path]]

_Dated = TypeVar("_Dated", FoundStudy, Study)


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

    Of a day all studies are fetched, as far as the rule's count goes, for only their films say
    which was acquired last; so are those whose day the archive does not tell. An archive that is
    away or refuses is an outcome, not an error: the film is then read without.
    """
    if not study.patient.id:
        return _without(PriorOutcome.NOT_ASKED, "the film states no Patient ID")
    if not finds_one_patient(study.patient.id):
        return _without(PriorOutcome.NOT_ASKED, "the Patient ID would find other patients")
    try:
        found = archive.find_studies(study.patient)
    except BadStudy as refusal:
        return _without(PriorOutcome.NOT_ASKED, str(refusal))
    except (Unreachable, Rejected) as error:
        return _without(PriorOutcome.NOT_IN_TIME, str(error))
    search = _Search(study, film, rule, archive, retrieve, time.monotonic() + wait_seconds)
    others = [one for one in found if one.study_instance_uid != study.study_instance_uid]
    return _choose(film, _days(others), search.judge, search.film_of)


def compare_files(
    *, study: Study, film: Instance, rule: Priors, earlier: Sequence[Study]
) -> FoundPrior:
    """The same choice among studies whose files are here already."""
    return _choose(
        film,
        [earlier],
        judge=lambda _: None,
        film_of=lambda one: comparable_film(study, film, rule, one),
    )


#: Of several reasons, the one that stands first names the outcome of the search.
_TELLING = (
    PriorOutcome.NOT_IN_TIME,
    PriorOutcome.REFUSED,
    PriorOutcome.NOT_COMPARABLE,
    PriorOutcome.NONE_FOUND,
)


def _days(found: Iterable[FoundStudy]) -> list[list[FoundStudy]]:
    """The studies of each day, latest first. Those without a date may be of any: they are looked
    at with the first, behind it.
    """
    dated = [one for one in found if one.date is not None]
    dated.sort(key=lambda one: (one.date, one.time), reverse=True)
    days = [list(group) for _, group in itertools.groupby(dated, key=attrgetter("date"))]
    first, rest = (days[0], days[1:]) if days else ([], [])
    return [[*first, *(one for one in found if one.date is None)], *rest]


def _choose(
    film: Instance,
    days: Iterable[Sequence[_Dated]],
    judge: Callable[[_Dated], None],
    film_of: Callable[[_Dated], Instance],
) -> FoundPrior:
    """The film acquired last among those of the first day that gives any; else the most telling
    reason why none does. ``judge`` and ``film_of`` raise NotUsed.
    """
    tried: list[tuple[_Dated, Instance | NotUsed]] = []
    used: Instance | None = None
    for day in days:
        told = [(one, _look_at(one, judge, film_of, enough=used is not None)) for one in day]
        tried += told
        fits = [found for _, found in told if isinstance(found, Instance)]
        used = used or max(fits, key=attrgetter("acquired", "sop_instance_uid"), default=None)
    candidates = tuple(_candidate(one, found, used) for one, found in tried)
    if used is not None:
        return _used(film, used, candidates)
    reasons = [found for _, found in tried if isinstance(found, NotUsed)]
    if not reasons:
        return _without(PriorOutcome.NONE_FOUND, "no other study of the patient was found")
    most = min(reasons, key=lambda reason: _TELLING.index(reason.outcome))
    return FoundPrior(Prior(most.outcome, str(most), candidates=candidates))


def _look_at(
    one: _Dated,
    judge: Callable[[_Dated], None],
    film_of: Callable[[_Dated], Instance],
    *,
    enough: bool,
) -> Instance | NotUsed:
    try:
        judge(one)
        if enough:
            return NotUsed(PriorOutcome.NOT_COMPARABLE, "not fetched: a later one is used")
        return film_of(one)
    except NotUsed as reason:
        return reason


def _candidate(one: _Dated, found: Instance | NotUsed, used: Instance | None) -> Candidate:
    if isinstance(found, NotUsed):
        return Candidate(one.study_instance_uid, str(found), one.date)
    day = found.acquired.date() if found.acquired else one.date
    verdict = "used" if found is used else "not used: another was acquired later"
    return Candidate(one.study_instance_uid, verdict, day)


def _used(film: Instance, before: Instance, candidates: tuple[Candidate, ...]) -> FoundPrior:
    reason = "" if before.view is film.view else f"views differ: {before.view} then {film.view}"
    days = None
    if film.acquired is not None and before.acquired is not None:  # or it were not comparable
        days = (film.acquired.date() - before.acquired.date()).days
    prior = Prior(PriorOutcome.USED, reason, Film.of(before), days, candidates)
    return FoundPrior(prior, before.path)


@dataclass(frozen=True, slots=True)
class _Search:
    """A search in an archive; ``fetched`` grows with each study of which something is fetched."""

    study: Study
    film: Instance
    rule: Priors
    archive: Archive
    retrieve: Retrieve
    deadline: float
    fetched: list[str] = field(default_factory=list)

    def judge(self, found: FoundStudy) -> None:
        """Whether the archive's answer says already that it is of no use."""
        verdict = same_patient(self.study.patient, found.patient, self.rule.provisional_identities)
        if not verdict.same:
            raise NotUsed(PriorOutcome.REFUSED, f"{verdict.reason} in the archive's answer")
        if found.modalities and not set(found.modalities) & set(self.rule.modalities):
            raise NotUsed(PriorOutcome.NOT_COMPARABLE, "of another modality")
        if found.date is None or self.study.date is None:
            return  # then its film says when it was acquired
        if found.date > self.study.date:
            raise NotUsed(PriorOutcome.NONE_FOUND, "later than the current study")
        if not self.rule.age.holds(found.date, self.study.date):
            raise NotUsed(PriorOutcome.NOT_COMPARABLE, not_of_age(self.rule))

    def film_of(self, found: FoundStudy) -> Instance:
        """Fetch what may be compared with, and look at that."""
        if len(self.fetched) >= self.rule.count:
            raise NotUsed(PriorOutcome.NOT_COMPARABLE, "not fetched: enough others were")
        if self._seconds_left() <= 0:
            raise NotUsed(PriorOutcome.NOT_IN_TIME, "not fetched: the time for priors was over")
        try:
            paths = self._fetch(found)
            if not paths:
                raise NotUsed(
                    PriorOutcome.NOT_COMPARABLE, "no image that the rule allows was there"
                )
            earlier = read_study(paths)
        except (Unreachable, Rejected, Gone) as error:  # gone: fetched by another, and corrected
            raise NotUsed(PriorOutcome.NOT_IN_TIME, str(error)) from None
        except BadStudy as error:
            raise NotUsed(PriorOutcome.NOT_COMPARABLE, str(error)) from None
        if earlier.study_instance_uid != found.study_instance_uid:
            raise NotUsed(PriorOutcome.NOT_COMPARABLE, "the archive sent another study")
        return comparable_film(self.study, self.film, self.rule, earlier)

    def _fetch(self, found: FoundStudy) -> list[Path]:
        every = self.archive.find_series(found.study_instance_uid)
        fitting = [one for one in every if self._may_hold(one)]
        if fitting:
            self.fetched.append(found.study_instance_uid)
        return [path for one in fitting for path in self.retrieve(one, self._seconds_left())]

    def _seconds_left(self) -> float:
        return self.deadline - time.monotonic()

    def _may_hold(self, series: FoundSeries) -> bool:
        body_part_fits = not series.body_part or series.body_part in self.rule.body_parts
        return series.modality in self.rule.modalities and body_part_fits


def _without(outcome: PriorOutcome, reason: str) -> FoundPrior:
    return FoundPrior(Prior(outcome, reason))
