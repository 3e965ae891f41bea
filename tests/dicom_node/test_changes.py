"""What changed, and against which film: coded, and without a box of the prior."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import sr_text
from pydicom import dcmread
from report_builders import everything, film_of, object_of, prior_of, report_on, several
from sr_reports import document, evaluations, items, sr_of, written

from dicom_node.errors import BadStudy
from dicom_node.report import Prior, PriorOutcome
from dicom_node.vocabulary import Vocabulary


def changes(path: Path) -> list[sr_text.Item]:
    return evaluations(path).all("Qualitative Difference")


def test_each_change_names_its_finding_and_the_group_of_it(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    path = written(everything(rg1), vocabulary, rg1, tmp_path)
    assert [(item.one("Finding").code()[0], item.code()[0]) for item in changes(path)] == [
        ("95436008", "7147002"),
        ("60046008", "230993007"),
        ("19242006", "58158008"),
        ("8186001", "385425000"),
        ("36118008", "413322009"),
    ]
    groups = {
        group.one("Tracking Unique Identifier").text(): group for group in sr_text.read(path).groups
    }
    for item in changes(path):
        group = groups[item.one("Tracking Unique Identifier").text()]
        assert group.one("Finding").code() == item.one("Finding").code()
        assert group.one("Qualitative Difference").code() == item.code()


def test_each_change_names_the_prior_its_date_and_the_days_between(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    """183 days before the second of January 2020."""
    for item in changes(written(everything(rg1), vocabulary, rg1, tmp_path)):
        image = item.one("Source")
        assert (image.relationship, image.kind) == ("inferred from", "IMAGE")
        assert "1.2.826.0.1.3680043.10.543.3" in image.value
        assert image.one("Study Instance UID").text() == "1.2.826.0.1.3680043.10.543.1"
        assert image.one("Acquisition Date").text() == "20190703"
        days = item.one("Longitudinal Temporal Offset from Event")
        assert days.number() == (183.0, "d")
        assert days.one("Longitudinal Temporal Event Type").code() == ("363679005", "SCT")


def test_a_prior_without_a_date_is_named_all_the_same(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    found = film_of(rg1)
    film = prior_of(found).film
    assert film is not None
    undated = Prior(PriorOutcome.USED, film=replace(film, acquired=None))
    report = report_on(found, several(found)[0], prior=undated)
    (item,) = changes(written(report, vocabulary, rg1, tmp_path))
    assert film.sop_instance_uid in item.one("Source").value
    assert not item.one("Source").all("Acquisition Date")
    assert not item.all("Longitudinal Temporal Offset from Event")


@pytest.mark.parametrize("profile", ["air", "ohif", "stone"])
def test_nothing_is_measured_or_drawn_on_the_prior(
    profile: str, rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    """OHIF has no support for reports that measure on several studies, and says so."""
    report = everything(rg1)
    path = written(report, vocabulary, rg1, tmp_path, profile)
    measured = dcmread(path).ContentSequence
    (groups,) = [
        one
        for one in measured
        if one.ConceptNameCodeSequence[0].CodeMeaning == "Imaging Measurements"
    ]
    of_groups = groups.to_json()
    assert report.film.sop_instance_uid in of_groups
    assert report.prior.film is not None
    assert report.prior.film.sop_instance_uid not in of_groups
    drawn = [
        image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for box in items(path)
        if box.ValueType == "SCOORD"
        for image in box.ContentSequence
    ]
    assert set(drawn) == {report.film.sop_instance_uid}
    # The library's first group is the one that viewers look at.
    library = sr_text.read(path).root.one("Image Library").children
    assert report.film.sop_instance_uid in library[0].one("Source").value
    assert report.prior.film.sop_instance_uid in library[1].one("Source").value


def test_without_a_change_the_prior_is_only_in_library_and_text(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    found = film_of(rg1)
    report = report_on(found, several(found)[5], prior=prior_of(found))
    assert changes(written(report, vocabulary, rg1, tmp_path)) == []


def test_a_finding_known_from_the_prior_keeps_its_tracking_uid_in_every_object(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    report = everything(rg1)
    first, *rest = report.findings
    known = replace(report, findings=(replace(first, tracking_uid="2.25.4711"), *rest))
    groups = document(known, vocabulary, rg1, tmp_path).groups
    uids = [group.one("Tracking Unique Identifier").text() for group in groups]
    assert uids[0] == "2.25.4711"
    assert uids[1:] == [
        group.one("Tracking Unique Identifier").text()
        for group in document(report, vocabulary, rg1, tmp_path / "new").groups[1:]
    ]
    seg = object_of("seg", known, vocabulary, rg1)
    segments = [(one.TrackingUID, one.TrackingID) for one in seg.SegmentSequence]
    assert segments == [
        (uid, group.one("Tracking Identifier").text())
        for uid, group in list(zip(uids, groups, strict=True))[:3]
    ]


def test_two_findings_are_not_the_same_one_of_the_prior(rg1: Path, vocabulary: Vocabulary) -> None:
    report = everything(rg1)
    twice = [replace(finding, tracking_uid="2.25.4711") for finding in report.findings[:2]]
    with pytest.raises(BadStudy, match="the same tracking UID"):
        sr_of(replace(report, findings=tuple(twice)), vocabulary, rg1)
