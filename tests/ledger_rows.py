"""Rows of the ledger as a study leaves them that was read and sent."""

from __future__ import annotations

from pathlib import PurePosixPath

from sqlalchemy import insert

from dicom_node import report
from dicom_node.ledger import deliveries, tables
from dicom_node.ledger.database import Database
from dicom_node.ledger.deliveries import Made
from dicom_node.report import Report


def read_job(database: Database, told: Report, output: str = "sr") -> int:
    """A job with this report, and an object for a destination: its SOP Instance UID is 1.2.JOB."""
    times = dict.fromkeys(("state_since", "received_at", "arrived_at", "due_at"), 0.0)
    row = {
        "study_instance_uid": told.film.study_instance_uid,
        "revision": told.revision,
        "state": "done",
        "report": report.to_json(told),
    }
    with database.writing() as connection:
        job = connection.execute(
            insert(tables.jobs).values(**row, **times).returning(tables.jobs.c.id)
        ).scalar_one()
        path = PurePosixPath("results/1/sr.dcm")
        deliveries.enter(connection, job, [Made("pacs", output, f"1.2.{job}", "1.3", path)])
    return int(job)
