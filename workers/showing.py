"""What ``jobs`` and ``show`` tell: the list of studies, and the whole story of one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from dicom_node import report
from dicom_node.errors import BadStudy
from dicom_node.ledger import assessments, deliveries, history, received
from dicom_node.ledger.assessments import Latest
from dicom_node.ledger.deliveries import Delivery
from dicom_node.ledger.jobs import Job
from dicom_node.ledger.quarantined import SetAside
from dicom_node.ledger.received import Received
from dicom_node.report import Prior, Report
from dicom_node.study import Priority
from dicom_node.text import as_text
from workers import pictures
from workers.site import Site

_MINUTE = "%Y-%m-%d %H:%M"  # in a table that is to fit into a terminal
_LISTED = 100  # of what arrived
_HIDDEN = ("prior", "report", "lease_owner", "attempts")


def jobs_json(found: Sequence[Job], aside: Sequence[SetAside]) -> str:
    """The list as JSON text."""
    rows = [_job_row(job) for job in found]
    return json.dumps({"jobs": rows, "quarantine": [asdict(one) for one in aside]}, indent=2)


def jobs_table(found: Sequence[Job]) -> Table:
    """The list as a table: a line a study."""
    table = Table("job", box=None)
    for name in ("received", "state", "since"):
        table.add_column(name, no_wrap=True)
    for name in ("study", "reason"):
        table.add_column(name, overflow="fold")
    for job in found:
        table.add_row(
            str(job.id),
            _clock(job.received_at, _MINUTE),
            f"{job.state}{' *' if job.leased else ''}{_urgency(job)}",
            _clock(job.state_since, _MINUTE),
            f"{job.study_instance_uid}{f' r{job.revision}' if job.revision > 1 else ''}",
            escape(_why(job)),
        )
    return table


def quarantined(one: SetAside) -> str:
    """One object that was set aside, as a line."""
    gone = f" (deleted {_clock(one.deleted_at)})" if one.deleted_at is not None else ""
    return f"quarantined {_clock(one.at)}: {one.path}{gone}: {one.reason}"


def story_json(site: Site, job: Job) -> str:
    """The story of a study as JSON text."""
    prior = _prior(job)
    told = _job_row(job) | {
        "instances": [
            asdict(one) for one in received.listing(site.database, job.study_instance_uid)
        ],
        "prior": None if prior is None else json.loads(report.prior_to_json(prior)),
        "history": [asdict(event) for event in history.history(site.database, job.id)],
        "deliveries": [_delivery_row(one) for one in deliveries.of_job(site.database, job.id)],
        "assessments": [asdict(one) for one in assessments.of_job(site.database, job.id)],
        "report": json.loads(job.report) if job.report else None,
    }
    return json.dumps(told, indent=2)


def story(site: Site, job: Job, picture: Path | None) -> Iterator[str | Table]:
    """The story of a study in its parts; draws its picture, at ``picture`` if given."""
    result = report.from_json(job.report) if job.report else None
    yield f"job {job.id}: {job.state}{f': {why}' if (why := _why(job)) else ''}"
    yield f"study {job.study_instance_uid}, revision {job.revision}{_urgency(job)}"
    yield from _part("What arrived", _arrivals(_of_revision(site, job)))
    if result is not None:
        yield from _part("Which film", _films(result))
    if (prior := _prior(job)) is not None:
        yield from _part("Which prior", _candidates(prior))
    if result is not None and result.answers:
        yield "\nQuestions"
        yield _questions(result)
    objects = deliveries.of_job(site.database, job.id)
    yield from _part("Objects", map(_object, objects))
    said = assessments.of_job(site.database, job.id)
    yield from _part("Assessments", (_assessment(one, objects) for one in said))
    yield from _part(
        "History",
        (f"{_clock(one.at)}  {one.what}" for one in history.history(site.database, job.id)),
    )
    if result is not None:
        yield f"\nReport\n\n{as_text(result, site.configuration.vocabulary)}"
        yield _picture(site, job, result, picture)


def _part(heading: str, lines: Iterable[str]) -> Iterator[str]:
    """A heading and its lines; nothing where there are none."""
    found = [f"  {line}" for line in lines]
    if found:
        yield f"\n{heading}"
        yield from found


def _of_revision(site: Site, job: Job) -> list[Received]:
    """Without what came for later revisions."""
    found = received.listing(site.database, job.study_instance_uid)
    return [one for one in found if (one.revision or 0) <= job.revision]


def _arrivals(found: Sequence[Received]) -> Iterator[str]:
    """The first of them: of a CT with thousands of slices nobody reads the list."""
    yield from map(_arrived, found[:_LISTED])
    if len(found) > _LISTED:
        yield f"and {len(found) - _LISTED} more; --json lists all"


def _arrived(one: Received) -> str:
    sender = f" from {one.calling}" if one.calling else ""
    opens = "" if one.revision is not None else ", not to be read"
    gone = ", file deleted by retention" if one.deleted else ""
    return f"{_clock(one.at)}  {one.what} {one.sop_instance_uid}{sender}{opens}{gone}"


def _films(result: Report) -> Iterator[str]:
    yield f"{result.film.sop_instance_uid}: read: {result.why_this_film}"
    for one in result.left_out:
        yield f"{one.sop_instance_uid}: not read: {one.reason}"


def _candidates(prior: Prior) -> Iterator[str]:
    yield f"{prior.outcome}{f': {prior.reason}' if prior.reason else ''}"
    for one in prior.candidates:
        of = f" of {one.day:%Y-%m-%d}" if one.day else ""
        yield f"{one.study_instance_uid}{of}: {one.verdict}"


def _questions(result: Report) -> Table:
    table = Table("question", "finding", "about", "answer", "score", "seconds", box=None)
    for one in result.answers:
        answer = one.answer or f"not read: {one.reason}"
        if one.enforced and one.answer:
            answer = f"{answer} (form enforced)"
        table.add_row(
            one.question,
            one.finding,
            str(one.about),
            escape(answer),
            "" if one.score is None else f"{one.score:.3f}",
            f"{one.seconds:.2f}",
        )
    return table


def _object(one: Delivery) -> str:
    tried = f", {one.attempts} attempt{'' if one.attempts == 1 else 's'}"
    reason = f": {one.reason}" if one.reason else ""
    made = one.made
    gone = ", withdrawn" if one.withdrawn_by else ""
    return (
        f"{made.output} {made.sop_instance_uid} at {made.destination}: "
        f"{one.state}{gone}{tried}{reason}"
    )


def _assessment(one: Latest, objects: Sequence[Delivery]) -> str:
    """What a radiologist said last of a result; one that is no object of ours by its UID."""
    places = {row.made.sop_instance_uid: row.made for row in objects}
    made = places.get(one.result)
    where = f"{made.output} at {made.destination}" if made else one.result
    what = f"{one.finding_name or 'finding'} {one.finding}" if one.finding else "the whole object"
    latest = f", the latest of {one.count}" if one.count > 1 else ""
    return f"{_clock(one.at)}  {one.verdict}: {what}{f', {where}' if where else ''}{latest}"


def _picture(site: Site, job: Job, result: Report, picture: Path | None) -> str:
    path = picture or site.spool.results(job.id) / "picture.png"
    try:
        return f"picture: {pictures.of_job(site, job, result, path)}"
    except BadStudy as gone:
        return f"no picture: {gone}"


def _urgency(job: Job) -> str:
    """The priority where it is not the ordinary one."""
    return "" if job.priority is Priority.ROUTINE else f" {job.priority.name}"


def _why(job: Job) -> str:
    """The reason of a state; of a study that was read and waits for a prior, until when."""
    if not job.waits_for_prior or job.prior_until is None:
        return job.reason
    last = f" (last: {job.reason})" if job.reason else ""
    return f"waiting for a late prior until {_clock(job.prior_until, _MINUTE)}{last}"


def _prior(job: Job) -> Prior | None:
    return report.prior_from_json(job.prior) if job.prior else None


def _clock(seconds: float, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime(form)


def _job_row(job: Job) -> dict[str, Any]:
    return {key: value for key, value in asdict(job).items() if key not in _HIDDEN}


def _delivery_row(one: Delivery) -> dict[str, Any]:
    return asdict(one.made) | {
        "path": str(one.made.path),
        "state": one.state,
        "attempts": one.attempts,
        "reason": one.reason,
        "withdrawn_by": one.withdrawn_by,
    }
