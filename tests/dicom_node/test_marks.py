"""What a header says of an image, in made files: the view, a copy, an animal, another body part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from builders import chest, variant
from pydicom import Dataset, dcmread
from pydicom.sr._concepts_dict import concepts
from pydicom.sr._snomed_dict import mapping
from pydicom.uid import generate_uid

from dicom_node import rules
from dicom_node.errors import NotForUs
from dicom_node.films import choose_film
from dicom_node.headers import descriptions, marks, read_study
from dicom_node.outputs import OUTPUTS
from dicom_node.rules import Known
from dicom_node.study import LAST, Instance, View


def code(value: str, meaning: str = "", **more: Any) -> list[Dataset]:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    for keyword, given in more.items():
        setattr(item, keyword, given)
    return [item]


@pytest.fixture
def one(tmp_path: Path) -> Any:
    def read(**elements: Any) -> Instance:
        (instance,) = read_study([chest(tmp_path / "film.dcm", **elements)]).instances
        return instance

    return read


# The view

NO_VIEW = {"ViewPosition": None, "PatientOrientation": None}


@pytest.mark.parametrize(
    ("elements", "view", "said_by"),
    [
        ({"ViewPosition": "AP"}, View.AP, ""),
        ({"ViewCodeSequence": code("272479007")}, View.PA, "View Code Sequence"),
        ({"ViewCodeSequence": code("X1", "PA")}, View.PA, "View Code Sequence"),
        ({"SeriesDescription": "Thorax p.a."}, View.PA, "Series Description"),
        ({"ProtocolName": "CHEST AP"}, View.AP, "Protocol Name"),
        ({"ViewName": "PA"}, View.PA, "View Name"),
        (
            {"AcquisitionDeviceProcessingDescription": "CHEST PA"},
            View.PA,
            "Acquisition Device Processing Description",
        ),
        ({"PatientPosition": "PA"}, View.PA, "Patient Position"),
        ({"PatientOrientation": ["L", "F"]}, View.FRONTAL, "Patient Orientation"),
        ({"PatientOrientation": ["A", "F"]}, View.LATERAL, "Patient Orientation"),
        ({"SeriesDescription": "Chest PA and LAT"}, View.UNKNOWN, ""),
        ({"StudyDescription": "Chest PA"}, View.UNKNOWN, ""),  # holds all films of the study
        ({"PatientPosition": "XX"}, View.UNKNOWN, ""),
        ({"ViewPosition": "CHEST", "SeriesDescription": "PA"}, View.PA, "Series Description"),
        # The first that names one wins; those after it agree.
        (
            {
                "ViewCodeSequence": code("399033003"),
                "SeriesDescription": "PA",
                "PatientOrientation": ["L", "F"],
            },
            View.FRONTAL,
            "View Code Sequence",
        ),
        ({"SeriesDescription": "PA and LAT", "ProtocolName": "PA"}, View.PA, "Protocol Name"),
    ],
)
def test_the_view_and_what_said_so(
    one: Any, elements: dict[str, Any], view: View, said_by: str
) -> None:
    film = one(**NO_VIEW | elements)
    assert (film.view, film.view_from, film.doubt) == (view, said_by, "")


@pytest.mark.parametrize(
    ("elements", "both"),
    [
        ({"PatientOrientation": ["A", "F"]}, ("View Position", "Patient Orientation")),
        ({"SeriesDescription": "Chest lateral"}, ("View Position", "Series Description")),
        ({"SeriesDescription": "Chest AP"}, ("View Position", "Series Description")),
        ({"ViewCodeSequence": code("399348003")}, ("View Position", "View Code Sequence")),
        (
            {"ViewPosition": None, "SeriesDescription": "PA", "ProtocolName": "lat"},
            ("Series Description", "Protocol Name"),
        ),
        (
            {"ViewPosition": None, "SeriesDescription": "lateral"},
            ("Series Description", "Patient Orientation"),
        ),
    ],
)
def test_attributes_that_disagree_about_the_view_are_both_named(
    one: Any, elements: dict[str, Any], both: tuple[str, str]
) -> None:
    assert one(**elements).doubt == f"{both[0]} and {both[1]} disagree about the view"


def test_a_lateral_film_is_lateral_whatever_else_is_said(one: Any) -> None:
    film = one(ViewPosition="LL")
    assert (film.view, film.doubt) == (View.LATERAL, "")


@pytest.mark.parametrize(
    ("elements", "by"),
    [
        ({"ViewPosition": "RAO"}, "View Position"),
        ({"SeriesDescription": "Chest oblique"}, "Series Description"),
        ({"ProtocolName": "AP lordotic"}, "Protocol Name"),
        ({"ViewCodeSequence": code("399059000", "postero-anterior oblique")}, "View Code Sequence"),
        (
            {"ViewCodeSequence": code("272479007", ViewModifierCodeSequence=code("x", "lordotic"))},
            "View Code Sequence",
        ),
    ],
)
def test_an_oblique_film_is_not_read(one: Any, elements: dict[str, Any], by: str) -> None:
    assert one(**{"ViewPosition": None} | elements).doubt == (
        f"{by} names an oblique, lordotic or axial projection"
    )


# Copies


@pytest.mark.parametrize(
    ("elements", "by"),
    [
        ({"ImageType": ["DERIVED", "PRIMARY", "", "BONE"]}, "Image Type"),
        ({"ImageType": ["DERIVED", "SECONDARY", "BONE_SUPPRESSED"]}, "Image Type"),
        ({"SeriesDescription": "Chest PA negative"}, "Series Description"),
        ({"SeriesDescription": "Thorax pa invertiert"}, "Series Description"),
        ({"DerivationDescription": "Bone suppression 2.1"}, "Derivation Description"),
        ({"DerivationCodeSequence": code("113062")}, "Derivation Code Sequence"),
        ({"DerivationCodeSequence": code("X", "Bone Suppression")}, "Derivation Code Sequence"),
        (
            {"AcquisitionDeviceProcessingDescription": "CHEST SOFT TISSUE"},
            "Acquisition Device Processing Description",
        ),
        (
            {"PresentationLUTShape": "INVERSE"},
            "Presentation LUT Shape against Photometric Interpretation",
        ),
        (
            {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "IDENTITY"},
            "Presentation LUT Shape against Photometric Interpretation",
        ),
        ({"ImageType": ["DERIVED", "PRIMARY"]}, ""),
        ({"ImageType": "ORIGINAL"}, ""),
        ({"ImageType": None}, ""),
        ({"PresentationLUTShape": "IDENTITY"}, ""),
        ({"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}, ""),
        ({"DerivationCodeSequence": code("113040", "Lossy Compression")}, ""),
        ({"DerivationDescription": "edge 1.5, enhanced"}, ""),
    ],
)
def test_the_attribute_that_says_that_an_image_is_a_copy(
    one: Any, elements: dict[str, Any], by: str
) -> None:
    assert one(**elements).processed == by


def test_secondary_images_their_sources_and_numbers(one: Any) -> None:
    source = Dataset()
    source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = "1.2", "1.2.3"
    film = one(ImageType=["DERIVED", "SECONDARY"], SourceImageSequence=[source], SeriesNumber=4)
    assert (film.secondary, film.sources, film.number) == (True, ("1.2.3",), (4, 1))
    film = one(ImageType=["ORIGINAL", "PRIMARY", "SECONDARY"], InstanceNumber=None)
    assert (film.secondary, film.sources, film.number) == (False, (), (1, LAST))


def test_a_malformed_number_does_not_stop_a_film(tmp_path: Path) -> None:
    path = chest(tmp_path / "film.dcm", SeriesNumber=5432, InstanceNumber=None)
    written = path.read_bytes()
    number = b"\x20\x00\x11\x00IS\x04\x00"  # as Series Number begins; a UID may hold any digits
    assert written.count(number + b"5432") == 1
    path.write_bytes(written.replace(number + b"5432", number + b"5a.2"))
    (film,) = read_study([path]).instances
    assert film.number == (LAST, LAST)


def test_every_derivation_means_in_the_standard_what_we_say() -> None:
    group = {
        value: meaning
        for names in concepts["DCM"].values()
        for value, (meaning, groups) in names.items()
        if 7203 in groups
    }
    assert dict(marks.DERIVATIONS) == {one: group[one] for one in marks.DERIVATIONS}


# Not a chest


@pytest.mark.parametrize(
    ("elements", "by"),
    [
        ({"PatientSpeciesDescription": "Dog"}, "Patient Species Description"),
        ({"PatientSpeciesCodeSequence": code("448771007")}, "Patient Species Code Sequence"),
        ({"AnatomicalOrientationType": "QUADRUPED"}, "Anatomical Orientation Type"),
        ({"PatientBreedDescription": "Beagle"}, "Patient Breed Description"),
        ({"PatientBreedCodeSequence": code("1")}, "Patient Breed Code Sequence"),
        ({"ResponsiblePersonRole": "OWNER"}, "Responsible Person Role"),
        ({"StudyDescription": "Feline thorax"}, "Study Description"),
    ],
)
def test_an_animal_is_named_by_the_attribute(one: Any, elements: dict[str, Any], by: str) -> None:
    assert one(**elements).doubt == f"{by} says that the patient is an animal"


def test_a_human_being_may_be_called_one_and_have_somebody_responsible(one: Any) -> None:
    film = one(
        PatientSpeciesDescription="Homo sapiens",
        PatientSpeciesCodeSequence=code("337915000"),
        AnatomicalOrientationType="BIPED",
        ResponsiblePersonRole="GUARDIAN",
    )
    assert film.doubt == ""


def test_an_image_for_quality_control_is_not_read(one: Any) -> None:
    assert one(QualityControlImage="YES").doubt == "Quality Control Image is YES"
    assert one(QualityControlImage="NO").doubt == ""


PELVIS = code("12921003", "Pelvis")
CHEST = code("816094009", "Chest")


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"SeriesDescription": "Becken"}, "Body Part Examined and Series Description"),
        ({"ProtocolName": "Pelvis AP"}, "Body Part Examined and Protocol Name"),
        ({"StudyDescription": "HIP JOINT"}, "Body Part Examined and Study Description"),
        ({"AnatomicRegionSequence": PELVIS}, "Body Part Examined and Anatomic Region Sequence"),
        (
            {"AnatomicRegionSequence": code("99", "Knee")},
            "Body Part Examined and Anatomic Region Sequence",
        ),
        (
            {"AcquisitionDeviceProcessingDescription": "[LOWER LEG         ]"},
            "Body Part Examined and Acquisition Device Processing Description",
        ),
        (
            {
                "BodyPartExamined": None,
                "AnatomicRegionSequence": CHEST,
                "StudyDescription": "Skull",
            },
            "Anatomic Region Sequence and Study Description",
        ),
        ({"SeriesDescription": "Chest", "ProtocolName": "Knee"},
         "Body Part Examined and Protocol Name"),
        # The study may hold a film of each.
        ({"SeriesDescription": "Chest PA", "StudyDescription": "Pelvis"}, ""),
        ({"SeriesDescription": "Chest and abdomen"}, ""),
        ({"SeriesDescription": "Ribs"}, ""),
        ({"AnatomicRegionSequence": CHEST}, ""),
        ({"BodyPartExamined": "WHOLEBODY", "SeriesDescription": "Pelvis"}, ""),
    ],
)  # fmt: skip
def test_attributes_that_disagree_about_the_body_part_are_both_named(
    one: Any, elements: dict[str, Any], reason: str
) -> None:
    film = one(**{"ViewPosition": "PA"} | elements)
    assert film.doubt == (f"{reason} disagree about the body part" if reason else "")


def test_every_region_code_is_of_the_region_that_it_stands_for() -> None:
    """By today's name of the code; SNOMED-RT values by the dictionary of pydicom."""
    today = {old: new for new, old in mapping["SCT"].items()}
    names = {
        value: meaning
        for known in concepts["SCT"].values()
        for value, (meaning, groups) in known.items()
        if 4031 in groups or 4009 in groups
    }
    limbs = {
        "Foot": "lower limb",
        "Lower limb": "lower limb",
        "Upper limb": "upper limb",
        "Abdomen and Pelvis": "abdomen",
    }
    seen = 0
    for value, region in marks.REGION_CODES.items():
        if meaning := names.get(today.get(value, value)):
            assert region in limbs.get(meaning, "") or region in descriptions.regions(meaning)
            seen += 1
    assert seen > 25


