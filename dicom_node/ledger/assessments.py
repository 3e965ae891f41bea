"""What radiologists said of results: accepted, modified or rejected, and of which job."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from dicom_node import report
from dicom_node.errors import BadStudy
from dicom_node.ledger.database import Database, now
from dicom_node.ledger.history import note
from dicom_node.ledger.tables import assessments, deliveries, jobs
from dicom_node.tracking import tracking_uids

log = logging.getLogger(__name__)


class Verdict(StrEnum):
    """What was said of a result."""

    ACCEPTED = "accepted"
    MODIFIED = "modified"  # accepted after modification
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Assessed:
    """A verdict, and on what.

    ``result`` is the SOP Instance UID of the object, empty where only a finding is named;
    ``finding`` its Tracking UID, empty for the whole object; ``original`` the object of which
    ``result`` is said to be a changed copy, empty where that is not said.
    """

    result: str
    finding: str
    verdict: Verdict
    original: str = ""


@dataclass(frozen=True, slots=True)
class Assessment:
    """An assessment that was received.

    ``unreviewed`` counts what it names without a verdict; ``unclear`` says, in words of this
    project alone, what was not understood.
    """

    sop_instance_uid: str
    study_instance_uid: str
    assessed: tuple[Assessed, ...]
    unreviewed: int = 0
    unclear: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Latest:
    """What was said last (``at``: seconds since 1970) of a result or of a finding in it.

    ``count`` assessments, the latest included, have said something of it. ``finding_name`` is its
    name in the vocabulary, empty for the whole and where no report of the job has the finding.
    """

    at: float
    result: str
    finding: str
    verdict: Verdict
    sop_instance_uid: str
    count: int
    finding_name: str = ""


def enter(connection: Connection, given: Assessment, sender: str) -> None:
    """Enter an assessment in the transaction of its object; one entered already changes nothing.

    ``sender`` is the AE title that sent it, empty where it was found in the spool.
    """
    told: dict[int, Counter[str]] = {}
    strange = 0
    for one in given.assessed:
        job = _job_of(connection, given.study_instance_uid, one)
        if job is None:
            strange += 1
        else:
            told.setdefault(job, Counter())[one.verdict] += 1
        _insert(connection, given.sop_instance_uid, one, job)
    for job, verdicts in told.items():
        parts = [f"{count} {verdict}" for verdict, count in sorted(verdicts.items())]
        parts += [f"{given.unreviewed} without a verdict"] if given.unreviewed else []
        parts += [f"not understood: {reason}" for reason in given.unclear]
        note(
            connection, job, f"assessment{f' from {sender}' if sender else ''}: {', '.join(parts)}"
        )
    if strange:
        log.warning(
            "an assessment names %d result(s) that are not of this ledger and its study", strange
        )
    for reason in given.unclear:
        log.warning("an assessment is not understood: %s", reason)


def of_job(database: Database, job: int) -> tuple[Latest, ...]:
    """What was said last of each result of a job, and of each finding in it; oldest first."""
    rows = (
        select(assessments)
        .where(assessments.c.job_id == job)
        .order_by(assessments.c.at, assessments.c.id)
    )
    found: dict[tuple[str, str], Latest] = {}
    with database.reading() as connection:
        names = _names(connection.execute(select(jobs).where(jobs.c.id == job)).one())
        for row in connection.execute(rows):
            key = row.result_sop_instance_uid, row.tracking_uid
            before = found.pop(key, None)
            found[key] = Latest(
                at=row.at,
                result=row.result_sop_instance_uid,
                finding=row.tracking_uid,
                verdict=Verdict(row.verdict),
                sop_instance_uid=row.sop_instance_uid,
                count=1 if before is None else before.count + 1,
                finding_name=names.get(row.tracking_uid, ""),
            )
    return tuple(found.values())


def _insert(connection: Connection, sop_instance_uid: str, one: Assessed, job: int | None) -> None:
    key = {
        "sop_instance_uid": sop_instance_uid,
        "result_sop_instance_uid": one.result,
        "tracking_uid": one.finding,
    }
    if connection.execute(select(assessments.c.id).filter_by(**key)).first() is None:
        connection.execute(
            insert(assessments).values(**key, verdict=one.verdict, job_id=job, at=now())
        )


def _job_of(connection: Connection, study_instance_uid: str, one: Assessed) -> int | None:
    """The job whose result is meant; None where there is none, or not just one, or where it is of
    another study than the assessment: that may be about somebody else.
    """
    for uid in filter(None, (one.result, one.original)):
        sent = (
            select(deliveries.c.job_id)
            .join(jobs, jobs.c.id == deliveries.c.job_id)
            .where(
                deliveries.c.sop_instance_uid == uid,
                jobs.c.study_instance_uid == study_instance_uid,
            )
            .distinct()
        )
        if (job := _only(connection.execute(sent).scalars().all())) is not None:
            return job
    return _only(_jobs_with(connection, study_instance_uid, one.finding)) if one.finding else None


def _only(found: Sequence[int]) -> int | None:
    return found[0] if len(found) == 1 else None


def _jobs_with(connection: Connection, study_instance_uid: str, tracking_uid: str) -> list[int]:
    """The jobs of a study in whose reports, sent or withdrawn, a finding has this UID.

    Of the study alone: a UID goes on from one study to the next.
    """
    rows = select(jobs).where(jobs.c.study_instance_uid == study_instance_uid)
    return [row.id for row in connection.execute(rows) if tracking_uid in _names(row)]


def _names(job: Row[Any]) -> dict[str, str]:
    """The name of the finding of each Tracking UID that results of a job have had; none where it
    has no report, or one that this program cannot read.
    """
    try:
        told = report.from_json(job.report or "")
    except BadStudy:
        return {}
    return {
        uid: finding.name
        for count in range(job.retractions + 1)
        for finding, uid in zip(
            told.findings, tracking_uids(replace(told, retractions=count)), strict=True
        )
    }
