"""From files to the plain data of a study: what the headers say, and nothing that they do not."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from pathlib import Path

from pydicom import Dataset, charset, dcmread
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.misc import is_dicom
from pydicom.uid import UID

from dicom_node import marks
from dicom_node.elements import text as _text
from dicom_node.errors import BadStudy, Unreachable
from dicom_node.identity import conflict
from dicom_node.names import UNDECODED
from dicom_node.projection import projection
from dicom_node.study import LAST, Instance, Patient, Study

#: What pydicom raises on bytes that are not what they claim to be.
UNDECODABLE = (
    InvalidDicomError,
    BytesLengthException,
    struct.error,
    zlib.error,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    KeyError,
    IndexError,
    NotImplementedError,
    OverflowError,
    RecursionError,
    RuntimeError,
    UnicodeError,
)

_READ = [
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "StudyInstanceUID",
    "Modality",
    "BodyPartExamined",
    "ViewPosition",
    "ViewCodeSequence",
    "PatientOrientation",
    "PresentationIntentType",
    "AnatomicRegionSequence",
    "Rows",
    "Columns",
    "AcquisitionDateTime",
    *(f"{level}{what}" for level in ("Acquisition", "Content", "Series", "Study")
      for what in ("Date", "Time")),
    "PatientID",
    "IssuerOfPatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "SpecificCharacterSet",
    "ImageType",
    "SeriesNumber",
    "InstanceNumber",
    "SeriesDescription",
    "StudyDescription",
    "ProtocolName",
    "ViewName",
    "AcquisitionDeviceProcessingDescription",
    "DerivationDescription",
    "DerivationCodeSequence",
    "SourceImageSequence",
    "PresentationLUTShape",
    "PhotometricInterpretation",
    "QualityControlImage",
    "PatientPosition",
    "PatientSpeciesDescription",
    "PatientSpeciesCodeSequence",
    "PatientBreedDescription",
    "PatientBreedCodeSequence",
    "AnatomicalOrientationType",
    "ResponsiblePersonRole",
]  # fmt: skip

#: Terms of Specific Character Set that add nothing to ASCII.
_ASCII = {"", "ISO_IR 6", "ISO 2022 IR 6"}
_AGE = re.compile(r"(\d{1,3})([DWMY])")
_PER_YEAR = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}


def is_image(sop_class_uid: str) -> bool:
    """Whether objects of this class are images.

    A class that the dictionary does not know counts as one, so that its study ends visibly as
    refused instead of never being a study.
    """
    uid = UID(sop_class_uid)
    return uid.name == str(uid) or "Image Storage" in uid.name


def is_dicom_file(path: Path) -> bool:
    """Whether a file begins as PS3.10 says."""
    return path.is_file() and is_dicom(path)


def read_study(paths: Sequence[Path]) -> Study:
    """The images among the files of one study.

    Raises:
        BadStudy: a file cannot be decoded, or the files are of several studies or patients.
    """
    studies = read_studies(paths)
    if len(studies) != 1:
        raise BadStudy(f"expected the files of one study, got those of {len(studies)}")
    return studies[0]


def read_studies(paths: Iterable[Path]) -> list[Study]:
    """The images among some files, by study, in the order in which the studies first appear.

    Raises:
        BadStudy: a file cannot be decoded, or one study is of two patients.
    """
    headers: dict[str, list[tuple[Path, Dataset]]] = {}
    for path in paths:
        header = _header(path)
        headers.setdefault(str(header.get("StudyInstanceUID") or ""), []).append((path, header))
    return [_study(uid, group) for uid, group in headers.items()]


def patient_of(dataset: Dataset) -> Patient:
    """Whose a data set is: an image's header or the answer to a query."""
    return Patient(
        id=_decoded(dataset, "PatientID"),
        issuer=_decoded(dataset, "IssuerOfPatientID"),
        name=_decoded(dataset, "PatientName"),
        birth_date=date_of(dataset, "PatientBirthDate"),
        sex=_text(dataset, "PatientSex").upper(),
    )


def date_of(dataset: Dataset, keyword: str) -> date | None:
    """A value of VR DA; None when it is missing or malformed."""
    return _date(_text(dataset, keyword))


def time_of(dataset: Dataset, keyword: str) -> time:
    """A value of VR TM; midnight when it is missing or malformed."""
    return _time(_text(dataset, keyword))


def _header(path: Path) -> Dataset:
    try:
        header = dcmread(path, stop_before_pixels=True, specific_tags=list(_READ))
        _drop_malformed_numbers(header)
        for element in header.iterall():  # decode here, where it may fail
            element.value  # noqa: B018
    except FileNotFoundError:
        raise BadStudy(f"{path.name}: the file is gone") from None
    except OSError as error:
        raise Unreachable(f"a received file cannot be read: {error.strerror}") from None
    except UNDECODABLE as error:
        raise BadStudy(f"{path.name}: not readable as DICOM ({type(error).__name__})") from None
    return header


def _drop_malformed_numbers(header: Dataset) -> None:
    """They only order images of one moment: a malformed one counts as missing."""
    for keyword in ("SeriesNumber", "InstanceNumber"):
        if keyword in header:
            value = header.get_item(keyword).value
            stated = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
            if not re.fullmatch(r"[+-]?\d{1,12}", stated.strip(" \0")):
                del header[keyword]


