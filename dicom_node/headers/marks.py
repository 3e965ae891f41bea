"""What a header says of an image besides its view: of what, how it was taken, what was made of it.

Each answer names the attribute that says so, never its value.
"""

from __future__ import annotations

from pydicom import Dataset

from dicom_node.headers import descriptions
from dicom_node.headers.elements import codes, items, meanings, text, texts
from dicom_node.study import Bedside

#: The chest in Anatomic Region Sequence (0008,2218), CID 4009 and 4031, of today and before, and
#: the regions that hold it among others.
_CHEST_CODES = {
    "816094009",
    "51185008",
    "43799004",
    "T-D3000",
    "416550000",
    "416775004",
    "417437006",
    "416319003",
    "416152001",
}
#: Other regions of CID 4031, SNOMED CT and the SNOMED-RT values of older devices, by their names
#: in descriptions.py.
REGION_CODES = {
    "816092008": "pelvis",
    "12921003": "pelvis",
    "T-D6000": "pelvis",
    "29836001": "pelvis",
    "24136001": "pelvis",
    "T-15710": "pelvis",
    "818981001": "abdomen",
    "818982008": "abdomen",
    "113345001": "abdomen",
    "T-D4000": "abdomen",
    "89546000": "head",
    "T-11100": "head",
    "69536005": "head",
    "T-D1100": "head",
    "45048000": "neck",
    "T-D1600": "neck",
    "421060004": "spine",
    "122494005": "spine",
    "T-11501": "spine",
    "122495006": "spine",
    "T-11502": "spine",
    "122496007": "spine",
    "T-11503": "spine",
    "16982005": "upper limb",
    "T-D2220": "upper limb",
    "85562004": "upper limb",
    "T-D8700": "upper limb",
    "53120007": "upper limb",
    "72696002": "lower limb",
    "T-D9200": "lower limb",
    "56459004": "lower limb",
    "T-D9700": "lower limb",
    "30021000": "lower limb",
    "T-D9400": "lower limb",
    "61685007": "lower limb",
}
#: Near the image first. A study may hold several regions, so that its description says least.
_NEAR = {
    "SeriesDescription": "Series Description",
    "ProtocolName": "Protocol Name",
    "AcquisitionDeviceProcessingDescription": "Acquisition Device Processing Description",
}
_STUDY = {
    "StudyDescription": "Study Description",
    "RequestedProcedureDescription": "Requested Procedure Description",
    "PerformedProcedureStepDescription": "Performed Procedure Step Description",
}
#: Patient Position (0018,5100, PS3.3 C.7.3.1.1.2) of a patient on the back.
_ON_THE_BACK = {"HFS", "FFS"}
#: Human beings in Patient Species Code Sequence (0010,2202): SNOMED CT and SNOMED-RT.
_HUMAN_CODES = {"337915000", "L-85B00"}
_HUMAN = {"human", "human being", "homo sapiens", "man", "mensch", "humain"}
_NOTHING = {"", "unknown", "none", "n a", "na", "not applicable"}
#: Derivation Code Sequence (0008,9215), CID 7203: kinds that change what a film looks like. Lossy
#: compression (113040) and resampling (113085) do not.
DERIVATIONS = {
    "113042": "Pixel by pixel addition",
    "113046": "Pixel by pixel division",
    "113047": "Pixel by pixel mask",
    "113048": "Pixel by pixel Maximum",
    "113049": "Pixel by pixel mean",
    "113051": "Pixel by pixel Minimum",
    "113053": "Pixel by pixel multiplication",
    "113062": "Pixel by pixel subtraction",
    "113076": "Segmentation",
    "113086": "Edge enhancement",
    "113087": "Smoothing",
    "113088": "Gaussian blur",
    "113089": "Unsharp mask",
    "113097": "Multi-energy proportional weighting",
}
#: What Presentation LUT Shape (2050,0020) has to be (PS3.3 C.8.11.3.1.2).
_SHAPES = {"MONOCHROME1": "INVERSE", "MONOCHROME2": "IDENTITY"}


def body_part(header: Dataset) -> str:
    """Body Part Examined, or the region that a DX film has to state in its place (C.8.11.2)."""
    if stated := text(header, "BodyPartExamined").upper():
        return stated
    return "CHEST" if codes(header, "AnatomicRegionSequence") & _CHEST_CODES else ""


