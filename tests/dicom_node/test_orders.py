"""What a report belongs to: its order, the studies and patients it tells apart, its forerunners."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import peers
import pytest
from builders import chest
from peers import dciodvfy
from pydicom import Dataset, dcmread
from pydicom.sequence import Sequence
from report_builders import everything, film_of, object_of, report_on
from sr_reports import errors, instances, written

from dicom_node import outputs
from dicom_node.outputs import Reference
from dicom_node.vocabulary import Vocabulary

#: Specific Character Set and a name in it, as far as DCMTK can convert it; the others stand in
#: test_source.py.
NAMES = {
    "Japanese": ("ISO_IR 192", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    "Korean": ("\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동"),
    "Arabic": ("ISO_IR 127", "قباني^لنزار"),
    "Cyrillic": ("ISO_IR 144", "Петров^Иван"),
    "Chinese": ("GB18030", "Wang^XiaoDong=王^小东"),
}


def code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def issuer(name: str) -> Sequence:
    item = Dataset()
    item.LocalNamespaceEntityID = name
    return Sequence([item])


def request(**elements: object) -> Dataset:
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


def ordered(path: Path, **elements: object) -> Path:
    """A film of an order with all its identifiers."""
    asked = request(
        RequestedProcedureID="RP-12",
        RequestedProcedureDescription="Chest two views",
        RequestedProcedureCodeSequence=Sequence([code("36643-5", "LN", "XR Chest 2 Views")]),
        OrderPlacerIdentifierSequence=issuer("WARD"),
        OrderFillerIdentifierSequence=issuer("RIS"),
        ReasonForTheRequestedProcedure="cough",
    )
    stated = {
        "ProcedureCodeSequence": Sequence([code("36643-5", "LN", "XR Chest 2 Views")]),
        "IssuerOfAccessionNumberSequence": issuer("HOSPITAL"),
        "IssuerOfPatientID": "CLINIC",
        "RequestAttributesSequence": Sequence([asked]),
    }
    return chest(path, **{**stated, **elements})


def test_the_order_is_carried_over(vocabulary: Vocabulary, tmp_path: Path) -> None:
    film = ordered(tmp_path / "film.dcm")
    path = written(report_on(film_of(film)), vocabulary, film, tmp_path)
    read = dcmread(path)
    assert read.PerformedProcedureCodeSequence[0].CodeValue == "36643-5"
    (asked,) = read.ReferencedRequestSequence
    assert asked.StudyInstanceUID == read.StudyInstanceUID
    assert asked.RequestedProcedureID == "RP-12"
    assert asked.RequestedProcedureCodeSequence[0].CodeValue == "36643-5"
    assert asked.ReasonForTheRequestedProcedure == "cough"
    assert errors(path) == []


def test_accession_number_and_every_issuer_are_carried_over(
    vocabulary: Vocabulary, tmp_path: Path
) -> None:
    film = ordered(tmp_path / "film.dcm")
    path = written(report_on(film_of(film)), vocabulary, film, tmp_path)
    read = dcmread(path)
    (asked,) = read.ReferencedRequestSequence
    for one in (read, asked):
        assert one.AccessionNumber == "ACC-77"
        assert one.IssuerOfAccessionNumberSequence[0].LocalNamespaceEntityID == "HOSPITAL"
    assert asked.OrderPlacerIdentifierSequence[0].LocalNamespaceEntityID == "WARD"
    assert asked.OrderFillerIdentifierSequence[0].LocalNamespaceEntityID == "RIS"
    assert read.IssuerOfPatientID == "CLINIC"


def test_what_a_request_says_itself_goes_before_what_the_film_says(
    vocabulary: Vocabulary, tmp_path: Path
) -> None:
    asked = [
        request(AccessionNumber="A-1", IssuerOfAccessionNumberSequence=issuer("ONE")),
        request(RequestedProcedureID="RP-2"),
        request(ScheduledProcedureStepID="of no request"),
    ]
    film = ordered(tmp_path / "film.dcm", RequestAttributesSequence=Sequence(asked))
    path = written(report_on(film_of(film)), vocabulary, film, tmp_path)
    first, second = dcmread(path).ReferencedRequestSequence
    assert (first.AccessionNumber, second.AccessionNumber) == ("A-1", "ACC-77")
    assert first.IssuerOfAccessionNumberSequence[0].LocalNamespaceEntityID == "ONE"
    assert second.IssuerOfAccessionNumberSequence[0].LocalNamespaceEntityID == "HOSPITAL"
    assert errors(path) == []


def test_a_selection_of_key_objects_is_of_the_same_requests(
    vocabulary: Vocabulary, tmp_path: Path
) -> None:
    film = ordered(tmp_path / "film.dcm")
    selected = object_of("kos", everything(film), vocabulary, film)
    outputs.write(selected, tmp_path / "kos.dcm")
    read = dcmread(tmp_path / "kos.dcm")
    (asked,) = read.ReferencedRequestSequence
    assert (asked.RequestedProcedureID, asked.AccessionNumber) == ("RP-12", "ACC-77")
    assert "PerformedProcedureCodeSequence" not in read
    assert [line for line in dciodvfy(tmp_path / "kos.dcm") if line.startswith("Error")] == []


def test_without_an_order_none_is_stated(vocabulary: Vocabulary, tmp_path: Path) -> None:
    film = chest(tmp_path / "film.dcm")
    read = dcmread(written(report_on(film_of(film)), vocabulary, film, tmp_path))
    assert len(read.PerformedProcedureCodeSequence) == 0
    assert "ReferencedRequestSequence" not in read


@pytest.mark.parametrize("script", NAMES)
def test_another_reader_sees_the_names_in_the_script_of_the_film(
    script: str, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    """Also in the order; DCMTK converts to UTF-8 what it reads."""
    charset, name = NAMES[script]
    described = name.split("=")[-1].replace("^", " ")
    film = ordered(
        tmp_path / "film.dcm",
        SpecificCharacterSet=charset.split("\\"),
        PatientName=name,
        StudyDescription=described,
        RequestAttributesSequence=Sequence(
            [request(RequestedProcedureID="1", RequestedProcedureDescription=described)]
        ),
    )
    path = written(everything(film), vocabulary, film, tmp_path)
    said = peers.call(peers.need("dcmdump", "dcmtk"), "+U8", "-q", path).stdout
    assert f"PN [{name}]" in said
    assert said.count(f"LO [{described}]") == 2
    assert name.split("=")[0] in peers.dsrdump(path, "+U8")
    assert errors(path) == []


def test_names_of_real_files_in_other_scripts_are_carried_over(
    shared_data: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    folder = shared_data / "pydicom+pydicom/src/pydicom/data/charset_files"
    files = [*folder.glob("*.dcm")]
    assert len(files) >= 5
    for file in files:
        source = dcmread(file)
        if "PatientName" not in source:
            continue
        film = chest(
            tmp_path / file.name,
            SpecificCharacterSet=source.SpecificCharacterSet,
            PatientName=source.PatientName,
        )
        path = written(report_on(film_of(film)), vocabulary, film, tmp_path / file.stem)
        assert dcmread(path).PatientName == source.PatientName
        assert errors(path) == []


def test_the_reports_that_it_takes_the_place_of_are_named(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    """Predecessor Documents Sequence, by study and series; of the SRs alone."""
    study = film_of(rg1).study_instance_uid
    first = Reference("sr", study, "1.2.31", "1.2.840.10008.5.1.4.1.1.88.34", "1.2.311")
    second = replace(first, series_instance_uid="1.2.32", sop_instance_uid="1.2.321")
    seg = replace(first, output="seg", sop_instance_uid="1.2.399")
    path = written(
        everything(rg1), vocabulary, rg1, tmp_path, predecessors=(second, first, seg, first)
    )
    (before,) = dcmread(path).PredecessorDocumentsSequence
    assert before.StudyInstanceUID == study
    assert [one.SeriesInstanceUID for one in before.ReferencedSeriesSequence] == [
        "1.2.31",
        "1.2.32",
    ]
    assert instances(before) == ["1.2.311", "1.2.321"]
    assert errors(path) == []
    assert "Predecessor Docs" in peers.dsrdump(path)


def test_the_first_report_has_no_forerunner(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    path = written(everything(rg1), vocabulary, rg1, tmp_path)
    assert "PredecessorDocumentsSequence" not in dcmread(path)
