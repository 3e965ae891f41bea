"""The picture of a study: prior and current side by side, with what was found."""

from __future__ import annotations

from pathlib import Path

from dicom_node.headers import read_study
from dicom_node.ledger.jobs import Job
from dicom_node.picture import draw
from dicom_node.pixels import read_frame
from dicom_node.report import Report
from dicom_node.vocabulary import Vocabulary
from workers import reading, way
from workers.site import Site


def of_job(site: Site, job: Job, result: Report, path: Path) -> Path:
    """Draw the picture of a job that was read.

    Raises:
        BadStudy: the film has been deleted by retention.
    """
    current, prior = way.films(site, job, result)
    return of_files(result, site.configuration.vocabulary, current, prior, path)


def of_files(
    result: Report, vocabulary: Vocabulary, current: Path, prior: Path | None, path: Path
) -> Path:
    """Draw the picture of a report over its films; returns where it was written."""
    (film,) = read_study([current]).instances
    path.parent.mkdir(parents=True, exist_ok=True)
    draw(result, vocabulary, read_frame(film), reading.prior_frame(prior), path)
    return path
