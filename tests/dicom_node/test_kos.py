"""The Key Object Selection of what to look at, as other programs read it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import validators
from highdicom.ko import KeyObjectSelectionDocument
from peers import dsrdump
from pydicom import Dataset, dcmread
from report_builders import (
    MADE,
    everything,
    film_of,
    gives_none,
    material,
    object_of,
    report_on,
    several,
    unchanged,
)

from dicom_node import outputs
from dicom_node.equipment import made_by_this_project
from dicom_node.outputs import OUTPUTS, Material
from dicom_node.report import NotRead, NotReadBecause, Weights
from dicom_node.vocabulary import Vocabulary


def all_of(made: Material) -> dict[str, Dataset]:
    """Every object of a report, as a destination gets them."""
    return {one.output: dataset for one, dataset in outputs.build(made, tuple(OUTPUTS))}


def written(dataset: Dataset, folder: Path) -> Path:
    path = folder / "kos.dcm"
    outputs.write(dataset, path)
    return path


def test_dciodvfy_says_nothing_of_one_that_names_every_object(
    film: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    made = all_of(material(everything(film), vocabulary, film))
    assert validators.complaints(written(made["kos"], tmp_path), film, "kos") == []


def test_it_names_the_film_and_every_object_beside_it(
    film: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    """Each once, as image or composite, and the same in the evidence; of the prior nothing."""
    made = all_of(material(everything(film), vocabulary, film))
    read = dcmread(written(made.pop("kos"), tmp_path))
    expected = {str(dcmread(film).SOPInstanceUID): "IMAGE"}
    for output, dataset in made.items():
        kind = "IMAGE" if output in ("seg", "sc") else "COMPOSITE"
        expected[str(dataset.SOPInstanceUID)] = kind
    items = [one for one in read.ContentSequence if "ReferencedSOPSequence" in one]
    named = [one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for one in items]
    assert named[0] == dcmread(film).SOPInstanceUID
    assert {uid: one.ValueType for uid, one in zip(named, items, strict=True)} == expected
    (study,) = read.CurrentRequestedProcedureEvidenceSequence
    evidence = {
        (series.SeriesInstanceUID, one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID)
        for series in study.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    }
    assert evidence == {
        (one.SeriesInstanceUID, one.SOPClassUID, one.SOPInstanceUID)
        for one in (dcmread(film), *made.values())
    }
    assert "PertinentOtherEvidenceSequence" not in read
    library = KeyObjectSelectionDocument.from_dataset(read)
    assert library.resolve_reference(named[0])[0] == read.StudyInstanceUID


def test_dcmtk_reads_why_they_were_selected(
    film: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    report = replace(everything(film), made=replace(MADE, weights=Weights.DEMONSTRATION))
    dataset = object_of("kos", report, vocabulary, film)
    told = dsrdump(written(dataset, tmp_path), "+Pl")
    assert '"Of Interest")=CONTINUOUS' in told
    assert "AI, not verified: Above threshold: consolidation, pleural effusion" in told
    assert "DEMONSTRATION: a small checkpoint" in told


def test_it_says_when_nothing_was_found(film: Path, vocabulary: Vocabulary, tmp_path: Path) -> None:
    found = film_of(film)
    report = report_on(found, *unchanged(several(found))[-2:])
    dataset = object_of("kos", report, vocabulary, film)
    told = dsrdump(written(dataset, tmp_path), "+Pl")
    assert "AI, not verified: No finding above threshold." in told


@pytest.mark.parametrize("because", NotReadBecause)
def test_of_a_film_that_was_not_read_there_is_none(
    because: NotReadBecause, film: Path, vocabulary: Vocabulary
) -> None:
    report = report_on(film_of(film), not_read=NotRead(because, "no chest"))
    assert gives_none("kos", report, vocabulary, film)


def test_it_is_of_the_patient_and_in_a_series_of_its_own(
    film: Path, vocabulary: Vocabulary
) -> None:
    made = object_of("kos", everything(film), vocabulary, film)
    source = dcmread(film)
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "AccessionNumber"):
        assert made[keyword].value == source[keyword].value, keyword
    assert (made.Modality, made.SeriesNumber) == ("KO", 9506)
    assert made.SeriesDescription == "AI key objects, NOT VERIFIED"
    assert made_by_this_project(made)


def test_another_list_is_another_object(film: Path, vocabulary: Vocabulary) -> None:
    made = material(everything(film), vocabulary, film)
    alone = OUTPUTS["kos"](made)
    assert alone is not None
    assert alone.SOPInstanceUID != all_of(made)["kos"].SOPInstanceUID
    assert alone.SeriesInstanceUID != all_of(made)["kos"].SeriesInstanceUID
