"""What a report has to fulfil before anything is written from it."""

from __future__ import annotations

from dicom_node.errors import BadStudy
from dicom_node.report import Finding, Presence, Report
from dicom_node.vocabulary import Laterality, Vocabulary


def check(report: Report, vocabulary: Vocabulary) -> None:
    """Refuse a report that speaks of something unknown, outside of its film or on two sides.

    Raises:
        BadStudy: which finding, and what is wrong with it.
    """
    known = [finding.tracking_uid for finding in report.findings if finding.tracking_uid]
    if len(set(known)) != len(known):
        raise BadStudy("two findings carry the same tracking UID")
    if report.not_read is not None and (report.findings or report.unread):
        raise BadStudy("findings are stated of a film that was not read")
    for finding in report.findings:
        if finding.name not in vocabulary.findings:
            raise BadStudy(f"{finding.name}: is not a finding that findings.yaml asks about")
        _check_site(finding, vocabulary)
        _check_box(finding, report)
        if finding.score is not None and not 0 <= finding.score.value <= 1:
            raise BadStudy(f"{finding.name}: score {finding.score.value} is outside 0 to 1")
        if finding.change is not None and report.prior.film is None:
            raise BadStudy(f"{finding.name}: a change is stated, but no prior was used")


def laterality(finding: Finding, vocabulary: Vocabulary) -> Laterality | None:
    """The side of a finding: its own, or that of its site."""
    if finding.laterality is not None or finding.site is None:
        return finding.laterality
    return vocabulary.sites[finding.site].laterality


def _check_site(finding: Finding, vocabulary: Vocabulary) -> None:
    if finding.site is None:
        return
    if finding.site not in vocabulary.sites:
        raise BadStudy(f"{finding.name}: its site is not one of findings.yaml")
    side = vocabulary.sites[finding.site].laterality
    if None not in (side, finding.laterality) and side is not finding.laterality:
        raise BadStudy(f"{finding.name}: is stated {finding.laterality}, its site is {side}")


def _check_box(finding: Finding, report: Report) -> None:
    box = finding.box
    if box is None:
        return
    inside_x = 0 <= box.left < box.right <= report.film.columns
    inside_y = 0 <= box.top < box.bottom <= report.film.rows
    if not (inside_x and inside_y):
        raise BadStudy(f"{finding.name}: its box is outside of the film")
    if finding.presence is Presence.ABSENT:
        raise BadStudy(f"{finding.name}: is absent, but has a box")
