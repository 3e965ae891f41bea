"""Assessments of results (IHE AIRA) made for tests, as the sample of the profile has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian, generate_uid

TITLE = ("AIRAI_01", "Approval Status Object")
ACCEPTED = ("AIRAI_12", "Accepted")
UNREVIEWED = ("AIRAI_13", "Unreviewed")
REJECTED = ("AIRAI_16", "Rejected")
AFTER_MODIFICATION = ("AIRAI_19", "Accepted after Modification")
UNMODIFIED = ("AIRAI_20", "Accepted unmodified")

Named = tuple[str, str]


def code(named: Named, scheme: str = "99IHE") -> list[Dataset]:
    item = Dataset()
    item.CodeValue, item.CodeMeaning = named
    item.CodingSchemeDesignator = scheme
    return [item]


def content(value_type: str, named: Named, **elements: Any) -> Dataset:
    """A content item."""
    item = Dataset()
    item.RelationshipType = "CONTAINS"
    item.ValueType = value_type
    item.ConceptNameCodeSequence = code(named)
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


def referenced(result: str) -> Dataset:
    """Referenced Instance."""
    reference = Dataset()
    reference.ReferencedSOPClassUID = ComprehensiveSRStorage
    reference.ReferencedSOPInstanceUID = result
    return content(
        "COMPOSITE", ("AIRAI_04", "Referenced Instance"), ReferencedSOPSequence=[reference]
    )


def status(value: Named, *modification: Named) -> Dataset:
    """Result Assessment Status with its Modification Scope."""
    scopes = [
        content("CODE", ("AIRAI_08", "Modification Scope"), ConceptCodeSequence=code(one))
        for one in modification
    ]
    item = content(
        "CODE", ("AIRAI_06", "Result Assessment Status"), ConceptCodeSequence=code(value)
    )
    if scopes:
        item.ContentSequence = scopes
    return item


def observed(uid: str) -> list[Dataset]:
    """That it is about a finding, and about which."""
    kind = code(("AIR004", "Referenced Observation"))
    return [
        content("CODE", ("AIRAI_03", "Result Type"), ConceptCodeSequence=kind),
        content("UIDREF", ("AIR005", "Referenced Observation UID"), UID=uid),
    ]


def entry(*items: Dataset) -> Dataset:
    """A Result Assessment."""
    return content("CONTAINER", ("AIRAI_02", "Result Assessment"), ContentSequence=list(items))


def related(original: str, changed: str) -> list[Dataset]:
    """Referenced Instance Sequence: a copy of a result, changed by whoever assessed it."""
    found = []
    for uid, purpose in (
        (changed, ("AIRAI_24", "Assessed AI Result Object")),
        (original, ("AIRAI_21", "Original AI Result Object")),
    ):
        item = Dataset()
        item.ReferencedSOPClassUID = ComprehensiveSRStorage
        item.ReferencedSOPInstanceUID = uid
        item.PurposeOfReferenceCodeSequence = code(purpose)
        found.append(item)
    return found


def assessment(*entries: Dataset, study: str = "1.2.3", **elements: Any) -> Dataset:
    """An assessment SR of a study; ``elements`` set elements by keyword."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID = ComprehensiveSRStorage
    made.SOPInstanceUID = generate_uid()
    made.StudyInstanceUID = study
    made.SeriesInstanceUID = generate_uid()
    made.PatientID = "TEST-1"
    made.PatientName = "Testname^Anna"
    made.PatientBirthDate, made.PatientSex = "19500102", "F"
    made.Modality = "SR"
    made.ValueType = "CONTAINER"
    made.ConceptNameCodeSequence = code(TITLE)
    made.CompletionFlag, made.VerificationFlag = "COMPLETE", "UNVERIFIED"
    made.ContentSequence = list(entries)
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def nested(deep: int) -> bytes:
    """Content Sequence in Content Sequence, of undefined length: who reads one reads all. To be
    put behind an encoded data set without one (pydicom writes nothing so deep).
    """
    begin = b"\x40\x00\x30\xa7SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    end = b"\xfe\xff\x0d\xe0\x00\x00\x00\x00\xfe\xff\xdd\xe0\x00\x00\x00\x00"
    return begin * deep + end * deep


def save(made: Dataset, path: Path) -> Path:
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.save_as(path, enforce_file_format=True)
    return path
