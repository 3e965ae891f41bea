"""The film that a result is about: what is needed of it, and who it is of, copied as it stands.

Films are often incomplete or break the standard. The library that builds the objects gets an
evidence header made from the report, with every Type 2 attribute that it wants present and empty.
Who the patient is and which study it is are then copied from the film byte by byte: not decoded,
so that a wrong character set or a malformed value neither stops the result, nor changes an
identity, nor is quoted in a warning.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from pydicom import dcmread
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import BaseTag
from pydicom.uid import ExplicitVRLittleEndian

from dicom_node.durable import OF_A_DISK
from dicom_node.errors import BadStudy, Unreachable
from dicom_node.headers import CORRUPT, UNDECODABLE, elements, patient_of
from dicom_node.outputs.files import write
from dicom_node.report import Film, Report
from dicom_node.study import Patient

#: Of the modules Patient, Clinical Trial Subject, General Study and SOP Common (PS3.3 C.7.1.1,
#: C.7.1.3, C.7.2.1, C.12.1): whatever tells patients, studies and orders apart.
_CARRIED = (
    "SpecificCharacterSet",
    "TimezoneOffsetFromUTC",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "TypeOfPatientID",
    "OtherPatientIDsSequence",
    "PatientBirthDate",
    "PatientBirthTime",
    "PatientSex",
    "QualityControlSubject",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "ClinicalTrialSponsorName",
    "ClinicalTrialProtocolID",
    "ClinicalTrialProtocolName",
    "ClinicalTrialSiteID",
    "ClinicalTrialSiteName",
    "ClinicalTrialSubjectID",
    "ClinicalTrialSubjectReadingID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "IssuerOfAccessionNumberSequence",
    "StudyID",
    "StudyDescription",
    "ProcedureCodeSequence",
    "ReferringPhysicianName",
)
#: Attributes of :data:`_CARRIED` that only help when they are well formed.
_FORMS = {"TimezoneOffsetFromUTC": re.compile(r"[+-](0\d|1[0-4])[0-5]\d")}
#: By what a file is known to be a film.
_NAMED = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Rows",
    "Columns",
)
#: What highdicom reads of evidence and would miss (all Type 2).
_TYPE_2 = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "StudyID",
    "ReferringPhysicianName",
)


def read(path: Path, film: Film) -> Dataset:
    """The header of the file that a report names as its film, without pixels.

    Raises:
        BadStudy: not a DICOM file, or not that film.
        Unreachable: the disk cannot be read now.
    """
    header = _read(path)
    stated = (
        header.get("StudyInstanceUID"),
        header.get("SOPInstanceUID"),
        header.get("Rows"),
        header.get("Columns"),
    )
    named = (film.study_instance_uid, film.sop_instance_uid, film.rows, film.columns)
    if stated != named:
        raise BadStudy("a file is not the film that the report names")
    return header


def whose(path: Path, film: Film) -> tuple[Film, Patient]:
    """The film whose header lies in a file, and whose it is; ``film`` is another one of its study.

    Raises:
        BadStudy: not a DICOM file, or not a film of that study.
        Unreachable: the disk cannot be read now.
    """
    header = _read(path)
    if header.get("StudyInstanceUID") != film.study_instance_uid:
        raise BadStudy("a file is not of the study of the film that the report names")
    try:
        found = replace(
            film,
            series_instance_uid=str(header.SeriesInstanceUID),
            sop_class_uid=str(header.SOPClassUID),
            sop_instance_uid=str(header.SOPInstanceUID),
            rows=int(header.Rows),
            columns=int(header.Columns),
        )
        return found, patient_of(header)
    except CORRUPT:
        raise BadStudy("the file of a film cannot be read") from None


def keep_header(path: Path, film: Film, goal: Path) -> None:
    """Write whose a film is and which film, as :func:`read` wants it, and nothing else of it.

    Raises:
        BadStudy: the file is not that film.
        Unreachable: the disk does not take it.
    """
    header = read(path, film)
    kept = Dataset()
    kept.file_meta = FileMetaDataset()
    kept.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for keyword in (*_NAMED, *_CARRIED):
        copy_element(header, kept, keyword)
    write(kept, goal)


def evidence(film: Film) -> Dataset:
    """A header as highdicom wants it, from what the report says of a film; of nobody."""
    header = Dataset()
    for keyword in _TYPE_2:
        setattr(header, keyword, "")
    header.StudyInstanceUID = film.study_instance_uid
    header.SeriesInstanceUID = film.series_instance_uid
    header.SOPClassUID = film.sop_class_uid
    header.SOPInstanceUID = film.sop_instance_uid
    header.Rows = film.rows
    header.Columns = film.columns
    return header


def carry_over(source: Dataset, target: Dataset) -> None:
    """Copy to a result whose it is: patient, study and character set of the film, byte by byte."""
    for keyword in _CARRIED:
        copy_element(source, target, keyword)


def copy_element(source: Dataset, target: Dataset, keyword: str, goal: str = "") -> None:
    """Copy one element undecoded if the source has it, replacing the target's.

    ``goal`` is the keyword it gets in the target, of the same VR; else it keeps its own.
    """
    tag = _tag(keyword)
    if tag not in source:
        return
    try:
        element = _undecoded(source, tag)
    except UNDECODABLE as error:
        raise BadStudy(f"{keyword} of the film cannot be copied ({type(error).__name__})") from None
    form = _FORMS.get(keyword)
    if form is not None and not form.fullmatch(_text(element.value)):
        return
    if goal:
        target[_tag(goal)] = DataElement(_tag(goal), dictionary_VR(tag), element.value)
    else:
        target[tag] = element


def state_body_part(source: Dataset, target: Dataset) -> None:
    """Body Part Examined of a chest film, else an empty Laterality (General Series, Type 2C): only
    what is known to be unpaired does without.
    """
    if source.get("BodyPartExamined") == "CHEST":
        target.BodyPartExamined = "CHEST"
    else:
        target.Laterality = None


def read_at(report: Report, source: Dataset) -> datetime:
    """When the study was read, in the time zone in which the film states its times (C.12.1)."""
    offset = _text(source.get("TimezoneOffsetFromUTC") or "")
    if not _FORMS["TimezoneOffsetFromUTC"].fullmatch(offset):
        return report.read_at
    zone = datetime.strptime(offset, "%z").tzinfo
    return report.read_at.astimezone(zone)


def frames(source: Dataset, film: Film) -> list[int] | None:
    """Frame numbers to state beside a reference to the film: none for a single-frame image, and
    for one that states no number of frames that could be read.
    """
    stated = _text(source.get_item("NumberOfFrames").value) if "NumberOfFrames" in source else ""
    several = re.fullmatch(r"\d{1,9}", stated) is not None and int(stated) > 1
    return [film.frame_number] if several else None


def reference(film: Film, frames: list[int] | None = None) -> Dataset:
    """An item of the Image SOP Instance Reference Macro (PS3.3 Table 10-3)."""
    item = Dataset()
    item.ReferencedSOPClassUID = film.sop_class_uid
    item.ReferencedSOPInstanceUID = film.sop_instance_uid
    if frames:
        item.ReferencedFrameNumber = frames
    return item


def _read(path: Path) -> Dataset:
    try:
        return dcmread(path, stop_before_pixels=True)
    except (OSError, *UNDECODABLE) as error:
        if isinstance(error, OSError) and error.errno in OF_A_DISK:
            raise Unreachable(f"the file of a film cannot be read: {error.strerror}") from None
        raise BadStudy("the file of a film cannot be read") from None


def _text(value: object) -> str:
    """A value of plain ASCII, whether pydicom has decoded it already or not."""
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
    return text.strip()


def _tag(keyword: str) -> BaseTag:
    number = tag_for_keyword(keyword)
    assert number is not None, keyword
    return BaseTag(number)


def _undecoded(source: Dataset, tag: BaseTag) -> DataElement | RawDataElement:
    vr = dictionary_VR(tag)
    if vr == "SQ":
        return DataElement(tag, vr, [_undecoded_item(item) for item in items(source, tag)])
    element = source.get_item(tag)
    if not isinstance(element, RawDataElement):  # pydicom decodes the character set by itself
        assert element is not None
        return element
    value = element.value or b""
    value += b" " * (len(value) % 2)
    return RawDataElement(tag, vr, len(value), value, 0, False, True)


def items(source: Dataset, tag: int) -> tuple[Dataset, ...]:
    """The items of a sequence; none of what claims to be one and is not."""
    try:
        return elements.items(source, keyword_for_tag(tag))
    except (OSError, *UNDECODABLE):  # pydicom reads them now, and calls their end one of the file
        return ()


def _undecoded_item(item: Dataset) -> Dataset:
    copy = Dataset()
    for tag in item.keys():  # noqa: SIM118 - iterating a Dataset would decode its elements
        if not tag.is_private:
            copy[tag] = _undecoded(item, tag)
    return copy
