"""What the SR says of the study as a whole: how the reading ended, what changed, and in words."""

from __future__ import annotations

from collections.abc import Iterator

from highdicom import sr
from pydicom.sr.coding import Code as Concept

from dicom_node import equipment, wording
from dicom_node.outputs import codes
from dicom_node.outputs.sr.changes import changes
from dicom_node.report import NotReadBecause, Report
from dicom_node.vocabulary import Vocabulary

_CONTAINS = sr.RelationshipTypeValues.CONTAINS
_NOT_READ = {
    NotReadBecause.NOT_SUITABLE: codes.NOT_ATTEMPTED,
    NotReadBecause.UNREADABLE: codes.FAILED,
}


def evaluations(report: Report, vocabulary: Vocabulary) -> sr.ContainerContentItem:
    """TID 1500's own container for what is said of the study (rows 12 to 14)."""
    container = sr.ContainerContentItem(
        name=codes.QUALITATIVE_EVALUATIONS,
        is_content_continuous=False,
        relationship_type=_CONTAINS,
    )
    container.ContentSequence = sr.ContentSequence(
        [
            *(sr.CodeContentItem(name, value, _CONTAINS) for name, value in _ending(report)),
            *changes(report, vocabulary),
            *(
                sr.TextContentItem(codes.COMMENT, line, _CONTAINS)
                for line in _lines(report, vocabulary)
            ),
        ]
    )
    return container


def outcome(report: Report) -> Concept:
    """The value of CAD Processing and Findings Summary (CID 6047)."""
    if not report.findings:
        return codes.NONE_SUCCEEDED
    return codes.OUTCOME[not report.unread, bool(report.present)]


def _ending(report: Report) -> Iterator[tuple[Concept, Concept]]:
    yield codes.SUMMARY, outcome(report)
    yield codes.DETECTIONS, _status(report)
    if report.not_read is not None and report.not_read.because is NotReadBecause.UNREADABLE:
        yield codes.QUALITY_FINDING, codes.OTHER_FAILURE


def _status(report: Report) -> Concept:
    """What became of the questions (CID 6042)."""
    if report.not_read is not None:
        return _NOT_READ[report.not_read.because]
    if not report.findings:
        return codes.FAILED
    return codes.PARTIALLY_SUCCEEDED if report.unread else codes.SUCCEEDED


def _lines(report: Report, vocabulary: Vocabulary) -> Iterator[str]:
    """The text of the report, made from what is coded."""
    lines = [
        wording.NOT_VERIFIED,
        wording.origin(report),
        wording.summary(report),
        wording.chosen(report),
        *(wording.statement(finding, vocabulary) for finding in report.findings),
        wording.comparison(report),
        *(wording.unread(gap) for gap in report.unread),
        *wording.limits(report),
        report.free_text and f"{wording.UNCHECKED}: {report.free_text}",
    ]
    return (equipment.plain(line) for line in lines if line)
