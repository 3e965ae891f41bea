"""A prior that comes late: a study that was read without it waits for it, and is read again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from dicom_node import report
from dicom_node.errors import NotForUs
from dicom_node.ledger import jobs, retrying, revisions
from dicom_node.ledger.jobs import Job, State
from dicom_node.ledger.reopening import open_waiting
from dicom_node.report import Prior, PriorOutcome
from dicom_node.rules import Plan
from workers.site import Site

_SECONDS_AN_HOUR = 3600


def until(site: Site, job: Job, plan: Plan) -> float | None:
    """Until when (seconds since 1970) a late prior is a reason to read the film of an earlier
    revision again; None for a film that was not read yet, or has come again since.

    Raises:
        NotForUs: nothing is.
    """
    film = plan.choice.film.sop_instance_uid
    came_with = revisions.came_with(site.database, job, film)
    # A film that came after an earlier revision was read was forgotten by hand, and sent anew.
    read = [one for one in revisions.read_before(site.database, job) if one.id >= came_with]
    withdrawn = {one.id for one in read if retrying.is_withdrawn(site.database, one)}
    for one in read:
        if one.id in withdrawn and _is_of(one, film):
            raise NotForUs(f"the film chosen was read by revision {one.revision}, and withdrawn")
    before = next((one for one in read if one.id not in withdrawn), None)
    if before is None or not _is_of(before, film):
        return None
    result = report.from_json(before.report or "")
    hours = _reopen_hours(plan, result.prior)
    if not hours:
        raise NotForUs(f"the film chosen is the one that revision {before.revision} read")
    return job.prior_until or result.read_at.timestamp() + hours * _SECONDS_AN_HOUR


def wait(site: Site, job: Job, plan: Plan, end: float, prior: Prior) -> None:
    """Let a job be due again later and later, until ``end`` (seconds since 1970); no worker is
    held, and the study was read already.

    Raises:
        NotForUs: the end has come.
    """
    left = end - time.time()
    told = f"{prior.outcome}, {prior.reason}"
    if left <= 0:
        hours = plan.rule.priors.reopen_hours if plan.rule.priors else 0
        raise NotForUs(f"no prior came within {hours:g} h: {told}")
    seconds = min(site.retry_seconds(job.attempts), left)
    jobs.advance(site.database, job, State.FETCHING, reason=told, wait=seconds, prior_until=end)


def reopening(site: Site, job: Job, plan: Plan, prior: Prior) -> Callable[[Any], None] | None:
    """What to do to the ledger when this reading is published: wait for the prior, or nothing."""
    hours = _reopen_hours(plan, prior)
    if not hours:
        return None
    seconds = site.retry_seconds(1)
    return lambda ledger: open_waiting(ledger, job, hours=hours, wait=seconds)


def _reopen_hours(plan: Plan, prior: Prior) -> float:
    """How long a study that was read with this outcome waits for a late prior."""
    late = prior.outcome is PriorOutcome.NOT_IN_TIME
    return plan.rule.priors.reopen_hours if late and plan.rule.priors else 0


def _is_of(job: Job, film: str) -> bool:
    return report.from_json(job.report or "").film.sop_instance_uid == film
