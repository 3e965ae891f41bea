"""What filing an object needs to know of it: no more of its data set is decoded at the door."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pydicom import Dataset

from dicom_node.equipment import made_by_this_project
from dicom_node.errors import BadStudy
from dicom_node.headers import UNDECODABLE, date_of, patient_of
from dicom_node.partial import data_set_of, first_part
from dicom_node.receive.priority import STATES_PRIORITY, priority_of
from dicom_node.spool import checked_uid
from dicom_node.study import Patient, Priority

_HEADER = [
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "StudyDate",
    "SpecificCharacterSet",
    "PatientID",
    "IssuerOfPatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "ContributingEquipmentSequence",
    *STATES_PRIORITY,
]
_NEEDED = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "PatientID"]


@dataclass(frozen=True, slots=True)
class Header:
    """What filing an object needs to know of it."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    study_date: date | None
    patient: Patient  # its repr hides it
    ours: bool
    priority: Priority


def read_header(path: Path, known: tuple[str, int] | None = None) -> Header:
    """What filing needs of a Part 10 file; ``known`` as ``partial.data_set_of`` says it, if it is.

    Raises:
        BadStudy: it cannot be decoded, or lacks a UID.
    """
    try:
        dataset = first_part(path, _HEADER, needed=_NEEDED, known=known or data_set_of(path))
        return Header(
            sop_class_uid=_uid(dataset, "SOPClassUID"),
            sop_instance_uid=_uid(dataset, "SOPInstanceUID"),
            study_instance_uid=_uid(dataset, "StudyInstanceUID"),
            study_date=date_of(dataset, "StudyDate"),
            patient=patient_of(dataset),
            ours=made_by_this_project(dataset),
            priority=priority_of(dataset),
        )
    except UNDECODABLE as error:
        raise BadStudy(f"data set cannot be decoded ({type(error).__name__})") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise BadStudy("data set cannot be decoded (a sequence is corrupt)") from None


def _uid(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword)
    if not value:
        raise BadStudy(f"{keyword} is missing")
    return checked_uid(str(value))
