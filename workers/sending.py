"""The last part of the way: objects are built for each destination, sent, and verified there."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dicom_node import outputs, rules
from dicom_node.archives import ARCHIVES
from dicom_node.deliver import Verdict
from dicom_node.deliver import send as send_objects
from dicom_node.errors import Rejected, Unreachable
from dicom_node.ledger import deliveries
from dicom_node.ledger.deliveries import Delivery, DeliveryState, Made
from dicom_node.ledger.jobs import Job
from dicom_node.outputs import Material
from dicom_node.report import Report, Weights
from dicom_node.settings import DestinationSection
from workers.site import Site

log = logging.getLogger(__name__)

_SECONDS_A_DAY = 86_400
_HELD = "held back: `release` in node.yaml is false"


@dataclass(frozen=True, slots=True)
class Left:
    """What could not be brought to its destination: refused for good, or to be tried again."""

    refused: tuple[str, ...]
    waiting: tuple[str, ...]
    held: bool = False  # all that waits, waits for the site's release


def build(site: Site, job: Job, result: Report, current: Path, prior: Path | None) -> None:
    """Make the objects of the rule for every destination, and enter them in the ledger.

    The same report makes the same bytes, so that doing it again after a crash changes nothing.
    """
    rule = rules.rule_named(result.rule, site.configuration.rules)
    made = []
    for destination in site.settings.destinations:
        material = Material(
            report=result,
            vocabulary=site.configuration.vocabulary,
            profile=site.settings.profile(destination.profile),
            current=current,
            prior=prior,
            series=site.settings.result_series,
        )
        for reference, dataset in outputs.build(material, rule.outputs):
            path = site.spool.results(job.id) / destination.name / f"{reference.output}.dcm"
            outputs.write(dataset, path)
            made.append(
                Made(
                    destination=destination.name,
                    output=reference.output,
                    sop_instance_uid=reference.sop_instance_uid,
                    series_instance_uid=reference.series_instance_uid,
                    path=site.spool.below(path),
                )
            )
    deliveries.enter(site.database, job.id, made)


def send(site: Site, job: Job, result: Report) -> Left:
    """Send what is not there yet, one association a destination; a destination that is away does
    not hold up the others.
    """
    refused, waiting, reasons = [], [], set()
    rows = deliveries.of_job(site.database, job.id)
    for destination in site.settings.destinations:
        mine = [row for row in rows if row.made.destination == destination.name]
        _send_to(site, job, result, destination, mine)
    for row in deliveries.of_job(site.database, job.id):
        told = f"{row.made.output} at {row.made.destination}: {row.reason or row.state}"
        if row.state is DeliveryState.REFUSED:
            refused.append(told)
        elif row.state is not DeliveryState.THERE:
            waiting.append(told)
            reasons.add(row.reason)
    return Left(tuple(refused), tuple(waiting), held=reasons == {_HELD})


def is_too_old(site: Site, job: Job, left: Left) -> bool:
    """Whether delivery has been tried for longer than the site wants; what the site itself holds
    back may wait for ever.
    """
    longest = site.settings.delivery.give_up_days * _SECONDS_A_DAY
    return not left.held and time.time() - job.state_since > longest


def _send_to(
    site: Site, job: Job, result: Report, destination: DestinationSection, rows: list[Delivery]
) -> None:
    pending = [row for row in rows if row.state is DeliveryState.PENDING]
    try:
        if pending:
            _permit(site, result, destination)
        _store(site, job, destination, pending)
        _verify(site, job, destination, rows)
    except Rejected as error:
        for row in _not_there(site, job, destination):
            deliveries.outcome(site.database, job.id, row, DeliveryState.REFUSED, str(error))
    except Unreachable as error:
        for row in _not_there(site, job, destination):
            deliveries.outcome(site.database, job.id, row, row.state, str(error))


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
    if not pending:
        return
    peer = site.settings.peer(destination.name, destination)
    rows = {row.made.sop_instance_uid: row for row in pending}
    for sent in send_objects([site.spool.root / row.made.path for row in pending], peer):
        row = rows[sent.sop_instance_uid]
        log.info("%s to %s: 0x%04X", row.made.output, destination.name, sent.status)
        state = {
            Verdict.ACCEPTED: DeliveryState.SENT,
            Verdict.WARNING: DeliveryState.SENT,
            Verdict.REFUSED: DeliveryState.REFUSED,
            Verdict.LATER: DeliveryState.PENDING,
        }[sent.verdict]
        deliveries.outcome(site.database, job.id, row, state, sent.reason)


def _verify(
    site: Site, job: Job, destination: DestinationSection, rows: Sequence[Delivery]
) -> None:
    """What was accepted counts as there once a query finds it, if the site wants to ask.

    What was accepted at an earlier attempt and is still not found is sent again.
    """
    before = {row.id for row in rows if row.state is DeliveryState.SENT}
    peer = site.settings.peer(destination.name, destination)
    archive = ARCHIVES["dimse"](peer, "c-get")
    for row in deliveries.of_job(site.database, job.id):
        if row.made.destination != destination.name or row.state is not DeliveryState.SENT:
            continue
        try:
            found = destination.verify == "none" or archive.has_instance(
                job.study_instance_uid, row.made.series_instance_uid, row.made.sop_instance_uid
            )
        except Rejected as error:  # of the query, not of the object
            reason = f"accepted, but {error}; if it cannot be asked, set verify: none"
            deliveries.outcome(site.database, job.id, row, DeliveryState.SENT, reason)
            continue
        if found:
            deliveries.outcome(site.database, job.id, row, DeliveryState.THERE)
        elif row.id in before:
            reason = "accepted, but a query does not find it: it is sent again"
            deliveries.outcome(site.database, job.id, row, DeliveryState.PENDING, reason)


def _not_there(site: Site, job: Job, destination: DestinationSection) -> list[Delivery]:
    return [
        row
        for row in deliveries.of_job(site.database, job.id)
        if row.made.destination == destination.name
        and row.state in (DeliveryState.PENDING, DeliveryState.SENT)
    ]
