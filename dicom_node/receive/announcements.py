"""What modalities and archives announce: Modality Performed Procedure Step (PS3.4 Annex F.7) and
Instance Availability Notification (PS3.4 Annex R).

The node is told of steps and objects; it keeps which images a study will have, and no more. What
it is told wrongly is answered with the status of the standard (PS3.7 Annex C) and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pydicom import Dataset
from pynetdicom import evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import
    InstanceAvailabilityNotification,
    ModalityPerformedProcedureStep,
)

from dicom_node.answers import (
    NO_SUCH_INSTANCE,
    PROCESSING_FAILURE,
    Answer,
    Refused,
    answered,
    decoded,
)
from dicom_node.errors import BadStudy
from dicom_node.headers import is_image
from dicom_node.ledger import announcements
from dicom_node.ledger.announcements import Outcome, Step, StepStatus
from dicom_node.ledger.database import Database
from dicom_node.spool import checked_uid

#: What a peer may announce by.
ANNOUNCED_BY = (ModalityPerformedProcedureStep, InstanceAvailabilityNotification)

_TOLD = "announcement"  # in the log

_INVALID_VALUE = 0x0106
_DUPLICATE = 0x0111
_INVALID_INSTANCE = 0x0117
_NO_SUCH_CLASS = 0x0118
_MISSING_ATTRIBUTE = 0x0120
_MISSING_VALUE = 0x0121
#: Error ID beside 0x0110: the step may no longer be updated (PS3.4 F.7.2.2.4).
_MAY_NO_LONGER_BE_UPDATED = 0xA710
#: Instance Availability (0008,0056) of what can be had (PS3.3 C.4.23.1.1).
_AVAILABLE = frozenset({"ONLINE", "NEARLINE"})


def handlers(database: Database) -> list[tuple[Any, Callable[[Any], Answer]]]:
    """What a server of pynetdicom needs to be told of steps and objects.

    They answer when it is in the ledger: the next message may go to another edge.
    """
    return [
        (evt.EVT_N_CREATE, lambda event: answered(_TOLD, lambda: _create(database, event))),
        (evt.EVT_N_SET, lambda event: answered(_TOLD, lambda: _set(database, event))),
    ]


def _create(database: Database, event: Any) -> None:
    by = event.request.AffectedSOPClassUID
    attributes = event.request.AttributeList
    if by == InstanceAvailabilityNotification:
        announcements.announce(database, decoded(attributes, lambda: _notice(event)))
    elif by == ModalityPerformedProcedureStep:
        step, studies = decoded(attributes, lambda: _begun(event))
        if not announcements.begin(database, step, studies):
            raise Refused(_DUPLICATE, "this step is known already")
    else:
        raise Refused(_NO_SUCH_CLASS, "neither a performed procedure step nor an availability")


def _set(database: Database, event: Any) -> None:
    step = decoded(event.request.ModificationList, lambda: _updated(event))
    match announcements.update_step(database, step):
        case Outcome.UNKNOWN:
            raise Refused(NO_SUCH_INSTANCE, "no such step is known")
        case Outcome.ENDED:
            ended = "the step has ended and may no longer be updated"
            raise Refused(PROCESSING_FAILURE, ended, _MAY_NO_LONGER_BE_UPDATED)


def _notice(event: Any) -> dict[str, set[str]]:
    """The images that can be had, by their study."""
    attributes = event.attribute_list if event.request.AttributeList else Dataset()
    return {_study(attributes): set(_available(attributes))}


def _begun(event: Any) -> tuple[Step, set[str]]:
    """A step, and the studies that it is of."""
    attributes = event.attribute_list if event.request.AttributeList else Dataset()
    status = _step_status(attributes)
    if status is not StepStatus.IN_PROGRESS:  # PS3.4 F.7.2.1.3
        raise Refused(_INVALID_VALUE, "a step is created as IN PROGRESS")
    scheduled = _items(attributes, "ScheduledStepAttributesSequence")
    uid = _instance(event.request.AffectedSOPInstanceUID)
    return Step(uid, status, _performed(attributes)), {_study(item) for item in scheduled}


def _updated(event: Any) -> Step:
    attributes = event.modification_list if event.request.ModificationList else Dataset()
    told = "PerformedProcedureStepStatus" in attributes
    return Step(
        _instance(event.request.RequestedSOPInstanceUID),
        _step_status(attributes) if told else None,
        _performed(attributes),
    )


def _performed(attributes: Dataset) -> frozenset[str]:
    """The images that a step says it made. Series and images may be listed empty, or not yet."""
    series = attributes.get("PerformedSeriesSequence") or ()
    return frozenset(
        _referenced(item, "ReferencedSOPInstanceUID")
        for one in series
        for item in one.get("ReferencedImageSequence") or ()
        if is_image(_referenced(item, "ReferencedSOPClassUID"))
    )


def _available(attributes: Dataset) -> Iterator[str]:
    """The images that a notification says can be had (PS3.4 Table R.3.2-1)."""
    for series in _items(attributes, "ReferencedSeriesSequence"):
        for item in _items(series, "ReferencedSOPSequence"):
            image = is_image(_referenced(item, "ReferencedSOPClassUID"))
            uid = _referenced(item, "ReferencedSOPInstanceUID")
            if _value(item, "InstanceAvailability").upper() in _AVAILABLE and image:
                yield uid


def _step_status(attributes: Dataset) -> StepStatus:
    stated = _value(attributes, "PerformedProcedureStepStatus").upper()
    try:
        return StepStatus(stated)
    except ValueError:
        raise Refused(
            _INVALID_VALUE, "PerformedProcedureStepStatus is none of its values"
        ) from None


def _study(attributes: Dataset) -> str:
    return _referenced(attributes, "StudyInstanceUID")


def _instance(uid: object) -> str:
    try:
        return checked_uid(str(uid or ""))
    except BadStudy:
        raise Refused(_INVALID_INSTANCE, "the SOP Instance UID is none") from None


def _referenced(item: Dataset, keyword: str) -> str:
    try:
        return checked_uid(_value(item, keyword))
    except BadStudy:
        raise Refused(_INVALID_VALUE, f"{keyword} is not a UID") from None


def _items(attributes: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence that has to be there and to have some."""
    if keyword not in attributes:
        raise Refused(_MISSING_ATTRIBUTE, f"{keyword} is missing")
    items = list(attributes.get(keyword) or ())
    if not items:
        raise Refused(_MISSING_VALUE, f"{keyword} is empty")
    return items


def _value(attributes: Dataset, keyword: str) -> str:
    """The text of an attribute of Type 1."""
    if keyword not in attributes:
        raise Refused(_MISSING_ATTRIBUTE, f"{keyword} is missing")
    value = str(attributes.get(keyword) or "").strip()
    if not value:
        raise Refused(_MISSING_VALUE, f"{keyword} is empty")
    return value
