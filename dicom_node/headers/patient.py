"""Whose a data set is."""

from __future__ import annotations

from pydicom import Dataset, charset

from dicom_node.headers.elements import text as _text
from dicom_node.headers.times import date_of
from dicom_node.names import UNDECODED
from dicom_node.study import Patient

#: Terms of Specific Character Set that add nothing to ASCII.
_ASCII = {"", "ISO_IR 6", "ISO 2022 IR 6"}


def patient_of(dataset: Dataset) -> Patient:
    """Whose a data set is: an image's header or the answer to a query."""
    return Patient(
        id=_decoded(dataset, "PatientID"),
        issuer=_decoded(dataset, "IssuerOfPatientID"),
        name=_decoded(dataset, "PatientName"),
        birth_date=date_of(dataset, "PatientBirthDate"),
        sex=_text(dataset, "PatientSex").upper(),
    )


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
