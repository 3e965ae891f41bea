"""The rejection note, as dciodvfy, PixelMed, DCMTK and pydicom read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import validators
from peers import dsrdump
from pydicom import Dataset, dcmread
from pydicom.uid import (
    Comprehensive3DSRStorage,
    EncapsulatedPDFStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)
from report_builders import READ_AT, film_of, material, report_on

from dicom_node import outputs
from dicom_node.equipment import made_by_this_project
from dicom_node.outputs import Reference, rejection
from dicom_node.outputs.files import encode
from dicom_node.outputs.rejection import Reason, Rejection
from dicom_node.vocabulary import Vocabulary

KINDS = (
    Comprehensive3DSRStorage,
    SegmentationStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    SecondaryCaptureImageStorage,
    EncapsulatedPDFStorage,
    KeyObjectSelectionDocumentStorage,
)
TITLES = {Reason.QUALITY: "113001", Reason.SAFETY: "113037"}


def sent(film: Path, kinds: Sequence[str] = KINDS) -> tuple[Reference, ...]:
    """An object of each class, each in a series of its own, as if it had been sent."""
    study = film_of(film).study_instance_uid
    return tuple(
        Reference("sr", study, f"1.2.3.{number}", kind, f"1.2.3.{number}.1")
        for number, kind in enumerate(kinds, start=1)
    )


def note(film: Path, vocabulary: Vocabulary, reason: Reason = Reason.QUALITY) -> Dataset:
    made = material(report_on(film_of(film)), vocabulary, film)
    return rejection.build(made, Rejection(reason, "revision 2 takes their place", sent(film)))


def written(dataset: Dataset, folder: Path) -> Path:
    path = folder / "rejection.dcm"
    outputs.write(dataset, path)
    return path


@pytest.mark.parametrize("reason", Reason)
def test_validators_say_nothing_of_it(
    reason: Reason, film: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    path = written(note(film, vocabulary, reason), tmp_path)
    assert validators.unexplained(validators.validate([path], [path])[path], "rejection") == []


def test_it_names_each_object_once_and_says_why(
    film: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    """Images as images, all else as composites; the same in the evidence, by study and series."""
    path = written(note(film, vocabulary), tmp_path)
    read = dcmread(path)
    items = [one for one in read.ContentSequence if "ReferencedSOPSequence" in one]
    named = {one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID: one.ValueType for one in items}
    images = (SegmentationStorage, SecondaryCaptureImageStorage)
    assert named == {
        one.sop_instance_uid: "IMAGE" if one.sop_class_uid in images else "COMPOSITE"
        for one in sent(film)
    }
    (study,) = read.CurrentRequestedProcedureEvidenceSequence
    assert study.StudyInstanceUID == read.StudyInstanceUID == dcmread(film).StudyInstanceUID
    evidence = {
        (
            series.SeriesInstanceUID,
            series.ReferencedSOPSequence[0].ReferencedSOPClassUID,
            series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID,
        )
        for series in study.ReferencedSeriesSequence
    }
    assert evidence == {
        (one.series_instance_uid, one.sop_class_uid, one.sop_instance_uid) for one in sent(film)
    }
    dumped = dsrdump(path)
    assert 'Rejected for Quality Reasons")=CONTINUOUS' in dumped
    assert "withdrawn: revision 2 takes their place" in dsrdump(path, "+Pl")


@pytest.mark.parametrize("reason", Reason)
def test_it_is_of_the_patient_and_in_a_series_of_its_own(
    reason: Reason, film: Path, vocabulary: Vocabulary
) -> None:
    made = note(film, vocabulary, reason)
    source = dcmread(film)
    assert made.ConceptNameCodeSequence[0].CodeValue == TITLES[reason]
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "AccessionNumber"):
        assert made[keyword].value == source[keyword].value, keyword
    assert (made.Modality, made.SeriesNumber) == ("KO", 9507)
    assert made.SeriesDescription == "AI results withdrawn, NOT VERIFIED"
    assert made_by_this_project(made)
    assert made.ContentDate == READ_AT.strftime("%Y%m%d")


def test_the_same_list_makes_the_same_bytes_and_another_list_another_object(
    film: Path, vocabulary: Vocabulary
) -> None:
    made = material(report_on(film_of(film)), vocabulary, film)
    everything = Rejection(Reason.QUALITY, "withdrawn by hand", sent(film))
    backwards = replace(everything, named=everything.named[::-1])
    assert encode(rejection.build(made, everything)) == encode(rejection.build(made, backwards))
    others = [
        everything,
        replace(everything, named=everything.named[1:]),
        replace(everything, reason=Reason.SAFETY),
        replace(everything, why="revision 2 takes their place"),
    ]
    notes = [rejection.build(made, one) for one in others]
    notes.append(
        rejection.build(replace(made, report=replace(made.report, revision=2)), everything)
    )
    assert len({one.SOPInstanceUID for one in notes}) == len(notes)
    assert len({one.SeriesInstanceUID for one in notes}) == len(notes)


def test_its_time_is_that_of_its_report(film: Path, vocabulary: Vocabulary) -> None:
    later = READ_AT + timedelta(days=40)
    made = material(report_on(film_of(film), read_at=later), vocabulary, film)
    dataset = rejection.build(made, Rejection(Reason.SAFETY, "withdrawn by hand", sent(film)))
    assert dataset.ContentDate == later.strftime("%Y%m%d")
