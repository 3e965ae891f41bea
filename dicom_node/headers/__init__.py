"""From files to the plain data of a study: what the headers say, and nothing that they do not."""

from __future__ import annotations

from dicom_node.headers.elements import CORRUPT, UNDECODABLE, items_in
from dicom_node.headers.files import is_dicom_file, is_image, read_studies, read_study
from dicom_node.headers.patient import patient_of
from dicom_node.headers.times import date_of, time_of

__all__ = [
    "CORRUPT",
    "UNDECODABLE",
    "date_of",
    "is_dicom_file",
    "is_image",
    "items_in",
    "patient_of",
    "read_studies",
    "read_study",
    "time_of",
]