def _study(uid: str, group: list[tuple[Path, Dataset]]) -> Study:
    if not uid:
        raise BadStudy(f"{group[0][0].name}: StudyInstanceUID is missing")
    patients = [patient_of(header) for _, header in group]
    for patient in patients[1:]:
        if differs := conflict(patients[0], patient):
            raise BadStudy(f"one study holds objects of two patients: {differs} differs")
    if len({bool(patient.id) for patient in patients}) > 1:
        raise BadStudy("one study holds objects with and without Patient ID")
    instances = tuple(
        _instance(path, header) for path, header in group if is_image(_text(header, "SOPClassUID"))
    )
    first = group[0][1]
    taken = next((one.acquired.date() for one in instances if one.acquired), None)
    years, missing = _age(first, taken)
    return Study(
        study_instance_uid=uid,
        patient=patients[0],
        instances=instances,
        date=date_of(first, "StudyDate"),
        age_years=years,
        age_missing=missing,
    )


def _instance(path: Path, header: Dataset) -> Instance:
    orientation = _orientation(header)
    seen = projection(header, orientation)
    return Instance(
        path=path,
        sop_class_uid=_text(header, "SOPClassUID"),
        sop_instance_uid=_text(header, "SOPInstanceUID"),
        series_instance_uid=_text(header, "SeriesInstanceUID"),
        study_instance_uid=_text(header, "StudyInstanceUID"),
        modality=_text(header, "Modality").upper(),
        body_part=marks.body_part(header),
        view=seen.view,
        rows=int(header.get("Rows") or 0),
        columns=int(header.get("Columns") or 0),
        acquired=_acquired(header),
        orientation=orientation,
        presentation_intent=_text(header, "PresentationIntentType").upper(),
        number=(_number(header, "SeriesNumber"), _number(header, "InstanceNumber")),
        secondary=marks.is_secondary(header),
        view_from=seen.said_by,
        bedside=marks.bedside(header),
        processed=marks.processed(header),
        sources=marks.sources(header),
        doubt=marks.doubt(header) or seen.doubt,
    )


def _orientation(header: Dataset) -> tuple[str, str] | None:
    """Patient Orientation (0020,0020, PS3.3 C.7.6.1.1.1), each value cut to its first letter."""
    value = header.get("PatientOrientation")
    if not value or isinstance(value, str) or len(value) != 2:  # noqa: PLR2004 - row and column
        return None
    row, column = (str(one).strip().upper()[:1] for one in value)
    return (row, column) if row in set("LRAPHF") and column in set("LRAPHF") else None


def _number(header: Dataset, keyword: str) -> int:
    """A value of VR IS; after all others where it is missing."""
    return int(_text(header, keyword) or LAST)


def _acquired(header: Dataset) -> datetime | None:
    stated = _text(header, "AcquisitionDateTime")
    if day := _date(stated[:8]):
        return datetime.combine(day, _time(stated[8:14]))
    for level in ("Acquisition", "Content", "Series", "Study"):
        if day := date_of(header, f"{level}Date"):
            return datetime.combine(day, _time(_text(header, f"{level}Time")))
    return None


def _age(header: Dataset, taken: date | None) -> tuple[float | None, str]:
    """The age in years, or None and what is missing to know it."""
    born = date_of(header, "PatientBirthDate")
    if born is not None and taken is not None and taken >= born:
        return _years_between(born, taken), ""
    stated = _text(header, "PatientAge").upper()
    if age := _AGE.fullmatch(stated):
        return int(age[1]) / _PER_YEAR[age[2]], ""
    if born is None:
        missing = "Patient's Birth Date is not a date or not stated"
    else:
        missing = "no date of acquisition at or after Patient's Birth Date is stated"
    malformed = "is not of the form 045Y" if stated else "is not stated"
    return None, f"{missing}, and Patient's Age {malformed}"


def _years_between(born: date, taken: date) -> float:
    """Whole years by the calendar, so that a birthday counts, and the part of the year since."""
    had_birthday = (taken.month, taken.day) >= (born.month, born.day)
    years = taken.year - born.year - (not had_birthday)
    last = taken.year - (not had_birthday)
    day = min(born.day, 28) if born.month == 2 else born.day  # noqa: PLR2004 - born on 29 February
    return years + max((taken - date(last, born.month, day)).days, 0) / 366


def _date(text: str) -> date | None:
    try:
        return datetime.strptime(text.strip().replace(".", ""), "%Y%m%d").date()  # noqa: DTZ007
    except ValueError:
        return None


def _time(text: str) -> time:
    """Midnight where it is missing or malformed: then only the day is known."""
    digits = re.match(r"\d{2,6}", text.replace(":", ""))
    padded = (digits[0] if digits else "").ljust(6, "0")
    try:
        return time(int(padded[:2]), int(padded[2:4]), min(int(padded[4:]), 59))
    except ValueError:
        return time()


def _decoded(dataset: Dataset, keyword: str) -> str:
    """A text whose Specific Character Set (PS3.3 C.12.1.1.2) may be missing or unknown.

    Then only ASCII is certain. pydicom takes the rest for Latin-1; here it counts as undecoded.
    """
    text = _text(dataset, keyword)
    stated = dataset.get("SpecificCharacterSet") or ()
    terms = {one.strip() for one in ([stated] if isinstance(stated, str) else stated)} - _ASCII
    if text.isascii() or (terms and terms <= charset.python_encoding.keys()):
        return text
    return "".join(char if char.isascii() else UNDECODED for char in text)
