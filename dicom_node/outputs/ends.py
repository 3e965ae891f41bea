"""How a reading ended, and whether a destination wants to hear of it."""

from __future__ import annotations

from dicom_node.profiles import End, Profile
from dicom_node.report import NotReadBecause, PriorOutcome, Report

_NOT_READ = {
    NotReadBecause.NOT_SUITABLE: End.NOT_SUITABLE,
    NotReadBecause.UNREADABLE: End.UNREADABLE,
}


def ends(report: Report) -> frozenset[End]:
    """The ends of a report that a profile may leave out; none when it simply found something.

    A rule that asks for no prior wants none: that is no end without one. A report whose questions
    all went unanswered found nothing out, which is another thing than that nothing is there.
    """
    if report.not_read is not None:
        return frozenset({_NOT_READ[report.not_read.because]})
    found = set()
    if report.findings and not report.present:
        found.add(End.NOTHING_FOUND)
    if report.prior.film is None and report.prior.outcome is not PriorOutcome.NOT_ASKED:
        found.add(End.WITHOUT_PRIOR)
    return frozenset(found)


def wanted(report: Report, profile: Profile) -> bool:
    """Whether objects are written of a report that ended as it did."""
    return ends(report) <= profile.ends
