"""UIDs of what is written: the same reading of the same films gives the same objects."""

from __future__ import annotations

from dataclasses import dataclass

from dicom_node import wording
from dicom_node.equipment import plain
from dicom_node.report import BoxShows, Finding, Presence, Report
from dicom_node.tracking import tracking_uids
from dicom_node.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Tracked:
    """A finding with its Tracking Identifier and UID (TID 4108).

    ``number`` counts those that are present from 1, as in the picture; 0 for one that is absent.
    """

    finding: Finding
    number: int
    identifier: str
    uid: str


def tracked(report: Report, vocabulary: Vocabulary) -> tuple[Tracked, ...]:
    """All findings in the order of the report; all objects name them alike."""
    found = []
    present = 0
    for finding, uid in zip(report.findings, tracking_uids(report), strict=True):
        if finding.presence is Presence.PRESENT:
            number = present = present + 1
            where = wording.place(finding, vocabulary)
            label = ", ".join(filter(None, (wording.title(finding.name), where)))
            shows = " (box around its anatomical site)" if _boxes_site(finding) else ""
            identifier = f"AI {number}: {label}{shows}"
        else:
            number = 0
            identifier = f"AI: no {finding.name}"
        found.append(Tracked(finding, number, plain(identifier), uid))
    return tuple(found)


def _boxes_site(finding: Finding) -> bool:
    return finding.box is not None and finding.box_shows is BoxShows.SITE
