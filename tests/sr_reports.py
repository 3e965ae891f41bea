"""Structured Reports written for tests, and what dciodvfy, DCMTK and pydicom see in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sr_text
from peers import dciodvfy
from pydicom import Dataset, dcmread
from report_builders import (
    everything,
    film_of,
    object_of,
    report_on,
    several,
    unchanged,
    unread,
)

from dicom_node import outputs
from dicom_node.report import NotRead, NotReadBecause, Prior, PriorOutcome, Report
from dicom_node.vocabulary import Vocabulary

#: What :func:`kinds` gives.
KINDS = (
    "nothing read",
    "nothing found",
    "one, no prior",
    "several, no prior",
    "several, with prior",
    "not suitable",
    "unreadable",
)


def kinds(film: Path) -> dict[str, Report]:
    """A report of every kind on a film."""
    found = film_of(film)
    some = several(found)
    return {
        "nothing read": report_on(found, unread=unread()),
        "nothing found": report_on(found, *unchanged(some[4:])),
        "one, no prior": report_on(found, *unchanged(some[:1])),
        "several, no prior": report_on(found, *unchanged(some), unread=unread()),
        "several, with prior": everything(film),
        "not suitable": not_read(film, NotReadBecause.NOT_SUITABLE, "it is no chest film"),
        "unreadable": not_read(film, NotReadBecause.UNREADABLE, "the film holds no pixels."),
    }


def not_read(film: Path, because: NotReadBecause, reason: str, **fields: Any) -> Report:
    """A report that says that the film was not read."""
    late = Prior(PriorOutcome.NOT_IN_TIME, "the archive took too long")
    return report_on(film_of(film), not_read=NotRead(because, reason), **{"prior": late, **fields})


def sr_of(
    report: Report, vocabulary: Vocabulary, film: Path, profile: str = "air", **fields: Any
) -> Dataset:
    return object_of("sr", report, vocabulary, film, profile, **fields)


def written(
    report: Report,
    vocabulary: Vocabulary,
    film: Path,
    folder: Path,
    profile: str = "air",
    **fields: Any,
) -> Path:
    """The file of the report in the dialect of a profile."""
    path = folder / "a new" / "folder" / "sr.dcm"
    outputs.write(sr_of(report, vocabulary, film, profile, **fields), path)
    return path


def document(report: Report, vocabulary: Vocabulary, film: Path, folder: Path) -> sr_text.Document:
    """The same as dsrdump reads it."""
    return sr_text.read(written(report, vocabulary, film, folder))


def errors(path: Path, kind: str = "Comprehensive3DSR") -> list[str]:
    """What dciodvfy calls an error in an object that it takes for one of this kind."""
    lines = dciodvfy(path)
    assert kind in lines, lines
    return [line for line in lines if line.startswith("Error")]


def evaluations(path: Path) -> sr_text.Item:
    """The container with what is said of the study as a whole."""
    return sr_text.read(path).root.one("Qualitative Evaluations")


def texts(path: Path) -> list[str]:
    """Its lines of text."""
    return [item.text() for item in evaluations(path).all("Comment")]


def items(path: Path) -> Iterator[Dataset]:
    """Every content item of a report below its root."""
    waiting = list(dcmread(path).ContentSequence)
    while waiting:
        item = waiting.pop(0)
        yield item
        waiting.extend(item.get("ContentSequence") or ())


def name_of(item: Dataset) -> tuple[str, str, str]:
    """Value, scheme and meaning of the name of a content item."""
    code = item.ConceptNameCodeSequence[0]
    return code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning


def instances(study: Dataset) -> list[str]:
    """SOP Instance UIDs of an item of the Hierarchical SOP Instance Reference Macro."""
    return [
        str(item.ReferencedSOPInstanceUID)
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    ]
