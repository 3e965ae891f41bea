"""How a reading may end, said by an object that opens, or not at all where a site wants that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import sr_text
from pydicom import dcmread
from report_builders import (
    everything,
    film_of,
    material,
    prior_of,
    report_on,
    several,
    unchanged,
    unread,
)
from sr_reports import errors, evaluations, instances, kinds, not_read, texts, written

from dicom_node import outputs
from dicom_node.errors import BadStudy
from dicom_node.outputs.ends import ends
from dicom_node.profiles import End
from dicom_node.report import NotReadBecause, Prior, PriorOutcome, Report
from dicom_node.text import as_text
from dicom_node.vocabulary import Vocabulary

UNSUITABLE, UNREADABLE = NotReadBecause.NOT_SUITABLE, NotReadBecause.UNREADABLE


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("nothing read", {End.WITHOUT_PRIOR}),
        ("nothing found", {End.NOTHING_FOUND, End.WITHOUT_PRIOR}),
        ("one, no prior", {End.WITHOUT_PRIOR}),
        ("several, with prior", set()),
        ("not suitable", {End.NOT_SUITABLE}),
        ("unreadable", {End.UNREADABLE}),
    ],
)
def test_each_reading_has_its_ends(kind: str, expected: set[End], rg1: Path) -> None:
    assert ends(kinds(rg1)[kind]) == expected


def test_who_asks_for_no_prior_does_not_read_without_one(rg1: Path) -> None:
    found = film_of(rg1)
    findings = unchanged(several(found))
    assert ends(report_on(found, *findings, prior=Prior(PriorOutcome.NOT_ASKED))) == set()
    for outcome in (PriorOutcome.NONE_FOUND, PriorOutcome.REFUSED, PriorOutcome.NOT_IN_TIME):
        assert ends(report_on(found, *findings, prior=Prior(outcome))) == {End.WITHOUT_PRIOR}


@pytest.mark.parametrize("end", End)
def test_nothing_is_built_of_an_end_that_the_profile_leaves_out(
    end: End, rg1: Path, vocabulary: Vocabulary
) -> None:
    found = film_of(rg1)
    ended = {
        End.NOTHING_FOUND: report_on(found, *unchanged(several(found)[4:]), prior=prior_of(found)),
        End.WITHOUT_PRIOR: report_on(found, *unchanged(several(found))),
        End.NOT_SUITABLE: not_read(rg1, UNSUITABLE, "it is a knee"),
        End.UNREADABLE: not_read(rg1, UNREADABLE, "the film holds no pixels"),
    }
    for other, report in ended.items():
        made = material(report, vocabulary, rg1)
        silent = replace(made, profile=replace(made.profile, ends=frozenset(End) - {end}))
        built = [reference.output for reference, _ in outputs.build(silent, ("sr",))]
        assert built == ([] if other is end else ["sr"])


@pytest.mark.parametrize(
    ("because", "status", "quality", "sentence"),
    [
        (
            UNSUITABLE,
            "111225",
            None,
            "Not suitable: it is a knee. This says nothing about findings.",
        ),
        (
            UNREADABLE,
            "111224",
            "111220",
            "Could not be read: it is a knee. This says nothing about findings.",
        ),
    ],
)
def test_a_film_that_was_not_read_says_so_in_code_and_words(
    because: NotReadBecause,
    status: str,
    quality: str | None,
    sentence: str,
    rg1: Path,
    vocabulary: Vocabulary,
    tmp_path: Path,
) -> None:
    report = not_read(rg1, because, "it is a knee.")
    path = written(report, vocabulary, rg1, tmp_path)
    said = evaluations(path)
    assert said.one("CAD Processing and Findings Summary").code() == ("111245", "DCM")
    assert said.one("Summary of Detections").code() == (status, "DCM")
    assert [one.code()[0] for one in said.all("Quality Finding")] == ([quality] if quality else [])
    assert sentence in texts(path)
    assert sentence in as_text(report, vocabulary).splitlines()
    (group,) = sr_text.read(path).groups
    assert group.one("CAD Processing and Findings Summary").code() == ("111245", "DCM")
    assert report.film.sop_instance_uid in group.one("Source of Measurement").value
    assert group.one("Algorithm Name").text() == "medgemma-1.5-4b-it"
    assert not group.all("Finding")
    assert errors(path) == []


@pytest.mark.parametrize("because", NotReadBecause)
def test_of_a_film_that_was_not_read_nothing_is_said_that_would_need_a_reading(
    because: NotReadBecause, rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    """A prior that was there was not compared; the film was not taken as standing."""
    report = not_read(rg1, because, "it is a knee", prior=prior_of(film_of(rg1)))
    path = written(report, vocabulary, rg1, tmp_path)
    assert "PertinentOtherEvidenceSequence" not in dcmread(path)
    (evidence,) = dcmread(path).CurrentRequestedProcedureEvidenceSequence
    assert instances(evidence) == [report.film.sop_instance_uid]
    for told in (" ".join(texts(path)), as_text(report, vocabulary)):
        for word in ("Compared", "without a prior", "threshold", "Only these", "Film read"):
            assert word not in told


def test_only_the_report_is_built_of_a_film_that_was_not_read(
    rg1: Path, vocabulary: Vocabulary
) -> None:
    made = material(not_read(rg1, UNSUITABLE, "it is a knee"), vocabulary, rg1)
    assert [one.output for one, _ in outputs.build(made, ("sr", "seg", "gsps"))] == ["sr"]


def test_a_report_on_a_film_that_was_not_read_has_no_findings(
    rg1: Path, vocabulary: Vocabulary
) -> None:
    report = not_read(rg1, UNSUITABLE, "it is a knee")
    contradiction = replace(report, findings=everything(rg1).findings, prior=everything(rg1).prior)
    for wrong in (contradiction, replace(report, unread=unread())):
        with pytest.raises(BadStudy, match="was not read"):
            list(outputs.build(material(wrong, vocabulary, rg1), ("sr",)))


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("nothing read", "111224"),
        ("nothing found", "111222"),
        ("several, no prior", "111223"),
        ("one, no prior", "111222"),
    ],
)
def test_the_status_of_the_questions_is_coded(
    kind: str, status: str, rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    said = evaluations(written(kinds(rg1)[kind], vocabulary, rg1, tmp_path))
    assert said.one("Summary of Detections").code() == (status, "DCM")


def test_nothing_above_threshold_and_no_prior_are_both_said(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    report: Report = kinds(rg1)["nothing found"]
    told = texts(written(report, vocabulary, rg1, tmp_path))
    assert "No finding above threshold." in told
    assert "Read without a prior: none found (the archive has no earlier study)." in told
