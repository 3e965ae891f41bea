"""What was built is sent to each destination, and verified there."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from dicom_node.archives import ARCHIVES
from dicom_node.archives.orthanc import Rest
from dicom_node.deliver import NO_STATUS, Verdict
from dicom_node.deliver import send as send_objects
from dicom_node.errors import Rejected, Unreachable
from dicom_node.ledger import corrections, deliveries
from dicom_node.ledger.deliveries import REJECTION, RETRACTION, Delivery, DeliveryState
from dicom_node.ledger.jobs import Job
from dicom_node.report import Report, Weights
from dicom_node.sections import DestinationSection
from workers.site import Site

log = logging.getLogger(__name__)

_SECONDS_A_DAY = 86_400
_TO_SEND = (DeliveryState.PENDING, DeliveryState.SENDING)
_NOT_ACCEPTED = (*_TO_SEND, DeliveryState.REFUSED)
_HELD = "held back: `release` in node.yaml is false"


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
        days = site.settings.delivery.give_up_days
        raise Rejected(f"given up after {days:g} days: {'; '.join(left.waiting + left.refused)}")
    if left.refused:
        raise Rejected("; ".join(left.refused))


def _send(site: Site, job: Job, result: Report) -> Left:
    """Send what is not there yet; a destination that is away does not hold up the others."""
    refused, waiting, reasons = [], [], set()
    by = {one.name: _send_to(site, job, result, one) for one in site.settings.destinations}
    for row in deliveries.of_job(site.database, job.id):
        if not row.counts or row.state is DeliveryState.THERE:
            continue
        why = by.get(row.made.destination, "") or row.reason or row.state
        told = f"{row.made.output} at {row.made.destination}: {why}"
        if row.state is DeliveryState.REFUSED or by.get(row.made.destination):
            refused.append(told)
        else:
            waiting.append(told)
            reasons.add(row.reason)
    return Left(tuple(refused), tuple(waiting), held=reasons == {_HELD})


def _is_too_old(site: Site, job: Job, left: Left) -> bool:
    """Whether delivery has been tried for longer than the site wants; what the site itself holds
    back may wait for ever.
    """
    longest = site.settings.delivery.give_up_days * _SECONDS_A_DAY
    return not left.held and time.time() - job.state_since > longest


def _send_to(site: Site, job: Job, result: Report, destination: DestinationSection) -> str:
    """Send what can be sent now; why the destination has none of it, empty where it has.

    A note that takes back what was superseded is sent once all that takes its place is accepted,
    so that the destination has a whole set at any time; a retraction does not wait.
    """
    before = {row.id for row in _there(site, job, destination, DeliveryState.SENT)}
    try:
        _store(site, job, destination, _to_send(site, job, destination, (RETRACTION,)))
        if results := _to_send(site, job, destination, ()):
            _permit(site, result, destination)
            _store(site, job, destination, results)
        if not _there(site, job, destination, *_NOT_ACCEPTED, notes=()):
            _store(site, job, destination, _to_send(site, job, destination, (REJECTION,)))
        _verify(site, job, destination, before)
    except Rejected as error:
        for row in _there(site, job, destination, DeliveryState.PENDING):
            deliveries.outcome(site.database, job.id, row, DeliveryState.REFUSED, str(error))
        return str(error)
    except Unreachable as error:
        for row in _there(site, job, destination, *_TO_SEND, DeliveryState.SENT):
            deliveries.outcome(site.database, job.id, row, row.state, str(error))
    return ""


def _permit(site: Site, result: Report, destination: DestinationSection) -> None:
    """The licence of MedGemma, and common sense: what is not a test needs the site's release."""
    if destination.test:
        return
    if result.made.weights is not Weights.MODEL:
        raise Rejected(
            f"made with {result.made.weights} weights, and {destination.name} is not a test"
        )
    if not site.settings.release:
        raise Unreachable(_HELD)


def _store(
    site: Site, job: Job, destination: DestinationSection, pending: Sequence[Delivery]
) -> None:
    """Send some objects in one association. The ledger knows before that they may be there."""
    claimed = deliveries.claim(site.database, job, pending) if pending else []
    if not claimed:
        return
    peer = site.settings.peer(destination.name, destination)
    rows = {row.made.sop_instance_uid: row for row in claimed}
    try:
        answers = send_objects([site.spool.root / row.made.path for row in claimed], peer)
    except (Rejected, Unreachable):  # before anything was sent
        deliveries.give_back(site.database, claimed)
        raise
    for sent in answers:
        row = rows[sent.sop_instance_uid]
        log.info("%s to %s: 0x%04X", row.made.output, destination.name, sent.status)
        # Without a status nobody knows whether it is there.
        later = DeliveryState.SENDING if sent.status == NO_STATUS else row.state
        state = {
            Verdict.ACCEPTED: DeliveryState.SENT,
            Verdict.WARNING: DeliveryState.SENT,
            Verdict.REFUSED: DeliveryState.REFUSED,
            Verdict.LATER: later,
        }[sent.verdict]
        deliveries.outcome(site.database, job.id, row, state, sent.reason)


def _verify(site: Site, job: Job, destination: DestinationSection, before: set[int]) -> None:
    """What was accepted counts as there once a query finds it, if the site wants to ask.

    What was accepted at an earlier attempt (rows ``before``) and is still not found is sent again.
    """
    peer = site.settings.peer(destination.name, destination)
    archive = ARCHIVES["dimse"](peer, "c-get")
    for row in _there(site, job, destination, DeliveryState.SENT):
        try:
            found = destination.verify == "none" or archive.has_instance(
                job.study_instance_uid, row.made.series_instance_uid, row.made.sop_instance_uid
            )
        except Rejected as error:  # of the query, not of the object
            reason = f"accepted, but {error}; if it cannot be asked, set verify: none"
            deliveries.outcome(site.database, job.id, row, DeliveryState.SENT, reason)
            continue
        if found:
            _clear(site, destination, row)
            deliveries.outcome(site.database, job.id, row, DeliveryState.THERE)
        elif row.id in before:
            reason = "accepted, but a query does not find it: it is sent again"
            deliveries.outcome(site.database, job.id, row, DeliveryState.PENDING, reason)


def _clear(site: Site, destination: DestinationSection, row: Delivery) -> None:
    """Delete what an object has taken back or the place of, at an Orthanc; only what is ours."""
    if not destination.orthanc:
        return
    section = site.settings.orthanc
    rest = Rest(destination.orthanc, section.user, section.password)
    for one in corrections.withdrawn(site.database, row):
        rest.delete(one.made.sop_instance_uid)


def _to_send(
    site: Site, job: Job, destination: DestinationSection, notes: tuple[str, ...]
) -> list[Delivery]:
    return _there(site, job, destination, *_TO_SEND, notes=notes)


def _there(
    site: Site,
    job: Job,
    destination: DestinationSection,
    *states: DeliveryState,
    notes: tuple[str, ...] | None = None,
) -> list[Delivery]:
    """What is to be at a destination and is in one of these states; of the notes of these names,
    none: the results, or of all.
    """
    return [
        row
        for row in deliveries.of_job(site.database, job.id)
        if row.made.destination == destination.name
        and row.counts
        and row.state in states
        and (notes is None or (row.made.output in notes if notes else not row.made.is_note))
    ]
