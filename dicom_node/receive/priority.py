"""How urgent an image says that its study is."""

from __future__ import annotations

from pydicom import Dataset

from dicom_node.headers import CORRUPT
from dicom_node.study import Priority

#: Requested Procedure Priority (0040,1003), as worklists have it (PS3.4 Table K.6-1).
_STATED = {
    "STAT": Priority.STAT,
    "HIGH": Priority.HIGH,
    "ROUTINE": Priority.ROUTINE,
    "MEDIUM": Priority.ROUTINE,
    "LOW": Priority.LOW,
}

#: The elements that :func:`priority_of` looks at.
STATES_PRIORITY = ("RequestedProcedurePriority", "RequestAttributesSequence")


def priority_of(dataset: Dataset) -> Priority:
    """The highest priority that an image states: at its root, where devices copy it from the
    worklist, or in Request Attributes Sequence (0040,0275). Routine where it states none, or
    none that can be understood: nobody refuses an image for that.
    """
    try:
        items = [dataset, *(dataset.get("RequestAttributesSequence") or ())]
        stated = [str(item.get("RequestedProcedurePriority") or "") for item in items]
    except CORRUPT:
        return Priority.ROUTINE
    known = [_STATED[word] for one in stated if (word := one.strip().upper()) in _STATED]
    return max(known, default=Priority.ROUTINE)
