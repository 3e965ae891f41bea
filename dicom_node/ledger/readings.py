"""What was read: of a job, and of a film before."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import exists, select

from dicom_node import report
from dicom_node.ledger.database import Database
from dicom_node.ledger.deliveries import DeliveryState
from dicom_node.ledger.jobs import Job
from dicom_node.ledger.tables import deliveries, jobs
from dicom_node.report import Film, Report

#: The objects in which Tracking UIDs stand.
_TRACKING = ("sr", "seg")


def of(job: Job) -> Report:
    """The report of a job, as what is made from it now has to say it.

    Raises:
        BadStudy: there is none, or none that this program can read.
    """
    return _report(job.report or "", job.retractions)


def latest(database: Database, film: Film) -> Report | None:
    """The report that stands for the study of this film, if it is on this very frame; as it was
    sent last, that is with as many retractions before it.

    None where the ledger has none, where the latest revision read another film, and where no
    object of it with Tracking UIDs stands anywhere: withdrawn, refused, or never made.

    Raises:
        BadStudy: the report cannot be read by this program.
        Unreachable: the ledger does not answer.
    """
    stands = exists().where(
        deliveries.c.job_id == jobs.c.id,
        deliveries.c.retractions == jobs.c.retractions,
        deliveries.c.output.in_(_TRACKING),
        deliveries.c.state.not_in((DeliveryState.REFUSED, DeliveryState.WITHDRAWN)),
        deliveries.c.withdrawn_by.is_(None),
    )
    rows = (
        select(jobs.c.report, jobs.c.retractions, stands.label("stands"))
        .where(
            jobs.c.study_instance_uid == film.study_instance_uid,
            jobs.c.report.is_not(None),
        )
        .order_by(jobs.c.revision.desc())
        .limit(1)
    )
    with database.reading() as connection:
        row = connection.execute(rows).first()
    if row is None or not row.stands:
        return None
    found = _report(row.report, row.retractions)
    same = (found.film.sop_instance_uid, found.film.frame_number) == (
        film.sop_instance_uid,
        film.frame_number,
    )
    return found if same else None


def _report(text: str, retractions: int) -> Report:
    return replace(report.from_json(text), retractions=retractions)
