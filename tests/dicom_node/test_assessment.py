"""What an assessment SR is taken to say, and what of it is not understood."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from assessors import (
    ACCEPTED,
    AFTER_MODIFICATION,
    REJECTED,
    UNMODIFIED,
    UNREVIEWED,
    assessment,
    code,
    content,
    entry,
    observed,
    referenced,
    related,
    save,
    status,
)
from builders import chest
from pydicom import Dataset, dcmread
from pydicom.uid import ComprehensiveSRStorage, DeflatedExplicitVRLittleEndian
from report_builders import film_of, object_of, report_on, several, unchanged, vocabulary

from dicom_node.errors import BadStudy
from dicom_node.ledger.assessments import Assessed, Verdict
from dicom_node.receive.assessment import is_assessment, parse, read

WHOLE = referenced("1.2.9")


def said(*entries: Dataset, **elements: Any) -> list[Assessed]:
    return list(parse(assessment(*entries, **elements)).assessed)


def unclear(*entries: Dataset) -> str:
    """Why the only entry is not understood; nothing may be concluded from it."""
    found = parse(assessment(*entries))
    assert found.assessed == ()
    assert found.unreviewed == 0
    (reason,) = found.unclear
    return reason


@pytest.mark.parametrize(
    ("stated", "verdict"),
    [
        (status(ACCEPTED), Verdict.ACCEPTED),
        (status(ACCEPTED, UNMODIFIED), Verdict.ACCEPTED),
        (status(ACCEPTED, AFTER_MODIFICATION), Verdict.MODIFIED),
        (status(REJECTED), Verdict.REJECTED),
    ],
)
def test_a_verdict_on_a_whole_result_or_on_a_finding(stated: Dataset, verdict: Verdict) -> None:
    assert said(entry(WHOLE, stated)) == [Assessed("1.2.9", "", verdict)]
    about = [*observed("1.2.7"), stated]
    assert said(entry(WHOLE, *about)) == [Assessed("1.2.9", "1.2.7", verdict)]
    assert said(entry(*about)) == [Assessed("", "1.2.7", verdict)]


@pytest.mark.parametrize("stated", [UNREVIEWED, ("AIRAI_14", "Unknown")])
def test_what_nobody_judged_is_counted_and_is_no_verdict(stated: tuple[str, str]) -> None:
    found = parse(assessment(entry(WHOLE, status(stated))))
    assert (found.assessed, found.unreviewed, found.unclear) == ((), 1, ())


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([WHOLE], "does not have one Result Assessment Status"),
        ([WHOLE, status(ACCEPTED), status(REJECTED)], "does not have one Result Assessment Status"),
        ([WHOLE, status(("AIRAI_15", "Confirmed"))], "does not know, or that contradict"),
        ([WHOLE, status(ACCEPTED, ("AIRAI_18", "x"))], "does not know, or that contradict"),
        ([WHOLE, status(REJECTED, AFTER_MODIFICATION)], "does not know, or that contradict"),
        ([WHOLE, status(UNREVIEWED, UNMODIFIED)], "does not know, or that contradict"),
        ([WHOLE, status(ACCEPTED, UNMODIFIED, AFTER_MODIFICATION)], "that contradict"),
        ([status(ACCEPTED)], "names no result"),
        ([referenced(""), status(ACCEPTED)], "no valid UID"),
        ([referenced("../1"), status(ACCEPTED)], "no valid UID"),
        ([WHOLE, referenced("1.2.8"), status(ACCEPTED)], "more than one Referenced Instance"),
        ([WHOLE, *observed("none"), status(ACCEPTED)], "no valid UID"),
        ([WHOLE, observed("1.2")[0], status(ACCEPTED)], "a finding that it does not name"),
        # A finding that is named otherwise must not become a verdict on the whole.
        ([WHOLE, content("UIDREF", ("AIR006", "x"), UID="1.2"), status(REJECTED)], "in a way"),
        (
            [
                WHOLE,
                content("CODE", ("AIRAI_03", "x"), ConceptCodeSequence=code(("AIR009", "Segment"))),
                status(REJECTED),
            ],
            "Result Type",
        ),
    ],
)
def test_what_is_not_understood_is_said_and_nothing_is_concluded(
    items: list[Dataset], reason: str
) -> None:
    assert reason in unclear(entry(*items))


def test_a_code_of_another_scheme_is_another_code() -> None:
    other = status(ACCEPTED)
    other.ConceptCodeSequence = code(ACCEPTED, "99PACS")
    assert "does not know" in unclear(entry(WHOLE, other))


def test_two_verdicts_on_one_result_are_none_and_the_same_one_twice_is_one() -> None:
    assert "different things" in unclear(
        entry(WHOLE, status(ACCEPTED)), entry(WHOLE, status(REJECTED))
    )
    assert len(said(entry(WHOLE, status(ACCEPTED)), entry(WHOLE, status(ACCEPTED)))) == 1


def test_an_entry_that_is_not_understood_takes_nothing_from_the_others() -> None:
    found = parse(assessment(entry(WHOLE), entry(referenced("1.2.8"), status(REJECTED))))
    assert found.assessed == (Assessed("1.2.8", "", Verdict.REJECTED),)
    assert len(found.unclear) == 1


def test_a_changed_copy_leads_to_the_one_original() -> None:
    about = entry(WHOLE, status(ACCEPTED, AFTER_MODIFICATION))
    both = related(original="1.2.5", changed="1.2.9")
    (one,) = said(about, ReferencedInstanceSequence=both)
    assert (one.result, one.original) == ("1.2.9", "1.2.5")
    (one,) = said(about, ReferencedInstanceSequence=related("1.2.5", "1.2.8"))
    assert one.original == ""
    two = [*both, related("1.2.6", "")[1]]
    (one,) = said(about, ReferencedInstanceSequence=two)
    assert one.original == ""


def test_nothing_inside_is_said_too() -> None:
    assert unclear() == "it holds no Result Assessment"
    without = assessment()
    del without.ContentSequence
    assert parse(without).unclear == ("it holds no Result Assessment",)


def test_the_title_or_the_template_makes_an_assessment(tmp_path: Path) -> None:
    made = assessment(entry(WHOLE, status(ACCEPTED)))
    path = save(made, tmp_path / "one.dcm")
    assert is_assessment(path, ComprehensiveSRStorage)
    assert not is_assessment(path, "1.2.840.10008.5.1.4.1.1.1")
    made.ConceptNameCodeSequence = code(("126000", "Imaging Measurement Report"), "DCM")
    assert not is_assessment(save(made, path), ComprehensiveSRStorage)
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "99IHE", "IHE_RADAIRAI1"
    made.ContentTemplateSequence = [template]
    assert is_assessment(save(made, path), ComprehensiveSRStorage)


def test_our_own_report_is_no_assessment(tmp_path: Path) -> None:
    film = chest(tmp_path / "film.dcm")
    reference = film_of(film)
    ours = object_of("sr", report_on(reference, *unchanged(several(reference))), vocabulary(), film)
    ours.save_as(tmp_path / "sr.dcm", enforce_file_format=True)
    assert not is_assessment(tmp_path / "sr.dcm", str(ours.SOPClassUID))


def test_an_assessment_that_is_cut_short_or_larger_than_any_is_told(tmp_path: Path) -> None:
    path = save(assessment(entry(WHOLE, status(ACCEPTED))), tmp_path / "one.dcm")
    short = tmp_path / "short.dcm"
    short.write_bytes(path.read_bytes()[:-20])
    assert is_assessment(short, ComprehensiveSRStorage)
    with pytest.raises(BadStudy):
        read(short)
    huge = assessment(entry(WHOLE, status(ACCEPTED), content("TEXT", ("x", "x"), TextValue="")))
    huge.ContentSequence[0].ContentSequence[2].TextValue = "a" * 5 * 1024 * 1024
    for syntax in (None, DeflatedExplicitVRLittleEndian):
        if syntax:
            huge.file_meta.TransferSyntaxUID = syntax
        with pytest.raises(BadStudy, match="larger than 4 MiB"):
            read(save(huge, tmp_path / "huge.dcm"))


def test_the_sample_of_the_reference_implementation(shared_data: Path) -> None:
    folder = shared_data / "mohannadhussain+ihe-airai"
    sample = folder / "output-assessment-sr.dcm"
    sop_class = str(dcmread(sample).SOPClassUID)
    assert is_assessment(sample, sop_class)
    found = read(sample)
    assert Counter(str(one.verdict) for one in found.assessed) == {
        "accepted": 4, "modified": 1, "rejected": 2,
    }  # fmt: skip
    assert (found.unreviewed, found.unclear) == (2, ())
    assert all(one.finding for one in found.assessed)
    result = str(dcmread(folder / "input-sr.dcm").SOPInstanceUID)
    assert {one.original or one.result for one in found.assessed} == {result}
    assert not is_assessment(folder / "input-sr.dcm", sop_class)
