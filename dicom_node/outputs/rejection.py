"""The rejection note: a Key Object Selection that takes back what was sent (TID 2010).

An archive that knows IHE Imaging Object Change Management hides what a note names. A note is not
one of OUTPUTS: it is made from what the ledger says was sent, not from a report alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from highdicom import ko, sr
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage, SegmentationStorage

from dicom_node import equipment, wording
from dicom_node.outputs import codes, finish, source
from dicom_node.outputs.material import Material, Reference
from dicom_node.uids import derived_uid

#: Of what this project writes the images: TID 2010 names these as IMAGE, all else as COMPOSITE.
_IMAGES = frozenset({SecondaryCaptureImageStorage, SegmentationStorage})


class Reason(StrEnum):
    """Why results are taken back."""

    QUALITY = "quality"  # another result takes their place, or they are not good enough
    SAFETY = "safety"  # nobody may look at them any more


_TITLE = {Reason.QUALITY: codes.REJECTED_QUALITY, Reason.SAFETY: codes.REJECTED_SAFETY}


@dataclass(frozen=True, slots=True)
class Rejection:
    """What is taken back and why; ``why`` is a sentence for people, of nobody in particular."""

    reason: Reason
    why: str
    named: tuple[Reference, ...]


def build(material: Material, rejection: Rejection) -> Dataset:
    """The note about objects of the study that the report is on; its time is the report's.

    No Document Title Modifier (113011, DCM) stands in it: TID 2010 has one of CID 7011 for 113001
    where it applies, and that group names faults of images.

    Raises:
        BadStudy: the header of the film cannot be read, or is not of that film.
    """
    report = material.report
    header = source.read(material.current, report.film)
    named = [_evidence(material, one) for one in sorted(rejection.named, key=_uid)]
    dataset = ko.KeyObjectSelectionDocument(
        evidence=named,
        content=ko.KeyObjectSelection(
            document_title=_TITLE[rejection.reason],
            referenced_objects=named,
            observer_device_context=_observer(material),
            description=equipment.plain(wording.withdrawn(rejection.why)),
        ),
        **(finish.series(material, "rejection") | _uids(material, rejection)),
        **finish.general_equipment(report.made),
    )
    for item in dataset.ContentSequence:
        if "ReferencedSOPSequence" in item:  # TID 2010 has no name for it; highdicom gives one
            del item.ConceptNameCodeSequence
    finish.finish(dataset, report, header)
    return dataset


def _uid(one: Reference) -> str:
    return one.sop_instance_uid


def _uids(material: Material, rejection: Rejection) -> dict[str, str]:
    """Of what the note says, so that a note with another list is another object."""
    series = material.series["rejection"]
    said = (
        material.uid("rejection"),
        rejection.reason,
        rejection.why,
        series.number,
        series.description,
        *sorted(map(_uid, rejection.named)),
    )
    return {
        "series_instance_uid": derived_uid("rejection series", *said),
        "sop_instance_uid": derived_uid("rejection", *said),
    }


def _evidence(material: Material, one: Reference) -> Dataset:
    """An object that is named, as the library takes it: what has rows is an image to it."""
    named = source.evidence(material.report.film)
    named.SeriesInstanceUID = one.series_instance_uid
    named.SOPClassUID = one.sop_class_uid
    named.SOPInstanceUID = one.sop_instance_uid
    if one.sop_class_uid not in _IMAGES:
        del named.Rows, named.Columns
    return named


def _observer(material: Material) -> sr.ObserverContext:
    made = material.report.made
    return sr.ObserverContext(
        observer_type=sr.CodedConcept.from_code(codes.DEVICE),
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=equipment.device_uid(made),
            name=equipment.model_name(made),
            manufacturer_name=equipment.MANUFACTURER,
            model_name=equipment.model_name(made),
        ),
    )
