"""The Structured Report for a viewer that measures in boxes and nowhere else, as DCMTK reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
import sr_text
from pydicom import dcmread
from report_builders import box_of, everything, film_of, report_on, several
from sr_reports import KINDS, errors, kinds, written

from dicom_node.report import BoxShows, Finding, Presence
from dicom_node.vocabulary import Vocabulary


def test_every_group_has_a_box_and_what_has_none_is_coded_for_the_study(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    plain = sr_text.read(written(everything(rg1), vocabulary, rg1, tmp_path / "air")).groups
    path = written(everything(rg1), vocabulary, rg1, tmp_path / "ohif", "ohif")
    read = sr_text.read(path)
    assert len(plain) == 6
    assert [told(group) for group in read.groups] == [told(group) for group in plain[:3]]
    assert all(group.one("Image Region").kind == "SCOORD" for group in read.groups)
    evaluations = read.root.one("Qualitative Evaluations")
    assert [told(item) for item in evaluations.all("Presence of property")] == [
        told(group) for group in plain[3:]
    ]
    assert [item.code()[0] for item in evaluations.all("Presence of property")] == [
        "52101004",
        "272519000",
        "272519000",
    ]
    assert errors(path) == []


@pytest.mark.parametrize("kind", KINDS)
def test_without_any_box_it_is_a_report_in_words(
    kind: str, rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    report = kinds(rg1)[kind]
    path = written(report, vocabulary, rg1, tmp_path, "ohif")
    root = sr_text.read(path).root
    boxed = any(finding.box for finding in report.findings)
    assert root.name == ("Imaging Measurement Report" if boxed else "Diagnostic Imaging Report")
    assert dcmread(path).ContentTemplateSequence[0].TemplateIdentifier == (
        "1500" if boxed else "2000"
    )
    if not boxed:
        assert [item.name for item in root.children if item.kind == "CONTAINER"] == ["Findings"]
        findings = root.one("Findings")
        air = sr_text.read(written(report, vocabulary, rg1, tmp_path / "air")).root
        said = air.one("Qualitative Evaluations")
        assert [item.value for item in findings.all("Finding")] == [
            item.value for item in said.all("Comment")
        ]
        summary = "CAD Processing and Findings Summary"
        assert findings.one(summary).code() == said.one(summary).code()
    assert errors(path) == []


def test_no_other_dialect_changes(rg1: Path, vocabulary: Vocabulary, tmp_path: Path) -> None:
    report = kinds(rg1)["nothing found"]
    for profile in ("air", "stone", "weasis"):
        path = written(report, vocabulary, rg1, tmp_path / profile, profile)
        assert len(sr_text.read(path).groups) == len(report.findings), profile


def test_a_box_of_the_site_counts_as_one(rg1: Path, vocabulary: Vocabulary, tmp_path: Path) -> None:
    film = film_of(rg1)
    shown = Finding(
        "pulmonary edema",
        Presence.PRESENT,
        box=box_of(film, 0.1, 0.1, 0.2, 0.2),
        box_shows=BoxShows.SITE,
    )
    path = written(report_on(film, shown, several(film)[5]), vocabulary, rg1, tmp_path, "ohif")
    assert len(sr_text.read(path).groups) == 1


def told(item: sr_text.Item) -> tuple[tuple[str, str], str]:
    """Which finding, under which Tracking UID."""
    return item.one("Finding").code(), item.one("Tracking Unique Identifier").text()
