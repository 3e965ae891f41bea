"""The rejection note: a Key Object Selection that takes back what was sent (TID 2010).

An archive that knows IHE Imaging Object Change Management hides what a note names. A note is not
one of OUTPUTS: it is made from what the ledger says was sent, not from a report alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pydicom.dataset import Dataset

from dicom_node import wording
from dicom_node.outputs import codes, selection
from dicom_node.outputs.material import Material, Reference
from dicom_node.outputs.selection import Selection


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
    said = Selection(
        title=_TITLE[rejection.reason],
        text=wording.withdrawn(rejection.why),
        named=sorted(rejection.named, key=_uid),
    )
    return selection.build(material, "rejection", said)


def _uid(one: Reference) -> str:
    return one.sop_instance_uid