# In bed


@pytest.mark.parametrize(
    ("elements", "bedside"),
    [
        ({"SeriesDescription": "Chest portable"}, "portable"),
        ({"StudyDescription": "Thorax Bett"}, "portable"),
        ({"StudyDescription": "XR CHEST PORTABLE"}, "portable"),
        ({"ProtocolName": "Thorax liegend"}, "supine"),
        ({"AcquisitionDeviceProcessingDescription": "BEDSIDE"}, "portable"),
        ({"PatientPosition": "HFS"}, "supine"),
        ({"PatientPosition": "FFS", "SeriesDescription": "portable"}, "supine"),
        ({"PatientPosition": ""}, ""),
        ({}, ""),
    ],
)
def test_a_film_taken_in_bed_says_so(one: Any, elements: dict[str, Any], bedside: str) -> None:
    assert one(**elements).bedside == bedside


# A whole study


def test_of_a_study_as_modalities_send_it_the_plain_film_is_read(tmp_path: Path) -> None:
    """PA and lateral in one series, the raw image, a repeat, and copies that say so or do not."""
    dx = {"Modality": "DX", "PresentationIntentType": "FOR PRESENTATION"}
    first = chest(tmp_path / "first.dcm", **dx, ImageType=["DERIVED", "PRIMARY"])
    made: dict[str, Path] = {"first": first}

    def add(name: str, source: str = "first", **elements: Any) -> None:
        uid = generate_uid()
        made[name] = variant(
            made[source], tmp_path / f"{name}.dcm", **{"SOPInstanceUID": uid} | elements
        )

    def made_from(name: str) -> list[Dataset]:
        item = Dataset()
        item.ReferencedSOPInstanceUID = dcmread(made[name]).SOPInstanceUID
        return [item]

    add("raw", PresentationIntentType="FOR PROCESSING", AcquisitionTime="101900")
    add("read", AcquisitionTime="101900", InstanceNumber=2, SourceImageSequence=made_from("raw"))
    add("lateral", ViewPosition="LL", PatientOrientation=["A", "F"], InstanceNumber=3)
    new = {"SeriesInstanceUID": generate_uid(), "SeriesNumber": 2}
    add("bone", "read", **new, SeriesDescription="Bone suppressed", AcquisitionTime="102500")
    add("silent", "read", **new, SourceImageSequence=None)
    add("derived", "read", **new, SourceImageSequence=made_from("read"))
    add("secondary", "silent", ImageType=["DERIVED", "SECONDARY"], AcquisitionTime="110000")
    study_read = read_study(sorted(made.values()))
    choice = choose_film(
        study_read,
        modalities=["CR", "DX"],
        body_parts=["CHEST"],
        views=["PA", "AP", "frontal"],
        unknown_view="refuse",
    )
    names = {str(dcmread(path).SOPInstanceUID): name for name, path in made.items()}
    assert names[choice.film.sop_instance_uid] == "read"
    assert {names[one.sop_instance_uid]: one.reason for one in choice.left_out} == {
        "first": "repeated 4 min later",
        "raw": "is FOR PROCESSING",
        "lateral": "view is lateral",
        "bone": "is a processed copy by Series Description",
        "silent": "another image of the same moment",
        "derived": "is a copy of another image of the study by Source Image Sequence",
        "secondary": "is SECONDARY in Image Type; a PRIMARY image is preferred",
    }


