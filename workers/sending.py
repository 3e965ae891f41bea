"""What was built is sent to each destination, and proven to be there."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dicom_node.deliver import NO_STATUS, Verdict
from dicom_node.deliver import send as send_objects
from dicom_node.errors import BadStudy, Rejected, Unreachable
from dicom_node.ledger import deliveries
from dicom_node.ledger.deliveries import REJECTION, RETRACTION, TO_SEND, Delivery, DeliveryState
from dicom_node.ledger.jobs import Job
from dicom_node.report import Report, Weights
from dicom_node.units import duration_text
from workers.errand import Errand, Lease
from workers.proving import accept_found, prove
from workers.site import Site

log = logging.getLogger(__name__)

_NOT_ACCEPTED = (*TO_SEND, DeliveryState.REFUSED)
_WITHOUT_A_SET = "not sent, for not all that takes the place of earlier results is taken"
_HELD = "held back: `release` in node.yaml is false"


#: Outputs by destination and what there is to say of them.
_Told = defaultdict[tuple[str, str], list[str]]


@dataclass(frozen=True, slots=True)
class Left:
    """What could not be brought to its destination: refused for good, or to be tried again."""

    refused: tuple[str, ...]
    waiting: tuple[str, ...]
    held: bool = False  # all that waits, waits for the site's release


def bring(site: Site, job: Job, result: Report) -> None:
    """Send what is not there yet.

    Raises:
        Unreachable: not all is there yet.
        Rejected: something never will be.
    """
    left = _send(site, job, result)
    if left.waiting and not _is_too_old(site, job, left):
        raise Unreachable("; ".join(left.waiting))
    if left.waiting:
        longest = duration_text(site.settings.delivery.give_up.total_seconds())
        raise Rejected(f"given up after {longest}: {'; '.join(left.waiting + left.refused)}")
    if left.refused:
        raise Rejected("; ".join(left.refused))


def _send(site: Site, job: Job, result: Report) -> Left:
    """Send what is not there yet; a destination that is away does not hold up the others."""
    refused: _Told = defaultdict(list)
    waiting: _Told = defaultdict(list)
    lease = Lease(site, job)
    never: dict[int, str] = {}
    for one in site.settings.destinations:
        never |= _send_to(Errand(site, job, one, lease), result)
    for row in deliveries.of_job(site.database, job.id):
        if not row.counts or row.state is DeliveryState.THERE:
            continue
        why = never.get(row.id, "") or row.reason or row.state
        told = refused if row.state is DeliveryState.REFUSED or row.id in never else waiting
        told[row.made.destination, why].append(row.made.output)
    held = {why for _, why in waiting} == {_HELD}
    return Left(_told(refused), _told(waiting), held)


def _told(left: _Told) -> tuple[str, ...]:
    """What is true of several objects at a destination is told once."""
    return tuple(
        f"{', '.join(outputs)} at {where}: {why}" for (where, why), outputs in left.items()
    )


def _is_too_old(site: Site, job: Job, left: Left) -> bool:
    """Whether delivery has been tried for longer than the site wants; what the site itself holds
    back may wait for ever.
    """
    longest = site.settings.delivery.give_up.total_seconds()
    return not left.held and time.time() - job.state_since > longest


def _send_to(errand: Errand, result: Report) -> dict[int, str]:
    """Send what can be sent now; why of some objects the destination never will have them, by
    their rows.

    A retraction waits for nothing.
    """
    before = {row.id for row in errand.rows(DeliveryState.SENT)}
    try:
        never = _store(errand, errand.rows(*TO_SEND, notes=(RETRACTION,)))
        if results := errand.rows(*TO_SEND, notes=()):
            _permit(errand, result)
            never |= _store(errand, results)
        never |= _take_back(errand, never)
        return {**never, **prove(errand, before)}
    except Rejected as error:
        left = errand.rows(*TO_SEND, DeliveryState.SENT)
        for row in left:
            if row.state is DeliveryState.PENDING:
                errand.outcome(row, DeliveryState.REFUSED, str(error))
        return {row.id: str(error) for row in left}
    except Unreachable as error:
        for row in errand.rows(*TO_SEND, DeliveryState.SENT):
            errand.outcome(row, row.state, str(error))
    return {}


def _take_back(errand: Errand, never: Mapping[int, str]) -> dict[int, str]:
    """Send the note that takes back what was superseded, once all that takes its place is accepted,
    so that the destination has a whole set at any time. Where some of that is ``never`` to be
    there, the note is not either.
    """
    notes = errand.rows(*TO_SEND, notes=(REJECTION,))
    missing = errand.rows(*_NOT_ACCEPTED, notes=())
    if not missing:
        return _store(errand, notes)
    if not any(row.state is DeliveryState.REFUSED or row.id in never for row in missing):
        return {}
    for row in notes:
        errand.outcome(row, row.state, _WITHOUT_A_SET)
    return {row.id: _WITHOUT_A_SET for row in notes}


def _permit(errand: Errand, result: Report) -> None:
    """The licence of MedGemma, and common sense: what is not a test needs the site's release."""
    if errand.destination.test:
        return
    if result.made.weights is not Weights.MODEL:
        raise Rejected(
            f"made with {result.made.weights} weights, and {errand.destination.name} is not a test"
        )
    if not errand.site.settings.release:
        raise Unreachable(_HELD)


def _store(errand: Errand, pending: Sequence[Delivery]) -> dict[int, str]:
    """Send some objects in one association. The ledger knows before that they may be there.

    Why of some the destination will not have them though they may be there since an earlier
    attempt, by their rows: an archive may answer so to what it holds already.
    """
    database, spool = errand.site.database, errand.site.spool
    claimed = deliveries.claim(database, errand.job, pending) if pending else []
    if not claimed:
        return {}
    rows = {row.made.sop_instance_uid: row for row in claimed}
    paths = [spool.root / row.made.path for row in claimed]
    try:
        answers = send_objects(paths, errand.peer, go_on=errand.lease.holds)
    except (BadStudy, Rejected, Unreachable):  # before anything was sent
        deliveries.give_back(database, errand.job, claimed)
        raise
    doubtful = {}
    for sent in answers:
        row = rows[sent.sop_instance_uid]
        log.info("%s to %s: 0x%04X", row.made.output, errand.destination.name, sent.status)
        if sent.verdict is Verdict.REFUSED and row.state is DeliveryState.SENDING:
            doubtful[row.id] = sent.reason
        # Without an answer nobody knows whether it is there.
        lost = sent.tried and sent.status == NO_STATUS
        later = DeliveryState.SENDING if lost else row.state
        state = {
            Verdict.ACCEPTED: DeliveryState.SENT,
            Verdict.WARNING: DeliveryState.SENT,
            Verdict.REFUSED: row.state if row.id in doubtful else DeliveryState.REFUSED,
            Verdict.LATER: later,
        }[sent.verdict]
        errand.outcome(row, state, sent.reason, tried=sent.tried)
    return accept_found(errand, doubtful)
