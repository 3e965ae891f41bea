"""What modalities and archives announce: Modality Performed Procedure Step (PS3.4 Annex F.7) and
Instance Availability Notification (PS3.4 Annex R).

The node is told of steps and objects; it keeps which images a study will have, and no more. What
it is told wrongly is answered with the status of the standard (PS3.7 Annex C) and changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

from pydicom import Dataset
from pynetdicom import evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import
    InstanceAvailabilityNotification,
    ModalityPerformedProcedureStep,
)

from dicom_node.errors import BadStudy, Unreachable
from dicom_node.headers import CORRUPT, is_image
from dicom_node.ledger import announcements
from dicom_node.ledger.announcements import Outcome, Step, StepStatus
from dicom_node.ledger.database import Database
from dicom_node.spool import checked_uid

log = logging.getLogger(__name__)

#: What a peer may announce by.
ANNOUNCED_BY = (ModalityPerformedProcedureStep, InstanceAvailabilityNotification)

_SUCCESS = 0x0000
_INVALID_VALUE = 0x0106
_PROCESSING_FAILURE = 0x0110
_DUPLICATE = 0x0111
_NO_SUCH_INSTANCE = 0x0112
_INVALID_INSTANCE = 0x0117
_NO_SUCH_CLASS = 0x0118
_MISSING_ATTRIBUTE = 0x0120
_MISSING_VALUE = 0x0121
_RESOURCE_LIMITATION = 0x0213
_ITEM = b"\xfe\xff\x00\xe0"  # its tag, PS3.5 7.5
_MOST_ITEMS = 50_000
#: Error ID beside 0x0110: the step may no longer be updated (PS3.4 F.7.2.2.4).
_MAY_NO_LONGER_BE_UPDATED = 0xA710
#: Instance Availability (0008,0056) of what can be had (PS3.3 C.4.23.1.1).
_AVAILABLE = frozenset({"ONLINE", "NEARLINE"})

Answer = tuple[Dataset, None]


class _Refused(Exception):
    """What was told cannot be used; ``comment`` names the attribute and holds no value."""

    def __init__(self, status: int, comment: str, error_id: int | None = None) -> None:
        super().__init__(comment)
        self.answer = _status(status, comment)
        if error_id is not None:
            self.answer.ErrorID = error_id


def handlers(database: Database) -> list[tuple[Any, Callable[[Any], Answer]]]:
    """What a server of pynetdicom needs to be told of steps and objects.

    They answer when it is in the ledger: the next message may go to another edge.
    """
    return [
        (evt.EVT_N_CREATE, lambda event: _answer(database, event, _create)),
        (evt.EVT_N_SET, lambda event: _answer(database, event, _set)),
    ]


def _answer(database: Database, event: Any, work: Callable[[Database, Any], None]) -> Answer:
    try:
        work(database, event)
    except _Refused as refused:
        log.warning("announcement answered %04X: %s", refused.answer.Status, refused)
        return refused.answer, None
    except Unreachable as error:
        log.error("announcement answered 0110: %s", error)  # noqa: TRY400 - no bug of ours
        return _status(_PROCESSING_FAILURE, "the ledger does not answer; try again"), None
    except CORRUPT as error:
        told = f"the attribute list cannot be decoded ({type(error).__name__})"
        log.warning("announcement answered 0110: %s", told)
        return _status(_PROCESSING_FAILURE, told), None
    return _status(_SUCCESS), None


def _check_items(encoded: Any) -> None:
    """Each item takes hundred times its bytes once it is decoded."""
    if encoded is not None and encoded.getvalue().count(_ITEM) > _MOST_ITEMS:
        raise _Refused(_RESOURCE_LIMITATION, f"more than {_MOST_ITEMS} items")


def _create(database: Database, event: Any) -> None:
    _check_items(event.request.AttributeList)
    attributes = event.attribute_list if event.request.AttributeList else Dataset()
    by = event.request.AffectedSOPClassUID
    if by == InstanceAvailabilityNotification:
        announcements.announce(database, {_study(attributes): set(_available(attributes))})
        return
    if by != ModalityPerformedProcedureStep:
        raise _Refused(_NO_SUCH_CLASS, "neither a performed procedure step nor an availability")
    status = _step_status(attributes)
    if status is not StepStatus.IN_PROGRESS:  # PS3.4 F.7.2.1.3
        raise _Refused(_INVALID_VALUE, "a step is created as IN PROGRESS")
    scheduled = _items(attributes, "ScheduledStepAttributesSequence")
    uid = _instance(event.request.AffectedSOPInstanceUID)
    step = Step(uid, status, _performed(attributes))
    if not announcements.begin(database, step, {_study(item) for item in scheduled}):
        raise _Refused(_DUPLICATE, "this step is known already")


def _set(database: Database, event: Any) -> None:
    _check_items(event.request.ModificationList)
    attributes = event.modification_list if event.request.ModificationList else Dataset()
    told = "PerformedProcedureStepStatus" in attributes
    step = Step(
        _instance(event.request.RequestedSOPInstanceUID),
        _step_status(attributes) if told else None,
        _performed(attributes),
    )
    match announcements.update_step(database, step):
        case Outcome.UNKNOWN:
            raise _Refused(_NO_SUCH_INSTANCE, "no such step is known")
        case Outcome.ENDED:
            ended = "the step has ended and may no longer be updated"
            raise _Refused(_PROCESSING_FAILURE, ended, _MAY_NO_LONGER_BE_UPDATED)


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
        raise _Refused(
            _INVALID_VALUE, "PerformedProcedureStepStatus is none of its values"
        ) from None


def _study(attributes: Dataset) -> str:
    return _referenced(attributes, "StudyInstanceUID")


def _instance(uid: object) -> str:
    try:
        return checked_uid(str(uid or ""))
    except BadStudy:
        raise _Refused(_INVALID_INSTANCE, "the SOP Instance UID is none") from None


def _referenced(item: Dataset, keyword: str) -> str:
    try:
        return checked_uid(_value(item, keyword))
    except BadStudy:
        raise _Refused(_INVALID_VALUE, f"{keyword} is not a UID") from None


def _items(attributes: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence that has to be there and to have some."""
    if keyword not in attributes:
        raise _Refused(_MISSING_ATTRIBUTE, f"{keyword} is missing")
    items = list(attributes.get(keyword) or ())
    if not items:
        raise _Refused(_MISSING_VALUE, f"{keyword} is empty")
    return items


def _value(attributes: Dataset, keyword: str) -> str:
    """The text of an attribute of Type 1."""
    if keyword not in attributes:
        raise _Refused(_MISSING_ATTRIBUTE, f"{keyword} is missing")
    value = str(attributes.get(keyword) or "").strip()
    if not value:
        raise _Refused(_MISSING_VALUE, f"{keyword} is empty")
    return value


def _status(status: int, comment: str = "") -> Dataset:
    answer = Dataset()
    answer.Status = status
    if comment:
        answer.ErrorComment = comment[:64]  # VR LO
    return answer