# Real films

USED = Known(
    prepare=("chest_radiograph",),
    questions=("suitability", "presence", "location", "site", "change"),
    outputs=tuple(OUTPUTS),
)


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (
            "ImagingDataCommons+highdicom/data/test_files/dx_image.dcm",
            "Acquisition Device Processing Description says that the patient is an animal",
        ),
        ("Enet4+dicom-test-files/data/WG04/J2KI/RG2_J2KI", "Body Part Examined is HIP"),
        ("Enet4+dicom-test-files/data/WG04/J2KI/RG3_J2KI", "Body Part Examined is EXTREMITY"),
        ("udacity+AIHCND_C2_Starter/test4.dcm", "Body Part Examined is RIBCAGE"),
        ("udacity+AIHCND_C2_Starter/test5.dcm", "Modality is CT"),
        ("udacity+AIHCND_C2_Starter/test6.dcm", "view is not stated"),
        (
            "udacity+AIHCND_C2_Starter/test1.dcm",
            "Patient's Birth Date is not a date or not stated, and Patient's Age is not of the "
            "form 045Y",
        ),
    ],
)
def test_real_films_that_are_not_read_say_why(shared_data: Path, file: str, reason: str) -> None:
    (shipped,) = rules.load(Path(__file__).parents[2] / "config" / "rules.yaml", USED)
    with pytest.raises(NotForUs) as refusal:
        rules.plan(read_study([shared_data / file]), (shipped,))
    assert reason in str(refusal.value)


def test_a_hip_labelled_chest_is_betrayed_by_its_study_description(
    shared_data: Path, tmp_path: Path
) -> None:
    source = shared_data / "Enet4+dicom-test-files/data/WG04/J2KI/RG2_J2KI"
    path = variant(source, tmp_path / "hip.dcm", BodyPartExamined="CHEST", ViewPosition="PA")
    (film,) = read_study([path]).instances
    assert film.doubt == "Body Part Examined and Study Description disagree about the body part"


def test_no_reason_quotes_free_text(one: Any, tmp_path: Path) -> None:
    """A description may hold a name."""
    film = chest(
        tmp_path / "x.dcm",
        SeriesDescription="Zebrowska lateral portable inverted hip canine",
        StudyDescription="Zebrowska",
    )
    study = read_study([film])
    told = repr(study)
    with pytest.raises(NotForUs) as refusal:
        choose_film(
            study, modalities=["CR"], body_parts=["CHEST"], views=["PA"], unknown_view="refuse"
        )
    assert "ebrowska" not in (told + str(refusal.value))
