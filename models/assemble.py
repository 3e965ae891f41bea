"""From the outcomes on one finding to the finding, and to what could not be read of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dicom_node.errors import BadAnswer
from dicom_node.geometry import Box, Fit
from dicom_node.report import BoxShows, ChangeKind, Finding, Presence, Score, Unread
from dicom_node.vocabulary import FindingTerm, SiteTerm
from models.asking import Outcome
from models.check import check_change, check_side
from models.presence import Seen

#: What follows from presence alone: (on the prior, now).
_BY_PRESENCE = {
    (Presence.ABSENT, Presence.PRESENT): ChangeKind.NEW,
    (Presence.PRESENT, Presence.ABSENT): ChangeKind.RESOLVED,
    (Presence.ABSENT, Presence.ABSENT): None,
}


@dataclass(frozen=True, slots=True)
class Gathered:
    """All that was learnt of one finding.

    ``earlier`` is how it was judged on the prior, the error where that failed, None where it was
    not judged: then ``compared`` tells whether changes were looked for at all. ``outcomes`` are
    those of site, location and change, where they were asked.
    """

    term: FindingTerm
    now: Seen
    earlier: Seen | BadAnswer | None
    compared: bool
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)


class _Gaps(list[Unread]):
    """What could not be read of one finding."""

    def __init__(self, finding: str) -> None:
        super().__init__()
        self._finding = finding

    def add(self, question: str, reason: object) -> None:
        self.append(Unread(question, self._finding, str(reason)))


def assemble(
    gathered: Gathered, sites: tuple[SiteTerm, ...], fit: Fit
) -> tuple[Finding, tuple[Unread, ...]]:
    """The finding, and the questions on it without a usable answer.

    ``sites`` are those of the finding, ``fit`` leads back to the current film's stored pixels.
    """
    gaps = _Gaps(gathered.term.name)
    site = _site(gathered, sites, gaps)
    box_2d = _value(gathered, "location", gaps)
    if site is not None and box_2d is not None:
        try:
            check_side(box_2d, site.laterality)
        except BadAnswer as error:  # one of the two is wrong, and nobody knows which
            gaps.add("site", error)
            gaps.add("location", error)
            site = box_2d = None
    box = None if box_2d is None else _stored(box_2d, fit, gaps)
    finding = Finding(
        name=gathered.term.name,
        presence=gathered.now.presence,
        score=Score(gathered.now.score),
        site=site.name if site else None,
        laterality=site.laterality if site else None,
        box=box,
        box_shows=BoxShows.FINDING if box else None,
        change=_change(gathered, gaps),
    )
    try:
        earlier = gathered.earlier
        check_change(finding, earlier.presence if isinstance(earlier, Seen) else None)
    except BadAnswer as error:
        gaps.add("change", error)
        finding = replace(finding, change=None)
    return finding, tuple(gaps)


def _value(gathered: Gathered, question: str, gaps: _Gaps) -> Any:
    """What a question's parser gave; None where it was not asked or could not be read."""
    outcome = gathered.outcomes.get(question)
    if outcome is None:
        return None
    if outcome.value is None:
        gaps.add(question, outcome.reason)
    return outcome.value


def _site(gathered: Gathered, sites: tuple[SiteTerm, ...], gaps: _Gaps) -> SiteTerm | None:
    if gathered.now.presence is Presence.ABSENT:
        return None
    if len(sites) == 1:
        return sites[0]
    index = _value(gathered, "site", gaps)
    return None if index is None else sites[index]


def _stored(box_2d: tuple[int, int, int, int], fit: Fit, gaps: _Gaps) -> Box | None:
    try:
        return fit.from_model(box_2d)
    except ValueError:
        gaps.add("location", f"box_2d {list(box_2d)} lies wholly beside the film")
        return None


def _change(gathered: Gathered, gaps: _Gaps) -> ChangeKind | None:
    """New and resolved follow from presence on both films; the model is asked of what stayed."""
    if not gathered.compared:
        return None
    now, earlier = gathered.now.presence, gathered.earlier
    if earlier is None:  # the prior is a view on which this finding is not looked for
        return ChangeKind.NOT_COMPARABLE if now is Presence.PRESENT else None
    if isinstance(earlier, BadAnswer):
        gaps.add("change", f"presence on the prior: {earlier}")
        return None
    if earlier.presence is Presence.PRESENT and now is Presence.PRESENT:
        kind: ChangeKind | None = _value(gathered, "change", gaps)
        return kind
    return _BY_PRESENCE[earlier.presence, now]
