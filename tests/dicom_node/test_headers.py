"""What the headers of a study say, and nothing that they do not."""

from __future__ import annotations

import itertools
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from builders import chest, variant
from pydicom import Dataset, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import generate_uid

from dicom_node.errors import BadStudy
from dicom_node.headers import is_image, read_studies, read_study
from dicom_node.study import Instance, View


def one(path: Path) -> Instance:
    (instance,) = read_study([path]).instances
    return instance


def test_a_real_film(rg1: Path) -> None:
    study = read_study([rg1])
    (film,) = study.instances
    assert (film.modality, film.body_part, film.view) == ("CR", "CHEST", View.PA)
    assert film.orientation == ("L", "F")
    assert film.acquired == datetime(1995, 9, 26, 12, 51, 30)
    assert study.date == date(2004, 8, 26)
    assert study.age_years == pytest.approx(55.6, abs=0.1)


def test_nothing_printed_of_a_study_names_the_patient(tmp_path: Path) -> None:
    told = repr(read_study([chest(tmp_path / "Testname.dcm")]))
    for identity in ("Testname", "TEST-1", "1950"):
        assert identity not in told


def code(value: str) -> list[Dataset]:
    item = Dataset()
    item.CodeValue = value
    return [item]


@pytest.mark.parametrize(
    ("elements", "view"),
    [
        ({"ViewPosition": "AP"}, View.AP),
        ({"ViewPosition": "LL"}, View.LATERAL),
        ({"ViewPosition": None, "ViewCodeSequence": code("399348003")}, View.AP),
        ({"ViewPosition": "", "ViewCodeSequence": code("R-10214")}, View.PA),
        ({"ViewPosition": None}, View.FRONTAL),
        ({"ViewPosition": None, "PatientOrientation": ["A", "F"]}, View.LATERAL),
        ({"ViewPosition": None, "PatientOrientation": None}, View.UNKNOWN),
        ({"ViewPosition": None, "PatientOrientation": ["A", "L"]}, View.UNKNOWN),
    ],
)
def test_view(tmp_path: Path, elements: dict[str, Any], view: View) -> None:
    assert one(chest(tmp_path / "film.dcm", **elements)).view is view


@pytest.mark.parametrize(
    ("elements", "years"),
    [
        ({}, 70.0),
        ({"PatientBirthDate": "20020102"}, 18.0),
        ({"PatientBirthDate": "20020103"}, 17.997),
        ({"PatientBirthDate": "20000229"}, 19.84),
        ({"PatientBirthDate": "", "PatientAge": "045Y"}, 45.0),
        ({"PatientBirthDate": "", "PatientAge": "006M"}, 0.5),
        ({"PatientBirthDate": "20210101", "PatientAge": None}, None),  # born after the film
        ({"PatientBirthDate": "", "PatientAge": "81"}, None),  # not of VR AS
        ({"PatientBirthDate": "19000101", "PatientAge": "005Y"}, 5.0),  # a placeholder
        ({"PatientBirthDate": "18000101"}, None),
        ({"PatientBirthDate": "19500102", "PatientAge": "005Y"}, None),  # they contradict
        ({"PatientBirthDate": "19500102", "PatientAge": "069Y"}, 70.0),
        ({"PatientBirthDate": "20150101", "AcquisitionDate": "20500101"}, 5.0),  # of Study Date
        ({"PatientBirthDate": "19500102", "StudyDate": "00010101"}, 70.0),
    ],
)
def test_age(tmp_path: Path, elements: dict[str, Any], years: float | None) -> None:
    age = read_study([chest(tmp_path / "film.dcm", **elements)]).age_years
    assert age == (None if years is None else pytest.approx(years, abs=0.01))


@pytest.mark.parametrize(
    ("elements", "acquired"),
    [
        ({"AcquisitionDateTime": "20200305121314.5+0100"}, datetime(2020, 3, 5, 12, 13, 14)),
        ({"AcquisitionDate": None}, datetime(2020, 1, 2, 10, 15)),
        ({"AcquisitionDate": "nonsense"}, datetime(2020, 1, 2, 10, 15)),
        ({"AcquisitionTime": ""}, datetime(2020, 1, 2)),
        ({"AcquisitionDate": None, "SeriesDate": None, "StudyDate": ""}, None),
        ({"AcquisitionDate": "00010101"}, datetime(2020, 1, 2, 10, 15)),
        ({"AcquisitionDateTime": "18991231235959"}, datetime(2020, 1, 2, 10, 15)),
        ({"AcquisitionDate": "19000101", "SeriesDate": None, "StudyDate": "00010101"}, None),
    ],
)
def test_acquired(tmp_path: Path, elements: dict[str, Any], acquired: datetime | None) -> None:
    assert one(chest(tmp_path / "film.dcm", **elements)).acquired == acquired


def test_studies_are_kept_apart(tmp_path: Path) -> None:
    paths = [chest(tmp_path / f"{name}.dcm") for name in "ab"]
    assert [len(study.instances) for study in read_studies(paths)] == [1, 1]
    with pytest.raises(BadStudy, match="of one study, got those of 2"):
        read_study(paths)


