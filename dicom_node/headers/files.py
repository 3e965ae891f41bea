"""The images among some files, by study."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydicom import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.misc import is_dicom
from pydicom.uid import UID

from dicom_node.errors import BadStudy, Gone, Unreachable
from dicom_node.headers import marks
from dicom_node.headers.elements import CORRUPT, UNDECODABLE, texts
from dicom_node.headers.elements import text as _text
from dicom_node.headers.patient import patient_of
from dicom_node.headers.projection import projection
from dicom_node.headers.times import CONTRADICTION, acquired, age, date_of
from dicom_node.identity import conflict, merged
from dicom_node.partial import OF_A_HEADER, first_part
from dicom_node.study import LAST, Instance, Study

#: One direction, or between up to three, none of them opposite to another.
_DIRECTION = re.compile(r"(?!.*L.*R|.*R.*L|.*A.*P|.*P.*A|.*H.*F|.*F.*H|.*(.).*\1)[LRAPHF]{1,3}")
_LETTERS = 3  # of a direction; the pattern would take long for many

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
    "RequestedProcedureDescription",
    "PerformedProcedureStepDescription",
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
_NEEDED = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "PatientID"]


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
        Gone: a file is not there any more.
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
    try:
        return [_study(uid, group) for uid, group in headers.items()]
    except CORRUPT as error:  # several values where one is wanted, text where a number is
        raise BadStudy(f"a header makes no sense ({type(error).__name__})") from None


def _header(path: Path) -> Dataset:
    try:
        header = first_part(path, _READ, needed=_NEEDED, bound=OF_A_HEADER)
        _drop_malformed_numbers(header)
        for element in header.iterall():  # decode here, where it may fail
            element.value  # noqa: B018
    except BadStudy as error:
        raise BadStudy(f"{path.name}: {error}") from None
    except FileNotFoundError:
        raise Gone(f"{path.name}: the file is gone") from None
    except InvalidDicomError:
        why = "no prefix DICM, PS3.10 7.1"
        raise BadStudy(f"{path.name}: not readable as DICOM ({why})") from None
    except OSError as error:
        if error.errno is None:  # pydicom's, of a corrupt sequence
            raise BadStudy(f"{path.name}: not readable as DICOM (a sequence is corrupt)") from None
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
    for one, other in itertools.combinations(dict.fromkeys(patients), 2):
        if differs := conflict(one, other):
            raise BadStudy(f"one study holds objects of two patients: {differs} differs")
    if len({bool(patient.id) for patient in patients}) > 1:
        raise BadStudy("one study holds objects with and without Patient ID")
    instances = tuple(
        _instance(path, header) for path, header in group if is_image(_text(header, "SOPClassUID"))
    )
    first = group[0][1]
    years, missing = _youngest(header for _, header in group)
    return Study(
        study_instance_uid=uid,
        patient=merged(patients),
        instances=instances,
        date=date_of(first, "StudyDate"),
        age_years=years,
        age_missing=missing,
    )


def _youngest(headers: Iterable[Dataset]) -> tuple[float | None, str]:
    """The least age that any object states, so that no child is read as an adult; None and why
    not, where none does or one contradicts itself.
    """
    ages = [age(header) for header in headers]
    known = [years for years, _ in ages if years is not None]
    reasons = [why for _, why in ages if why]
    if CONTRADICTION in reasons:
        return None, CONTRADICTION
    return (min(known), "") if known else (None, reasons[0])


def _instance(path: Path, header: Dataset) -> Instance:
    orientation, senseless = _orientation(header)
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
        acquired=acquired(header),
        orientation=orientation,
        presentation_intent=_text(header, "PresentationIntentType").upper(),
        number=(_number(header, "SeriesNumber"), _number(header, "InstanceNumber")),
        secondary=marks.is_secondary(header),
        view_from=seen.said_by,
        bedside=marks.bedside(header),
        processed=marks.processed(header),
        sources=marks.sources(header),
        doubt=marks.doubt(header) or seen.doubt or senseless,
    )


def _orientation(header: Dataset) -> tuple[tuple[str, str] | None, str]:
    """Patient Orientation (0020,0020, PS3.3 C.7.6.1.1.1), each value cut to its first letter, and
    a doubt where something is stated that is no orientation: it may want to say "mirrored".
    """
    stated = texts(header, "PatientOrientation")
    if not stated:
        return None, ""
    row, column = (stated[0].upper(), stated[1].upper()) if len(stated) == 2 else ("", "")  # noqa: PLR2004 - row and column
    if not all(len(one) <= _LETTERS and _DIRECTION.fullmatch(one) for one in (row, column)):
        return None, "Patient Orientation is not two directions (PS3.3 C.7.6.1.1.1)"
    return (row[0], column[0]), ""


def _number(header: Dataset, keyword: str) -> int:
    """A value of VR IS; after all others where it is missing."""
    return int(_text(header, keyword) or LAST)
