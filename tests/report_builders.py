"""Reports made by hand, with known values, for whatever film a test has."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread

from dicom_node import findings_file, yamlfile
from dicom_node.geometry import Box
from dicom_node.outputs import OUTPUTS, Material, build
from dicom_node.profiles import PROFILES
from dicom_node.report import (
    BoxShows,
    ChangeKind,
    Film,
    Finding,
    Made,
    Presence,
    Prior,
    PriorOutcome,
    Report,
    Score,
    Unread,
    Weights,
)
from dicom_node.study import View
from dicom_node.vocabulary import Laterality, Vocabulary

READ_AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
MADE = Made(
    software_version="0.1.0",
    engine="transformers",
    model="medgemma-1.5-4b-it",
    weights=Weights.MODEL,
    weights_digest="sha256:00112233445566778899aabbccddeeff",
    questions=(("presence", "1"), ("location", "2")),
)
NO_PRIOR = Prior(PriorOutcome.NONE_FOUND, "the archive has no earlier study")


def vocabulary() -> Vocabulary:
    """Of config/findings.yaml."""
    with resources.as_file(resources.files("config") / "findings.yaml") as path:
        return findings_file.load(path)


def every_finding() -> Vocabulary:
    """The same with all that is ready to be switched on."""
    with resources.as_file(resources.files("config") / "findings.yaml") as path:
        file = yamlfile.load(path, findings_file.FindingsFile)
    asked = [entry.model_copy(update={"ask": True}) for entry in file.findings]
    return findings_file.vocabulary(file.model_copy(update={"findings": tuple(asked)}))


def film_of(path: Path) -> Film:
    """The reference to the film in a file, read by pydicom alone."""
    header = dcmread(path, stop_before_pixels=True)
    stated = [str(value)[:1] for value in header.get("PatientOrientation") or ()]
    return Film(
        study_instance_uid=str(header.StudyInstanceUID),
        series_instance_uid=str(header.SeriesInstanceUID),
        sop_class_uid=str(header.SOPClassUID),
        sop_instance_uid=str(header.SOPInstanceUID),
        rows=int(header.Rows),
        columns=int(header.Columns),
        view=View.PA,
        acquired=datetime(2020, 1, 2, 10, 15),
        orientation=(stated[0], stated[1]) if len(stated) == 2 else None,
    )


def prior_of(film: Film, days: int = 183) -> Prior:
    """A prior that was used: a film of another study, as large as the current one."""
    assert film.acquired is not None
    earlier = replace(
        film,
        study_instance_uid="1.2.826.0.1.3680043.10.543.1",
        series_instance_uid="1.2.826.0.1.3680043.10.543.2",
        sop_instance_uid="1.2.826.0.1.3680043.10.543.3",
        acquired=film.acquired - timedelta(days=days),
    )
    return Prior(PriorOutcome.USED, film=earlier, days=days)


def box_of(film: Film, left: float, top: float, right: float, bottom: float) -> Box:
    """A box given in parts of the film's width and height, on whole pixels."""
    columns, rows = film.columns, film.rows
    return Box(
        round(left * columns), round(top * rows), round(right * columns), round(bottom * rows)
    )


def report_on(film: Film, *findings: Finding, **fields: Any) -> Report:
    """A report with these findings; any field can be given."""
    report = Report(
        job="job-1",
        revision=1,
        rule="chest radiograph",
        film=film,
        why_this_film="the only frontal film",
        left_out=(),
        prior=NO_PRIOR,
        findings=findings,
        unread=(),
        notes=(),
        made=MADE,
        read_at=READ_AT,
    )
    return replace(report, **fields)


def material(
    report: Report, words: Vocabulary, current: Path, profile: str = "air", **fields: Any
) -> Material:
    """What an object is made from; ``profile`` names one that ships. Any field can be given."""
    made = Material(
        report=report, vocabulary=words, profile=PROFILES[profile], current=current, **fields
    )
    # Every object that there is, whatever the profile takes.
    return replace(made, profile=replace(made.profile, outputs=tuple(OUTPUTS)))


def object_of(
    output: str,
    report: Report,
    words: Vocabulary,
    current: Path,
    profile: str = "air",
    **fields: Any,
) -> Dataset:
    """The object of this name, in the dialect of a profile; there has to be one."""
    made = material(report, words, current, profile, **fields)
    ((_, dataset),) = build(made, (output,))
    return dataset


def gives_none(output: str, report: Report, words: Vocabulary, current: Path) -> bool:
    """Whether a report gives no occasion for an object."""
    return not list(build(material(report, words, current), (output,)))


def several(film: Film) -> tuple[Finding, ...]:
    """Findings of every kind: boxes that overlap, no box, absent; each with values of its own."""
    return (
        Finding(
            "consolidation",
            Presence.PRESENT,
            Score(0.873),
            "right lower lung zone",
            Laterality.RIGHT,
            box_of(film, 0.125, 0.5, 0.375, 0.75),
            BoxShows.FINDING,
            ChangeKind.NEW,
        ),
        Finding(
            "pleural effusion",
            Presence.PRESENT,
            Score(0.642),
            "left pleural space",
            Laterality.LEFT,
            box_of(film, 0.625, 0.625, 0.875, 0.875),
            BoxShows.SITE,
            ChangeKind.WORSENED,
        ),
        Finding(
            "pulmonary edema",
            Presence.PRESENT,
            Score(0.711, calibrated=True),
            "both lungs",
            Laterality.BILATERAL,
            box_of(film, 0.1, 0.2, 0.9, 0.8),
            BoxShows.FINDING,
            ChangeKind.STABLE,
        ),
        Finding(
            "cardiomegaly",
            Presence.PRESENT,
            Score(0.555),
            "cardiac silhouette",
            change=ChangeKind.IMPROVED,
        ),
        Finding("pneumothorax", Presence.ABSENT, Score(0.021), change=ChangeKind.RESOLVED),
        Finding("fracture", Presence.ABSENT, Score(0.034)),
    )


def everything(film: Path, **fields: Any) -> Report:
    """A report with :func:`several`, with a prior and a gap; any field can be given."""
    found = film_of(film)
    return report_on(found, *several(found), prior=prior_of(found), unread=unread(), **fields)


def boxed(film: Path, *boxes: Box) -> Report:
    """A report with these boxes, each of another finding, and nothing else."""
    names = ("consolidation", "atelectasis", "lung opacity", "fracture", "pulmonary edema")
    found = [
        Finding(name, Presence.PRESENT, box=box, box_shows=BoxShows.FINDING)
        for name, box in zip(names, boxes, strict=False)
    ]
    return report_on(film_of(film), *found)


def unchanged(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The same findings as read without a prior."""
    return tuple(replace(finding, change=None) for finding in findings)


def unread() -> tuple[Unread, ...]:
    """A question that got no usable answer."""
    return (Unread("location", "cardiomegaly", "the answer does not parse"),)
