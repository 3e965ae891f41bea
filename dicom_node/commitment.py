"""Storage Commitment as SCU, Push Model (PS3.4 Annex J): a destination is asked to keep objects.

It is asked by N-ACTION, and reports by N-EVENT-REPORT: on the same association or later on one
that it opens to the node's own port, where it proposes itself as SCP (PS3.7 D.3.3.4). Both ways
end in the ledger.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydicom import Dataset
from pynetdicom import evt
from pynetdicom.dimse_primitives import N_EVENT_REPORT
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    Verification,
)

from dicom_node.answers import (
    NO_SUCH_INSTANCE,
    PROCESSING_FAILURE,
    RESOURCE_LIMITATION,
    SUCCESS,
    Answer,
    Refused,
    answer,
    answered,
    decoded,
)
from dicom_node.association import association
from dicom_node.errors import BadStudy, Rejected, Unreachable
from dicom_node.ledger import commitments
from dicom_node.ledger.commitments import Outcome, Report
from dicom_node.ledger.database import Database
from dicom_node.peer import Peer
from dicom_node.spool import checked_uid

log = logging.getLogger(__name__)

#: By what a destination reports.
REPORTED_BY = StorageCommitmentPushModel

_REQUEST_COMMITMENT = 1  # Action Type ID, PS3.4 Table J.3.2-1
_SUCCESSFUL, _FAILURES_EXIST = 1, 2  # Event Type ID, PS3.4 Table J.3.3-1
_LOOK_AGAIN_SECONDS = 0.2

_NO_SUCH_EVENT = 0x0113
_INVALID_ARGUMENT = 0x0115
_UNRECOGNISED_OPERATION = 0x0211
#: Of an N-ACTION that may succeed later (PS3.7 10.1.4.1.10).
_PASSING = (PROCESSING_FAILURE, RESOURCE_LIMITATION)

#: Failure Reasons (0008,1197), PS3.3 C.14.1.1.
_REASONS = {
    0x0110: "processing failure",
    0x0112: "no such object instance",
    0x0119: "class-instance conflict",
    0x0122: "referenced SOP Class not supported",
    0x0131: "duplicate Transaction UID",
    0x0213: "resource limitation",
}


def ask(
    peer: Peer,
    transaction_uid: str,
    objects: Sequence[tuple[str, str]],
    *,
    database: Database,
    seconds: float,
) -> None:
    """Ask a peer to commit itself to objects, given by SOP Class and SOP Instance UID.

    A report on the same association is waited for, so many seconds; so is one by any other way.

    Raises:
        Unreachable: it does not answer, or cannot do it now.
        Rejected: it does not offer the service, or refuses for good.
    """
    information = Dataset()
    information.TransactionUID = transaction_uid
    information.ReferencedSOPSequence = [_reference(*one) for one in objects]
    with association(peer, _contexts(), handlers=handlers(database)) as opened:
        if not _is_offered(opened):
            raise Rejected(f"{peer.name} does not offer storage commitment")
        _serve_what_comes_first(opened)
        answer, _ = opened.send_n_action(
            information,
            _REQUEST_COMMITMENT,
            StorageCommitmentPushModel,
            StorageCommitmentPushModelInstance,
        )
        _check(peer, answer.get("Status"))
        until = time.monotonic() + seconds
        while time.monotonic() < until and not commitments.is_reported(database, transaction_uid):
            time.sleep(_LOOK_AGAIN_SECONDS)


def is_offered(peer: Peer) -> bool:
    """Whether a peer accepts the service.

    Raises:
        Unreachable: nobody answers there.
        Rejected: the peer will not have us.
    """
    with association(peer, _contexts()) as opened:
        return _is_offered(opened)


def told(failure: int) -> str:
    """A Failure Reason in words."""
    name = _REASONS.get(failure)
    return f"0x{failure:04X}, {name}" if name else f"0x{failure:04X}"


def handlers(database: Database) -> list[tuple[Any, Callable[[Any], Answer]]]:
    """What an association of pynetdicom needs to be reported to, whoever has opened it.

    They answer when it is in the ledger.
    """
    return [
        (
            evt.EVT_N_EVENT_REPORT,
            lambda event: answered("commitment report", lambda: _take(database, event)),
        ),
        (evt.EVT_N_ACTION, lambda _: (_not_ours(), None)),
    ]


def _take(database: Database, event: Any) -> None:
    request = event.request
    if request.AffectedSOPInstanceUID != StorageCommitmentPushModelInstance:
        raise Refused(NO_SUCH_INSTANCE, "not the instance of storage commitment")
    if request.EventTypeID not in (_SUCCESSFUL, _FAILURES_EXIST):
        raise Refused(_NO_SUCH_EVENT, "storage commitment knows no such event")
    if not request.EventInformation:
        raise Refused(_INVALID_ARGUMENT, "the event information is missing")
    reporter = str(event.assoc.remote["ae_title"]).strip()
    given = decoded(request.EventInformation, lambda: _report(event.event_information, reporter))
    match commitments.report(database, given):
        case Outcome.UNKNOWN:
            # Whoever else reports learns no more than that.
            raise Refused(_INVALID_ARGUMENT, "no such transaction was asked of who reports")
        case Outcome.REPEATED:
            log.info("a commitment report says nothing new")
        case Outcome.ENTERED:
            log.info(
                "commitment report: %d object(s) committed, %d not",
                len(given.committed),
                len(given.failed),
            )


def _report(information: Dataset, reporter: str) -> Report:
    return Report(
        transaction_uid=_uid(information, "TransactionUID"),
        reporter=reporter,
        committed=frozenset(
            _uid(item, "ReferencedSOPInstanceUID")
            for item in _items(information, "ReferencedSOPSequence")
        ),
        failed={
            _uid(item, "ReferencedSOPInstanceUID"): _reason(item)
            for item in _items(information, "FailedSOPSequence")
        },
    )


def _reason(item: Dataset) -> int:
    """VR US, whatever VR the item states; what it does not say is a processing failure."""
    return int(item.get("FailureReason") or PROCESSING_FAILURE) & 0xFFFF


def _items(information: Dataset, keyword: str) -> Iterator[Dataset]:
    yield from information.get(keyword) or ()


def _uid(item: Dataset, keyword: str) -> str:
    try:
        return checked_uid(str(item.get(keyword) or ""))
    except BadStudy:
        raise Refused(_INVALID_ARGUMENT, f"{keyword} is missing or not a UID") from None


def _contexts() -> list[PresentationContext]:
    """With Verification, so that who does not offer the service accepts the association."""
    return [build_context(StorageCommitmentPushModel), build_context(Verification)]


def _is_offered(opened: Any) -> bool:
    return any(one.abstract_syntax == REPORTED_BY for one in opened.accepted_contexts)


def _serve_what_comes_first(opened: Any) -> None:
    """Let a report be answered that comes before the answer to the request: pynetdicom takes the
    next message for that answer, whatever it is, and aborts.
    """
    wait = opened.dimse.get_msg

    def get_msg(block: bool = False) -> tuple[Any, Any]:
        context_id, message = wait(block)
        while block and isinstance(message, N_EVENT_REPORT) and message.is_valid_request:
            opened._serve_request(message, context_id)
            context_id, message = wait(block)
        return context_id, message

    opened.dimse.get_msg = get_msg


def _check(peer: Peer, status: int | None) -> None:
    """What the answer to N-ACTION means."""
    if status == SUCCESS:
        return
    if status is None:
        raise Unreachable(f"{peer.name} gave no answer to the request for storage commitment")
    said = f"{peer.name} answered the request for storage commitment with 0x{status:04X}"
    raise Unreachable(said) if status in _PASSING else Rejected(said)


def _reference(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class_uid
    item.ReferencedSOPInstanceUID = sop_instance_uid
    return item


def _not_ours() -> Dataset:
    return answer(_UNRECOGNISED_OPERATION, "this node commits itself to nothing")
