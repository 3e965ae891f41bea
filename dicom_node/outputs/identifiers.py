"""UIDs of what is written: the same reading of the same films gives the same objects."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from dicom_node import wording
from dicom_node.equipment import device_uid, plain
from dicom_node.report import BoxShows, Finding, Presence, Report
from dicom_node.uids import derived_uid
from dicom_node.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Tracked:
    """A finding with its Tracking Identifier and UID (TID 4108)."""

    finding: Finding
    identifier: str
    uid: str


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


def tracked(report: Report, vocabulary: Vocabulary) -> tuple[Tracked, ...]:
    """All findings in the order of the report; SR and SEG name them alike.

    Those that are present are numbered from 1, as in the picture.
    """
    found = []
    count: Counter[str] = Counter()
    number = 0
    for finding in report.findings:
        count[finding.name] += 1
        if finding.presence is Presence.PRESENT:
            number += 1
            where = wording.place(finding, vocabulary)
            label = ", ".join(filter(None, (wording.title(finding.name), where)))
            shows = " (box around its anatomical site)" if _boxes_site(finding) else ""
            identifier = f"AI {number}: {label}{shows}"
        else:
            identifier = f"AI: no {finding.name}"
        uid = finding.tracking_uid or result_uid(
            report, f"tracking {finding.name} {count[finding.name]}"
        )
        found.append(Tracked(finding, plain(identifier), uid))
    return tuple(found)


def _boxes_site(finding: Finding) -> bool:
    return finding.box is not None and finding.box_shows is BoxShows.SITE
