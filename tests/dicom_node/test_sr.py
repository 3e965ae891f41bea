"""The Structured Report, as dciodvfy, DCMTK and pydicom read it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sr_text
from builders import IDENTITY, chest, variant
from pydicom import Dataset, dcmread
from report_builders import (
    MADE,
    box_of,
    every_finding,
    everything,
    film_of,
    object_of,
    prior_of,
    report_on,
    several,
    unchanged,
    unread,
)
from sr_reports import (
    KINDS,
    document,
    errors,
    instances,
    items,
    kinds,
    name_of,
    sr_of,
    texts,
    written,
)

from dicom_node.equipment import device_uid, made_by_this_project
from dicom_node.errors import BadStudy
from dicom_node.geometry import Box
from dicom_node.report import (
    Finding,
    LeftOut,
    Presence,
    Prior,
    PriorOutcome,
    Report,
    Score,
    Weights,
)
from dicom_node.vocabulary import Laterality, Vocabulary

#: Patient Orientation of a frontal film, all eight.
ORIENTATIONS = ("LF", "RF", "RH", "LH", "HL", "FR", "FL", "HR")


@pytest.mark.parametrize("profile", ["air", "ohif"])
@pytest.mark.parametrize("kind", KINDS)
def test_dciodvfy_finds_no_error_in_any_kind_of_report(
    kind: str, profile: str, rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    assert errors(written(kinds(rg1)[kind], vocabulary, rg1, tmp_path, profile)) == []


def test_dciodvfy_finds_no_error_on_any_real_film(
    real_films: list[Path], vocabulary: Vocabulary, tmp_path: Path
) -> None:
    for number, film in enumerate(real_films):
        for profile, kind in (("ohif", "Comprehensive3DSR"), ("stone", "ComprehensiveSR")):
            folder = tmp_path / profile / str(number)
            path = written(everything(film), vocabulary, film, folder, profile)
            assert errors(path, kind) == [], film.name


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_dciodvfy_finds_no_error_in_any_orientation(
    orientation: str, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    film = chest(tmp_path / "film.dcm", PatientOrientation=list(orientation))
    path = written(everything(film), vocabulary, film, tmp_path)
    assert errors(path) == []
    library = sr_text.read(path).root.one("Image Library").children[0].one("Source")
    assert library.one("Patient Orientation Row").text() == orientation[0]
    assert library.one("Patient Orientation Column").text() == orientation[1]


def test_an_independent_reader_finds_each_value_at_its_place(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    report = everything(rg1)
    groups = document(report, vocabulary, rg1, tmp_path).groups
    assert len(groups) == len(report.findings)
    said = [(group.one("Finding").code()[0], *score_of(group)) for group in groups]
    assert said == [
        ("95436008", "Certainty of Finding", 87.3, "%"),
        ("60046008", "Certainty of Finding", 64.2, "%"),
        ("19242006", "Probability", 71.1, "%"),  # the only one that is calibrated
        ("8186001", "Certainty of Finding", 55.5, "%"),
        ("36118008", "Certainty of Finding", 2.1, "%"),
        ("125605004", "Certainty of Finding", 3.4, "%"),
    ]
    assert [site_of(group) for group in groups] == [
        ("281394001", "24028007"),
        ("3120008", "7771000"),
        ("39607008", "51440002"),
        ("80891009", None),
        None,
        None,
    ]
    changes = [[item.code() for item in group.all("Qualitative Difference")] for group in groups]
    assert changes == [
        [("7147002", "SCT")],
        [("230993007", "SCT")],
        [("58158008", "SCT")],
        [("385425000", "SCT")],
        [("413322009", "SCT")],
        [],
    ]
    present = [group.one("Presence of property").code()[0] for group in groups]
    assert present == ["52101004"] * 4 + ["272519000"] * 2
    # 1841 columns and 1955 rows; written out here, so that no code of ours is believed.
    assert corners(groups[0]) == [(230, 978), (690, 978), (690, 1466), (230, 1466), (230, 978)]
    assert corners(groups[1])[::2] == [(1151, 1222), (1611, 1711), (1151, 1222)]
    assert corners(groups[2])[::2] == [(184, 391), (1657, 1564), (184, 391)]
    assert all(not group.all("Image Region") for group in groups[3:])


def test_stone_gets_its_class_and_its_name_of_the_image_under_each_box(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    """Its viewer looks for (111040, DCM) in a Comprehensive SR, and draws nothing else."""
    path = written(everything(rg1), vocabulary, rg1, tmp_path / "stone", "stone")
    assert dcmread(path).SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.33"
    assert errors(path, "ComprehensiveSR") == []
    assert images_under_boxes(path) == {("111040", "DCM", "Original Source")}
    air = written(everything(rg1), vocabulary, rg1, tmp_path / "air")
    assert dcmread(air).SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.34"
    assert images_under_boxes(air) == {("260753009", "SCT", "Source")}


def test_in_the_dialect_of_ohif_the_name_of_the_score_says_which_finding_and_how_it_changed(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    """OHIF draws "Code Meaning: value unit" of numbers beside a box. The code stays."""
    ohif = written(everything(rg1), vocabulary, rg1, tmp_path / "ohif", "ohif")
    groups = sr_text.read(ohif).groups
    assert [score_of(group) for group in groups] == [
        ("Consolidation (new), certainty", 87.3, "%"),
        ("Pleural effusion (worsened), certainty", 64.2, "%"),
        ("Pulmonary edema (stable), probability", 71.1, "%"),
    ]
    air = written(everything(rg1), vocabulary, rg1, tmp_path / "air")
    assert names_of_scores(ohif) == ["111012", "111012", "122157"]
    assert names_of_scores(air) == [*names_of_scores(ohif), *(["111012"] * 3)]
    assert errors(ohif) == []


def test_a_long_name_of_a_finding_leaves_room_for_its_change(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    """Code Meaning is LO: 64 characters."""
    name = "a finding that a site calls by a name that is far too long for a label"
    long = replace(vocabulary, findings={name: vocabulary.findings["consolidation"]})
    found = film_of(rg1)
    finding = replace(several(found)[0], name=name)
    report = report_on(found, finding, prior=prior_of(found))
    path = written(report, long, rg1, tmp_path, "ohif")
    (group,) = sr_text.read(path).groups
    told, *_ = score_of(group)
    assert told == "A finding that a site calls by a name that is f (new), certainty"
    assert len(told) == 64


def test_swapping_two_boxes_changes_exactly_those(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    report = everything(rg1)
    first, second, *rest = report.findings
    swapped = replace(
        report,
        findings=(replace(first, box=second.box), replace(second, box=first.box), *rest),
    )
    before = document(report, vocabulary, rg1, tmp_path / "1").groups
    after = document(swapped, vocabulary, rg1, tmp_path / "2").groups
    assert after[0].one("Image Region") == before[1].one("Image Region")
    assert after[1].one("Image Region") == before[0].one("Image Region")
    for groups in (before, after):
        for group in groups[:2]:
            group.children.remove(group.one("Image Region"))
    assert before == after


def test_boxes_are_on_the_current_film_and_the_prior_is_evidence(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    report = everything(rg1)
    assert report.prior.film is not None
    path = written(report, vocabulary, rg1, tmp_path)
    for group in sr_text.read(path).groups:
        for region in group.all("Image Region"):
            assert report.film.sop_instance_uid in region.one("Source").value
        for image in group.all("Source of Measurement"):
            assert report.film.sop_instance_uid in image.value
    read = dcmread(path)
    (current,) = read.CurrentRequestedProcedureEvidenceSequence
    (prior,) = read.PertinentOtherEvidenceSequence
    assert instances(current) == [report.film.sop_instance_uid]
    assert instances(prior) == [report.prior.film.sop_instance_uid]
    assert prior.StudyInstanceUID == report.prior.film.study_instance_uid
    assert any("183 days earlier" in text for text in texts(path))


@pytest.mark.parametrize("profile", ["air", "ohif"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_image_that_its_tree_names_is_in_its_evidence(
    kind: str, profile: str, rg1: Path, vocabulary: Vocabulary
) -> None:
    """PS3.3 C.17.2.3. The tree is not shown to highdicom, which would see to it."""
    report = kinds(rg1)[kind]
    made = object_of("sr", report, vocabulary, rg1, profile)
    studies = [
        *made.CurrentRequestedProcedureEvidenceSequence,
        *made.get("PertinentOtherEvidenceSequence", ()),
    ]
    evidence = {uid for study in studies for uid in instances(study)}
    tree = Dataset()
    tree.ContentSequence = made.ContentSequence
    named = {str(one.value) for one in tree.iterall() if one.keyword == "ReferencedSOPInstanceUID"}
    assert named or profile == "ohif", "without a box that is a report in words"
    assert named <= evidence


def test_without_a_prior_the_reason_is_in_the_text(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    found = film_of(rg1)
    late = Prior(PriorOutcome.NOT_IN_TIME, "the archive took too long")
    path = written(report_on(found, prior=late), vocabulary, rg1, tmp_path)
    assert "PertinentOtherEvidenceSequence" not in dcmread(path)
    assert any("not retrieved in time (the archive took too long)" in one for one in texts(path))


def test_the_film_read_and_those_left_out_are_named_with_their_reasons(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    film = film_of(rg1)
    left_out = (LeftOut("1.2.3", "view is lateral"), LeftOut("1.2.4", "is FOR PROCESSING"))
    lines = texts(written(report_on(film, left_out=left_out), vocabulary, rg1, tmp_path))
    for line in (
        f"Film read: {film.sop_instance_uid}, the only frontal film.",
        "Not read: 1.2.3 (view is lateral).",
        "Not read: 1.2.4 (is FOR PROCESSING).",
    ):
        assert lines.count(line) == 1


def test_what_is_enlarged_is_said_even_where_it_is_not(rg1: Path, tmp_path: Path) -> None:
    """Enlarged, absent: of the mediastinum. The code alone says nothing."""
    absent = Finding("enlarged mediastinum", Presence.ABSENT, Score(0.1))
    read = document(report_on(film_of(rg1), absent), every_finding(), rg1, tmp_path)
    (group,) = read.groups
    assert group.one("Finding").code()[0] == "260376009"
    assert site_of(group) == ("72410000", None)


def test_a_report_without_findings_still_has_a_group_with_evidence(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    report = report_on(film_of(rg1), unread=unread())
    path = written(report, vocabulary, rg1, tmp_path)
    (group,) = sr_text.read(path).groups
    assert report.film.sop_instance_uid in group.one("Source of Measurement").value
    assert group.one("CAD Processing and Findings Summary").code() == ("111245", "DCM")
    assert group.one("Tracking Identifier").text()
    assert group.one("Tracking Unique Identifier").text().startswith("2.25.")
    (evidence,) = dcmread(path).CurrentRequestedProcedureEvidenceSequence
    assert instances(evidence) == [report.film.sop_instance_uid]


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("nothing read", "111245"),
        ("nothing found", "111241"),
        ("one, no prior", "111242"),
        ("several, no prior", "111244"),
        ("not suitable", "111245"),
        ("unreadable", "111245"),
    ],
)
def test_the_outcome_is_summarised(
    kind: str, code: str, rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    root = document(kinds(rg1)[kind], vocabulary, rg1, tmp_path).root
    evaluations = root.one("Qualitative Evaluations")
    assert evaluations.one("CAD Processing and Findings Summary").code() == (code, "DCM")


def test_an_unread_question_without_findings_is_not_all_succeeded(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    found = film_of(rg1)
    report = report_on(found, *unchanged(several(found)[4:]), unread=unread())
    evaluations = document(report, vocabulary, rg1, tmp_path).root.one("Qualitative Evaluations")
    assert evaluations.one("CAD Processing and Findings Summary").code() == ("111243", "DCM")


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (Weights.MODEL, ["AI made this; nobody verified it"]),
        (Weights.DEMONSTRATION, ["AI made this; nobody verified it", "DEMONSTRATION"]),
    ],
)
def test_it_says_who_made_it(
    weights: Weights, words: list[str], rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    report = replace(everything(rg1), made=replace(MADE, weights=weights))
    path = written(report, vocabulary, rg1, tmp_path)
    read = dcmread(path)
    assert all(word in " ".join(texts(path)) for word in words)
    assert "NOT VERIFIED" in read.SeriesDescription
    assert all(word in read.SeriesDescription for word in words[1:])
    assert (read.CompletionFlag, read.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    assert "VerifyingObserverSequence" not in read


def test_the_equipment_agrees_wherever_it_stands(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    """IHE AIR 6.5.3.1."""
    path = written(everything(rg1), vocabulary, rg1, tmp_path)
    read = dcmread(path)
    item = read.ContributingEquipmentSequence[0]
    root = sr_text.read(path).root
    assert item.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
    assert item.DeviceUID == device_uid(MADE) == root.one("Device Observer UID").text()
    assert item.Manufacturer == root.one("Device Observer Manufacturer").text()
    assert item.Manufacturer == read.Manufacturer
    group = sr_text.read(path).groups[0]
    for model in (root.one("Device Observer Model Name"), group.one("Algorithm Name")):
        assert item.ManufacturerModelName == model.text() == read.ManufacturerModelName
    assert item.SoftwareVersions == group.one("Algorithm Version").text() == read.SoftwareVersions


def test_it_is_known_again_and_a_film_is_not(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    assert made_by_this_project(dcmread(written(everything(rg1), vocabulary, rg1, tmp_path)))
    assert not made_by_this_project(dcmread(rg1))


def test_a_result_of_another_maker_is_not_ours(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    read = dcmread(written(everything(rg1), vocabulary, rg1, tmp_path))
    read.ContributingEquipmentSequence[0].Manufacturer = "somebody else"
    assert not made_by_this_project(read)


def test_a_film_that_we_only_touched_is_not_a_result(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    read = dcmread(written(everything(rg1), vocabulary, rg1, tmp_path))
    purpose = read.ContributingEquipmentSequence[0].PurposeOfReferenceCodeSequence[0]
    purpose.CodeValue = "109101"  # Acquisition Equipment
    assert not made_by_this_project(read)


def test_another_revision_or_model_is_another_object(rg1: Path, vocabulary: Vocabulary) -> None:
    report = everything(rg1)
    made = [
        sr_of(one, vocabulary, rg1)
        for one in (
            report,
            replace(report, revision=2),
            replace(report, made=replace(MADE, weights_digest="sha256:ff")),
        )
    ]
    assert len({one.SOPInstanceUID for one in made}) == 3
    assert len({one.SeriesInstanceUID for one in made}) == 3
    assert all(one.StudyInstanceUID == report.film.study_instance_uid for one in made)
    assert all(one.SeriesInstanceUID != report.film.series_instance_uid for one in made)


def test_tracking_uids_are_all_different(rg1: Path, vocabulary: Vocabulary, tmp_path: Path) -> None:
    report = everything(rg1)
    twice = replace(report, findings=(*report.findings, report.findings[0]))
    groups = document(twice, vocabulary, rg1, tmp_path).groups
    uids = [group.one("Tracking Unique Identifier").text() for group in groups]
    assert len(set(uids)) == len(uids) == 7


def test_the_free_text_holds_no_identity(vocabulary: Vocabulary, tmp_path: Path) -> None:
    """Identity is in the attributes of the patient, and in no content item."""
    identity: dict[str, Any] = dict(IDENTITY)
    film = chest(tmp_path / "film.dcm", **identity)
    said = document(everything(film), vocabulary, film, tmp_path)
    values = [part for value in IDENTITY.values() for part in value.split("^")]
    assert not [value for value in values if value in str(said.root)]


def refused(report: Report, vocabulary: Vocabulary, film: Path) -> str:
    with pytest.raises(BadStudy) as caught:
        object_of("sr", report, vocabulary, film)
    return str(caught.value)


def test_a_report_that_contradicts_itself_is_refused(rg1: Path, vocabulary: Vocabulary) -> None:
    found = film_of(rg1)
    first = unchanged(several(found))[0]
    assert "outside" in refused(
        report_on(found, replace(first, box=Box(0, 0, 1842, 10))), vocabulary, rg1
    )
    assert "left" in refused(
        report_on(found, replace(first, laterality=Laterality.LEFT)), vocabulary, rg1
    )
    assert "prior" in refused(report_on(found, several(found)[0]), vocabulary, rg1)
    assert "score" in refused(report_on(found, replace(first, score=Score(1.01))), vocabulary, rg1)
    unknown = Finding("unicorn", Presence.PRESENT, box=box_of(found, 0, 0, 1, 1))
    assert "unicorn" in refused(report_on(found, unknown), vocabulary, rg1)


def test_another_film_than_that_of_the_report_is_refused(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    other = variant(rg1, tmp_path / "other.dcm", SOPInstanceUID="1.2.3")
    assert "not the film" in refused(report_on(film_of(rg1)), vocabulary, other)


def score_of(group: sr_text.Item) -> tuple[str, float, str]:
    (item,) = [child for child in group.children if child.kind == "NUM"]
    return item.name, *item.number()


def site_of(group: sr_text.Item) -> tuple[str, str | None] | None:
    sites = group.all("Finding Site")
    if not sites:
        return None
    sides = [side.code()[0] for side in sites[0].all("Laterality")]
    return sites[0].code()[0], sides[0] if sides else None


def corners(group: sr_text.Item) -> list[tuple[float, float]]:
    kind, points = group.one("Image Region").graphic()
    assert kind == "POLYLINE"
    return points


def images_under_boxes(path: Path) -> set[tuple[str, str, str]]:
    boxes = [item for item in items(path) if item.ValueType == "SCOORD"]
    return {name_of(image) for box in boxes for image in box.ContentSequence}


def names_of_scores(path: Path) -> list[str]:
    """Code Values of the names of all numbers in percent."""
    numbers = [item for item in items(path) if item.ValueType == "NUM"]
    units = [
        one.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue for one in numbers
    ]
    return [name_of(one)[0] for one, unit in zip(numbers, units, strict=True) if unit == "%"]
