"""The report as plain text, made from the coded findings alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dicom_node import wording
from dicom_node.equipment import device_uid
from dicom_node.report import Report
from dicom_node.vocabulary import Vocabulary


def as_text(report: Report, vocabulary: Vocabulary) -> str:
    """A text that a person can read in a terminal: no identity, every line from a coded value.

    Raises:
        KeyError: the report names a finding's site that the vocabulary does not have.
    """
    return "\n".join(_lines(report, vocabulary)) + "\n"


def _lines(report: Report, vocabulary: Vocabulary) -> Iterator[str]:
    yield wording.NOT_VERIFIED
    if origin := wording.origin(report):
        yield origin
    yield ""
    yield f"Chest radiograph: {wording.film(report.film)}"
    yield wording.chosen(report)
    if comparison := wording.comparison(report):
        yield comparison
    yield ""
    yield wording.summary(report)
    for finding in sorted(report.findings, key=lambda each: each not in report.present):
        yield f"  {wording.statement(finding, vocabulary)}"
    yield from _section("Not read", (wording.unread(gap) for gap in report.unread))
    yield from _section("Limits", wording.limits(report))
    made = report.made
    yield from _section(
        "Made by",
        (
            f"dicom-node {made.software_version}, rule {report.rule}, revision {report.revision}",
            wording.maker(made),
            "questions " + ", ".join(f"{name} {version}" for name, version in made.questions),
            f"device {device_uid(made)}",
            f"read at {report.read_at.isoformat(timespec='seconds')}",
        ),
    )


def _section(heading: str, lines: Iterable[str]) -> Iterator[str]:
    lines = list(lines)
    if lines:
        yield ""
        yield heading
        yield from (f"  {line}" for line in lines)
