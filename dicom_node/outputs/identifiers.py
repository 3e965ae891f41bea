"""UIDs of what is written: the same reading of the same films gives the same objects."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from dicom_node import wording
from dicom_node.equipment import device_uid, plain
from dicom_node.report import BoxShows, Finding, Report
from dicom_node.uids import derived_uid
from dicom_node.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Tracked:
    """A finding that is present, with its Tracking Identifier and UID (TID 4108)."""

    finding: Finding
    identifier: str
    uid: str


def result_uid(report: Report, kind: str) -> str:
    """A UID from what was read, what read it, the revision, and what it is the UID of."""
    prior = report.prior.film.sop_instance_uid if report.prior.film else ""
    return derived_uid(
        kind,
        report.film.study_instance_uid,
        report.film.sop_instance_uid,
        report.film.frame_number,
        prior,
        device_uid(report.made),
        report.revision,
    )


def tracked(report: Report, vocabulary: Vocabulary) -> tuple[Tracked, ...]:
    """The findings that are present, in the order of the report; SR and SEG name them alike."""
    found = []
    count: Counter[str] = Counter()
    for number, finding in enumerate(report.present, start=1):
        count[finding.name] += 1
        where = wording.place(finding, vocabulary)
        shows = " (box around its anatomical site)" if _boxes_site(finding) else ""
        label = ", ".join(filter(None, (wording.title(finding.name), where)))
        found.append(
            Tracked(
                finding,
                plain(f"AI {number}: {label}{shows}"),
                result_uid(report, f"tracking {finding.name} {count[finding.name]}"),
            )
        )
    return tuple(found)


def _boxes_site(finding: Finding) -> bool:
    return finding.box is not None and finding.box_shows is BoxShows.SITE
