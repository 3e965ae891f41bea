"""Which findings are those of the report on the prior: they keep their Tracking UID.

The rule is that of ``docs/tracking.md``. Where it leaves a doubt the finding is new: two UIDs for
one thing cost a click, one UID for two things makes a curve of growth that never was.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from dicom_node.errors import BadStudy
from dicom_node.geometry import MODEL_SCALE, Box, Fit
from dicom_node.ledger import readings
from dicom_node.report import BoxShows, ChangeKind, Film, Finding, Presence, Report
from dicom_node.tracking import tracking_uids
from workers.site import Site

log = logging.getLogger(__name__)

#: From this intersection over union on, two boxes are of the same thing. Films are never taken
#: twice alike and the boxes are coarse: 0.3 lets a box move by 30 % of its side both ways, or
#: grow to three times its area, and refuses boxes that are mostly beside each other.
SAME_FROM_IOU = 0.3
#: Two partners so close to each other in IoU are a doubt.
DOUBT_WITHIN_IOU = 0.05

_ANOTHER = (ChangeKind.NEW, ChangeKind.RESOLVED, ChangeKind.NOT_COMPARABLE)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A finding and one of the earlier report, by their 0-based places there."""

    now: int
    before: int
    iou: float


def followed(site: Site, report: Report) -> Report:
    """The report with the Tracking UIDs that this ledger gave on the prior. Never fails for what
    the ledger holds: a report that cannot be read is told in the log.

    Raises:
        Unreachable: the ledger does not answer.
    """
    if report.prior.film is None:
        return report
    try:
        earlier = readings.latest(site.database, report.prior.film)
    except BadStudy as error:
        log.warning("findings are not tracked from the report on the prior: %s", error)
        return report
    return report if earlier is None else follow(report, earlier)


def follow(report: Report, earlier: Report) -> Report:
    """The report with the Tracking UID of each finding that ``earlier``, the report on its prior,
    has too.
    """
    uids = tracking_uids(earlier)
    kept = {
        pair.now: uids[pair.before]
        for pair in (*_by_boxes(report, earlier), *_by_site(report, earlier))
    }
    findings = (
        replace(finding, tracking_uid=kept.get(place))
        for place, finding in enumerate(report.findings)
    )
    return replace(report, findings=tuple(findings))


def _by_boxes(report: Report, earlier: Report) -> list[_Pair]:
    """One to one, the best first; who has two partners that are nearly as good has none."""
    left = sorted(_overlapping(report, earlier), key=lambda pair: -pair.iou)
    found = []
    while left:
        best, *others = left
        rivals = [
            pair for pair in others if _share(pair, best) and best.iou - pair.iou < DOUBT_WITHIN_IOU
        ]
        if not rivals:
            found.append(best)
        gone = [best, *rivals]
        left = [pair for pair in left if not any(_share(pair, one) for one in gone)]
    return found


def _overlapping(report: Report, earlier: Report) -> list[_Pair]:
    found = []
    before = [_on_square(finding, earlier.film) for finding in earlier.findings]
    for place, finding in enumerate(report.findings):
        box = _on_square(finding, report.film)
        for other, there in enumerate(before):
            if box is None or there is None:
                continue
            iou = box.iou(there)
            if iou >= SAME_FROM_IOU and _may_be(finding, earlier.findings[other]):
                found.append(_Pair(place, other, iou))
    return found


def _by_site(report: Report, earlier: Report) -> list[_Pair]:
    """Of findings without a box: the only one of its name in each report, at the same site."""
    now, before = _only(report), _only(earlier)
    found = []
    for name in now.keys() & before.keys():
        finding, there = report.findings[now[name]], earlier.findings[before[name]]
        boxed = _boxes_itself(finding) or _boxes_itself(there)
        at_one_site = finding.site is not None and finding.site == there.site
        if not boxed and at_one_site and _may_be(finding, there):
            found.append(_Pair(now[name], before[name], 0.0))
    return found


def _only(report: Report) -> dict[str, int]:
    """Where the finding of each name stands of which just one is present."""
    places: dict[str, list[int]] = {}
    for place, finding in enumerate(report.findings):
        if finding.presence is Presence.PRESENT:
            places.setdefault(finding.name, []).append(place)
    return {name: found[0] for name, found in places.items() if len(found) == 1}


def _may_be(finding: Finding, there: Finding) -> bool:
    """Whether nothing that was read speaks against the two being the same."""
    return (
        finding.name == there.name
        and finding.presence is there.presence is Presence.PRESENT
        and finding.change not in _ANOTHER
        and _agree(finding.site, there.site)
        and _agree(finding.laterality, there.laterality)
    )


def _agree(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one == other


def _share(one: _Pair, other: _Pair) -> bool:
    return one.now == other.now or one.before == other.before


def _boxes_itself(finding: Finding) -> bool:
    """Whether a box is drawn around the finding, not around the site that it is at."""
    return finding.box is not None and finding.box_shows is BoxShows.FINDING


def _on_square(finding: Finding, film: Film) -> Box | None:
    """The box of a finding in thousandths of the standing, padded square; x right, y down."""
    if finding.box is None or not _boxes_itself(finding):
        return None
    try:
        fit = Fit.standing(film.rows, film.columns, film.orientation)
    except BadStudy:  # no frontal film: there is nothing to lay over the other one
        return None
    box, scale = fit.to_square(finding.box), MODEL_SCALE / fit.side
    return Box(box.left * scale, box.top * scale, box.right * scale, box.bottom * scale)
