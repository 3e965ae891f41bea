"""Tracking UIDs of findings (TID 4108), and what all UIDs of a reading are derived from."""

from __future__ import annotations

from collections import Counter

from dicom_node.equipment import device_uid
from dicom_node.report import Report
from dicom_node.uids import derived_uid


def result_uid(report: Report, kind: str, *dialect: object) -> str:
    """A UID from what was read, what read it, the revision, how often results of it were
    withdrawn, and what it is the UID of; for an object also in which dialect it is written.
    """
    prior = report.prior.film.sop_instance_uid if report.prior.film else ""
    not_read = str(report.not_read.because) if report.not_read else ""
    return derived_uid(
        kind,
        report.film.study_instance_uid,
        report.film.sop_instance_uid,
        report.film.frame_number,
        prior,
        device_uid(report.made),
        report.revision,
        report.retractions,
        not_read,
        *dialect,
    )


def tracking_uids(report: Report) -> tuple[str, ...]:
    """The Tracking Unique Identifier of each finding, in the order of the report: that of the
    prior's report where the finding has it, else one of its own.
    """
    found = []
    count: Counter[str] = Counter()
    for finding in report.findings:
        count[finding.name] += 1
        own = f"tracking {finding.name} {count[finding.name]}"
        found.append(finding.tracking_uid or result_uid(report, own))
    return tuple(found)