def bedside(header: Dataset) -> Bedside:
    """Whether the patient was filmed in bed, as descriptions and Patient Position say."""
    told = descriptions.bedside(text(header, keyword) for keyword in _NEAR | _STUDY)
    if text(header, "PatientPosition").upper() in _ON_THE_BACK:
        return "supine"
    return told


def is_secondary(header: Dataset) -> bool:
    """Value 2 of Image Type (PS3.3 C.7.6.1.1.2): not made by the examination itself."""
    return "SECONDARY" in [value.upper() for value in texts(header, "ImageType")[:2]]


def processed(header: Dataset) -> str:
    """Which attribute says that this is a copy made from another image; empty if none does.

    DERIVED in Image Type is no sign: films FOR PRESENTATION are derived from those FOR PROCESSING.
    """
    image_types = texts(header, "ImageType")
    shape = text(header, "PresentationLUTShape").upper()
    wanted = _SHAPES.get(text(header, "PhotometricInterpretation").upper(), shape)
    device = text(header, "AcquisitionDeviceProcessingDescription")
    meant = meanings(header, "DerivationCodeSequence")
    signs = {
        "Image Type": any(descriptions.types_copy(value) for value in image_types),
        "Series Description": descriptions.labels_copy(text(header, "SeriesDescription")),
        "Derivation Description": descriptions.names_copy(text(header, "DerivationDescription")),
        "Derivation Code Sequence": bool(codes(header, "DerivationCodeSequence") & set(DERIVATIONS))
        or descriptions.names_copy(meant),
        "Acquisition Device Processing Description": descriptions.names_copy(device),
        "Presentation LUT Shape against Photometric Interpretation": shape not in ("", wanted),
    }
    return next((name for name, says_so in signs.items() if says_so), "")


def sources(header: Dataset) -> tuple[str, ...]:
    """The images that this one was made from, as Source Image Sequence (0008,2112) says."""
    found = items(header, "SourceImageSequence")
    return tuple(filter(None, (text(item, "ReferencedSOPInstanceUID") for item in found)))


def doubt(header: Dataset) -> str:
    """Why the image must not be read as the film that it may seem to be; empty if nothing says."""
    if animal := _animal(header):
        return f"{animal} says that the patient is an animal"
    if text(header, "QualityControlImage").upper() == "YES":
        return "Quality Control Image is YES"
    return _another_body_part(header)


def _animal(header: Dataset) -> str:
    """Which attribute says that the patient is none of ours (PS3.3 C.7.1.1)."""
    species = descriptions.plain(text(header, "PatientSpeciesDescription"))
    breed = descriptions.plain(text(header, "PatientBreedDescription"))
    species_codes = codes(header, "PatientSpeciesCodeSequence")
    signs = {
        "Patient Species Description": species not in _HUMAN | _NOTHING,
        "Patient Species Code Sequence": bool(species_codes - _HUMAN_CODES),
        "Anatomical Orientation Type": text(header, "AnatomicalOrientationType") == "QUADRUPED",
        "Patient Breed Description": breed not in _NOTHING,
        "Patient Breed Code Sequence": bool(codes(header, "PatientBreedCodeSequence")),
        "Responsible Person Role": text(header, "ResponsiblePersonRole").upper() == "OWNER",
    }
    for keyword, name in (_NEAR | _STUDY).items():
        signs[name] = descriptions.names_animal(text(header, keyword))
    return next((name for name, says_so in signs.items() if says_so), "")


def _another_body_part(header: Dataset) -> str:
    """Which attributes disagree about the part of the body."""
    stated = descriptions.regions(body_part(header))
    if not stated:
        return ""
    named = {name: descriptions.regions(text(header, key)) for key, name in _NEAR.items()}
    by = "Anatomic Region Sequence"
    if text(header, "BodyPartExamined"):
        named[by] = _coded_regions(header)
        by = "Body Part Examined"
    if not any(regions & stated for regions in named.values()):
        named |= {name: descriptions.regions(text(header, key)) for key, name in _STUDY.items()}
    for name, regions in named.items():
        if regions and not regions & stated:
            return f"{by} and {name} disagree about the body part"
    return ""


def _coded_regions(header: Dataset) -> frozenset[str]:
    found = codes(header, "AnatomicRegionSequence")
    if found & _CHEST_CODES:
        return frozenset({"chest"})
    coded = frozenset(REGION_CODES[code] for code in found if code in REGION_CODES)
    return coded or descriptions.regions(meanings(header, "AnatomicRegionSequence"))
