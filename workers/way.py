"""The way of one study, stage by stage: each takes a leased job and hands it on.

1. :func:`fetch`: is all here, does a rule read it, which film, and is there a prior?
2. :func:`read`: the model reads; the report is published. The GPU's work ends here.
3. :func:`deliver`: the objects are built and brought to every destination.
4. :func:`retract`: only where an administrator wants it: all that was brought is taken back.

An error's type decides what becomes of the study; see ``dicom_node.errors``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from dicom_node import logs, report, rules
from dicom_node.archives import FoundSeries
from dicom_node.errors import (
    BadAnswer,
    BadStudy,
    Gone,
    Misconfigured,
    NotForUs,
    Rejected,
    Unreachable,
)
from dicom_node.headers import read_study
from dicom_node.ledger import commitments, corrections, jobs, readings, revisions
from dicom_node.ledger.history import history
from dicom_node.ledger.jobs import Job, Stage, State
from dicom_node.ledger.retrievals import retrieving
from dicom_node.priors import find_prior
from dicom_node.report import NotReadBecause, Prior, PriorOutcome, Report
from dicom_node.rules import Plan
from dicom_node.study import Study
from models.engines.base import Engine
from workers import building, counting, following, late_priors, persons, reading, sending
from workers.away import disk_may_be
from workers.site import Site

log = logging.getLogger(__name__)

Work = Callable[[Site, Job], None]
#: Each so manieth turn of a worker is of who has waited for long, so that nobody waits for ever,
#: and a backlog does not hold up what is urgent.
_FAIR_TURN = 4
_PRIOR_GONE = "the prior has gone from the spool"


def take(
    site: Site, stage: Stage, work: Work, *, owner: str, lease_seconds: float, turn: int = 1
) -> bool:
    """Lease one job that is due in a stage, ring for the next and do the work; False when nothing
    is due.

    ``turn`` counts, from 1, how often this worker has asked.
    """
    limits = site.settings.limits
    job = jobs.lease(
        site.database,
        stage,
        owner=owner,
        seconds=lease_seconds,
        attempts=limits.attempts,
        patience=None if turn % _FAIR_TURN else limits.routine_wait_seconds,
    )
    if job is None:
        return False
    # Now, not at the end: who is idle begins with the next one meanwhile. So one message at a time
    # keeps any number of workers busy.
    site.ring(stage)
    with logs.about(job.id):
        log.info("%s: attempt %d", stage.name, job.attempts)
        try:
            with disk_may_be(site.spool):
                work(site, job)
        except NotForUs as refusal:
            _end(site, job, State.REFUSED, str(refusal))
        except (BadStudy, BadAnswer, Rejected) as failure:
            _end(site, job, State.FAILED, str(failure))
        except (Unreachable, Misconfigured) as absence:
            wait = site.retry_seconds(job.attempts)
            log.warning("%s; again in %.0f s", absence, wait)
            jobs.advance(
                site.database,
                job,
                job.state,
                reason=str(absence),
                wait=wait,
                also=partial(commitments.make_due, job=job),
            )
        except BaseException as bug:
            log.exception("%s stopped by an error that should not happen", stage.name)
            if isinstance(bug, Exception):
                _end(site, job, State.FAILED, f"error in this program: {type(bug).__name__}")
            raise
    return True


def fetch(site: Site, job: Job) -> None:
    """Choose the rule and the film, and look for a prior."""
    # A revision that waits for a late prior only is not asked about: its images were counted.
    counted = job.expected is not None or job.prior_until is not None
    if not counted and counting.waits_for_more(site, job, _study(site, job)):
        return
    plan = plan_of(site, job)
    if revisions.is_behind(site.database, job):
        raise Unreachable("an earlier revision of this study is still on its way")
    persons.guard(site, job, lambda: _study(site, job).patient)
    until = late_priors.until(site, job, plan)
    prior = _search(site, job, plan)
    if until is not None and prior.film is None:
        late_priors.wait(site, job, plan, until, prior)
        return
    waited = time.time() - job.state_since
    if (
        prior.outcome is PriorOutcome.NOT_IN_TIME
        and waited < site.settings.limits.prior_wait_seconds
    ):
        raise Unreachable(f"prior: {prior.reason}")
    log.info("rule %r, prior: %s", plan.rule.name, prior.outcome)
    jobs.advance(
        site.database,
        job,
        State.READING,
        reason=f"prior {prior.outcome}",
        rule=plan.rule.name,
        prior=report.prior_to_json(prior),
        priority=max(job.priority, plan.rule.at_least),
        prior_until=None,
    )
    site.ring(jobs.READ)


def read(site: Site, job: Job, engine: Engine) -> None:
    """Let the model read, and publish the report unless somebody else did."""
    plan = plan_of(site, job)
    prior = report.prior_from_json(job.prior or "")
    try:
        result = _reading(site, job, plan, prior, engine)
    except Gone:
        if _often(site, job, _PRIOR_GONE) < site.settings.limits.attempts:
            jobs.advance(site.database, job, State.FETCHING, reason=_PRIOR_GONE)
            site.ring(jobs.FETCH)
            return
        prior = Prior(PriorOutcome.NOT_IN_TIME, f"{_PRIOR_GONE} each time")
        result = _reading(site, job, plan, prior, engine)
    result = following.followed(site, result)
    published = jobs.advance(
        site.database,
        job,
        State.READ,
        also=None if result.not_read else late_priors.reopening(site, job, plan, prior),
        report=report.to_json(result),
    )
    if published:
        log.info("read: %s", _told(result))
        site.ring(jobs.DELIVER)
    else:
        log.warning("another worker has this job by now; this reading is discarded")


def deliver(site: Site, job: Job) -> None:
    """Build the objects, once; send what is not there yet."""
    if later := corrections.later(site.database, job):
        _end(site, job, State.DONE, f"revision {later} takes its place")
        return
    result = readings.of(job)
    persons.guard(site, job, lambda: persons.of_film(site, job, result))
    if not building.is_built(site, job):
        building.build(site, job, result, *films(site, job, result))
    sending.bring(site, job, result)
    _end(site, job, *_ending(result))


def retract(site: Site, job: Job) -> None:
    """Bring the notes that take back what was sent."""
    sending.bring(site, job, readings.of(job))
    _end(site, job, State.RETRACTED, "withdrawn by hand")


def plan_of(site: Site, job: Job) -> Plan:
    """The rule and the film for the files of a job."""
    return rules.plan(_study(site, job), site.configuration.rules)


def films(site: Site, job: Job, result: Report) -> tuple[Path, Path | None]:
    """Where the current film and the prior of a report lie.

    Raises:
        BadStudy: the current film has been deleted.
    """
    current = site.spool.film(job.study_instance_uid, result.film.sop_instance_uid)
    if not current.exists():
        raise BadStudy("the film that was read is no longer in the spool (see retention)")
    return current, prior_path(site, result.prior)


def prior_path(site: Site, prior: Prior) -> Path | None:
    """Where the film of a prior lies; None when none was used, or when it has been deleted."""
    if prior.film is None:
        return None
    folder = site.spool.prior(prior.film.study_instance_uid)
    path = folder / f"{prior.film.sop_instance_uid}.dcm"
    return path if path.exists() else None


def _reading(site: Site, job: Job, plan: Plan, prior: Prior, engine: Engine) -> Report:
    path = prior_path(site, prior)
    if prior.film is not None and path is None:
        raise Gone(_PRIOR_GONE)
    return reading.read(
        job=str(job.id),
        revision=job.revision,
        plan=plan,
        prior=prior,
        prior_path=path,
        vocabulary=site.configuration.vocabulary,
        engine=engine,
        progress=lambda done, total: log.debug("question %d of %d", done, total),
    )


def _often(site: Site, job: Job, reason: str) -> int:
    """How often a job was handed on for this reason."""
    told = history(site.database, job.id)
    return sum(event.what == f"{State.FETCHING}: {reason}" for event in told)


def _study(site: Site, job: Job) -> Study:
    paths = [site.spool.root / path for path in revisions.paths(site.database, job)]
    if not paths:
        raise BadStudy("the received files are no longer in the spool (see retention)")
    return read_study(paths)


def _search(site: Site, job: Job, plan: Plan) -> Prior:
    archive, section = site.archive(), site.settings.archive
    if plan.rule.priors is None:
        return reading.without_prior("the rule asks for none")
    if archive is None or section is None:
        return reading.without_prior("no archive is configured")

    def retrieve(series: FoundSeries, seconds: float) -> list[Path]:
        study = series.study_instance_uid
        if site.spool.free_bytes() < site.settings.receive.least_for_priors:
            raise Unreachable("the disk is short of room (receive.disk_reserve)")
        # What the archive still has under way when we give up must not become a study either.
        counts_for = seconds + section.timeout_seconds
        with retrieving(site.database, job.id, study, section.ae_title, counts_for) as message_id:
            into = site.spool.want_prior(study)
            return archive.retrieve(series, into, message_id=message_id, seconds=seconds)

    found = find_prior(
        study=_study(site, job),
        film=plan.choice.film,
        rule=plan.rule.priors,
        archive=archive,
        retrieve=retrieve,
        wait_seconds=site.settings.limits.prior_wait_seconds,
    )
    return found.prior


def _ending(result: Report) -> tuple[State, str]:
    """How a study ends of which all that there is to say has been brought to its destinations."""
    if result.not_read is None:
        return State.DONE, ""
    ends = {NotReadBecause.NOT_SUITABLE: State.REFUSED, NotReadBecause.UNREADABLE: State.FAILED}
    return ends[result.not_read.because], result.not_read.reason


def _told(result: Report) -> str:
    if result.not_read is not None:
        return f"{result.not_read.because}: {result.not_read.reason}"
    return f"{len(result.present)} finding(s) present, {len(result.unread)} unread"


def _end(site: Site, job: Job, state: State, reason: str) -> None:
    if jobs.advance(site.database, job, state, reason=reason):
        log.log(
            logging.WARNING if state is State.FAILED else logging.INFO,
            "%s%s",
            state,
            f": {reason}" if reason else "",
        )