def test_one_study_of_two_patients_is_refused(tmp_path: Path) -> None:
    first = chest(tmp_path / "a.dcm")
    other = variant(first, tmp_path / "b.dcm", PatientID="OTHER", SOPInstanceUID=generate_uid())
    with pytest.raises(BadStudy, match="of two patients: Patient ID differs") as refusal:
        read_study([first, other])
    assert "OTHER" not in str(refusal.value)


@pytest.mark.parametrize(
    ("elements", "what"),
    [
        ({"PatientName": "Somebody^Else"}, "Patient's Name"),
        ({"PatientBirthDate": "19700101"}, "Patient's Birth Date"),
        ({"PatientID": None}, "with and without Patient ID"),
    ],
)
def test_one_study_of_two_persons_under_one_id_is_refused(
    tmp_path: Path, elements: dict[str, Any], what: str
) -> None:
    """Else the prior of the one could be taken for the film of the other."""
    first = chest(tmp_path / "a.dcm")
    other = variant(first, tmp_path / "0.dcm", SOPInstanceUID=generate_uid(), **elements)
    with pytest.raises(BadStudy, match=what):
        read_study([other, first])


def test_two_persons_are_found_whatever_the_first_object_leaves_out(tmp_path: Path) -> None:
    """The first states no more than the ID: only the others contradict each other."""
    study = {"StudyInstanceUID": "1.2.3"}
    nobody = {"PatientName": "", "PatientBirthDate": "", "PatientSex": "", "PatientAge": "050Y"}
    child = {"PatientName": "Roe^Jane", "PatientBirthDate": "20120101", "PatientSex": "F"}
    films = [chest(tmp_path / "a.dcm", **study, **nobody), chest(tmp_path / "b.dcm", **study)]
    films.append(chest(tmp_path / "c.dcm", **study, **child))
    for order in itertools.permutations(films):
        with pytest.raises(BadStudy, match="two patients"):
            read_study(order)


def test_what_only_one_object_states_of_the_patient_counts_for_the_study(tmp_path: Path) -> None:
    """Else the guard would not see whose film it is; and a child would be read as an adult."""
    study = {"StudyInstanceUID": "1.2.3"}
    nobody = {"PatientName": "", "PatientBirthDate": "", "PatientSex": "", "PatientAge": "050Y"}
    child = {"PatientName": "Roe^Jane", "PatientBirthDate": "20120101", "PatientSex": "F"}
    films = [chest(tmp_path / "a.dcm", **study, **nobody)]
    films.append(chest(tmp_path / "b.dcm", **study, **child))
    for order in itertools.permutations(films):
        read = read_study(order)
        assert (read.patient.name, read.patient.sex) == ("Roe^Jane", "F")
        assert read.patient.birth_date == date(2012, 1, 1)
        assert read.age_years == pytest.approx(8.0, abs=0.01)


@pytest.mark.parametrize(
    "stated", [["R"], "R", ["R", ""], ["R F"], ["X", "F"], ["R", "F", "L"], ["LR", "FH"], "R/F"]
)
def test_an_orientation_that_is_none_is_a_doubt(tmp_path: Path, stated: Any) -> None:
    """It may want to say that the film is mirrored; what is not stated at all is none."""
    film = one(chest(tmp_path / "film.dcm", PatientOrientation=stated))
    assert film.orientation is None
    assert "Patient Orientation" in film.doubt
    bare = one(chest(tmp_path / "bare.dcm", PatientOrientation=None))
    assert (bare.orientation, bare.doubt) == (None, "")
    oblique = one(chest(tmp_path / "oblique.dcm", PatientOrientation=["RA", "FP"]))
    assert (oblique.orientation, oblique.doubt) == (("R", "F"), "")


def test_an_element_of_a_senseless_vr_is_a_bad_study(tmp_path: Path) -> None:
    """Pydicom quotes its value in the exception."""
    film = dcmread(chest(tmp_path / "film.dcm"))
    film.add(RawDataElement(Tag("PatientName"), "UL", 7, b"Doe^Jan", 0, False, True))
    film.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    with pytest.raises(BadStudy, match="not readable as DICOM") as refusal:
        read_study([tmp_path / "film.dcm"])
    assert "Doe" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_the_chest_may_be_stated_as_anatomic_region(tmp_path: Path) -> None:
    film = chest(
        tmp_path / "dx.dcm", BodyPartExamined=None, AnatomicRegionSequence=code("51185008")
    )
    assert one(film).body_part == "CHEST"


def test_a_broken_file_is_named(tmp_path: Path, rg1: Path) -> None:
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(rg1.read_bytes()[:900])
    with pytest.raises(BadStudy, match=r"broken\.dcm"):
        read_study([rg1, broken])


@pytest.mark.parametrize(
    ("uid", "image"),
    [
        ("1.2.840.10008.5.1.4.1.1.1", True),  # CR
        ("1.2.840.10008.5.1.4.1.1.77.1.6", True),  # whole slide
        ("1.2.840.10008.5.1.4.1.1.88.34", False),  # Comprehensive 3D SR
        ("1.2.840.10008.5.1.4.1.1.66.4", False),  # segmentation
        ("1.2.840.10008.5.1.4.1.1.11.1", False),  # presentation state
        ("1.3.46.670589.2.5.0.1", True),  # a vendor's own: unknown, so it must become visible
    ],
)
def test_what_counts_as_an_image(uid: str, image: bool) -> None:
    assert is_image(uid) is image
