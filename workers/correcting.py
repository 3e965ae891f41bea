"""What takes back what was sent: predecessors that a new report names, and rejection notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dicom_node import outputs, whose
from dicom_node.errors import BadStudy
from dicom_node.ledger import jobs, readings
from dicom_node.ledger.deliveries import REJECTION, Delivery, Made
from dicom_node.ledger.jobs import Job
from dicom_node.outputs import Material, Reference, rejection, source
from dicom_node.outputs.rejection import Reason, Rejection
from dicom_node.report import Report
from workers.places import Place
from workers.site import Site

_SR = "sr"


def predecessors(job: Job, standing: Sequence[Delivery]) -> tuple[Reference, ...]:
    """The Structured Reports of a destination that a new one takes the place of: all of them, for
    of the latest it may not be known whether it is there.
    """
    return tuple(_reference(job, row) for row in standing if row.made.output == _SR)


def superseded_by(output: str, standing: Sequence[Delivery]) -> list[Delivery]:
    """What an object of this name takes the place of by itself: an SR that of others."""
    return [row for row in standing if output == row.made.output == _SR]


def superseding(
    place: Place, material: Material, standing: Sequence[Delivery], results: Sequence[Made]
) -> list[Made]:
    """The note that takes back what no object among ``results`` takes the place of, if any."""
    succeeded = {row for one in results for row in one.withdraws}
    named = [row for row in standing if row.id not in succeeded]
    if not named:
        return []
    earlier = any(row.job != place.job.id for row in named)
    who = f"revision {place.job.revision} of the results" if earlier else "a new reading"
    why = f"{who} takes their place"
    about = _about(place, material, max(row.job for row in named))
    return [note(place, about, named, output=REJECTION, reason=Reason.QUALITY, why=why)]


def note(
    place: Place,
    material: Material,
    named: Sequence[Delivery],
    *,
    output: str,
    reason: Reason,
    why: str,
) -> Made:
    """Write a rejection note, and tell what the ledger is to know of it."""
    references = tuple(_reference(place.job, row) for row in named)
    dataset = rejection.build(material, Rejection(reason, why, references))
    outputs.write(dataset, place.path(output))
    return place.row(output, outputs.reference(output, dataset), named)


def keep(site: Site, job: Job, result: Report, film: Path) -> None:
    """Keep of the film what a note needs; retention deletes the film long before it."""
    source.keep_header(film, result.film, site.spool.header(job.id))
    whose.keep(site.spool, job.study_instance_uid, job.id)


def header(site: Site, job: Job, result: Report) -> Path:
    """Where the header of the film that a job read is kept.

    Raises:
        BadStudy: nowhere any more.
    """
    film = site.spool.film(job.study_instance_uid, result.film.sop_instance_uid)
    for path in (site.spool.header(job.id), film):
        if path.exists():
            return path
    raise BadStudy("the header of the film is no longer in the spool (see retention)")


def _about(place: Place, material: Material, job: int) -> Material:
    """What a note is made from that takes back results of a job: it is about the film that these
    are about, and has their identity, in whatever words a later film states it.
    """
    if job == place.job.id:
        return material
    earlier = jobs.get(place.site.database, job)
    path = header(place.site, earlier, readings.of(earlier))
    film, _ = source.whose(path, material.report.film)
    return replace(material, current=path, report=replace(material.report, film=film))


def _reference(job: Job, row: Delivery) -> Reference:
    return Reference(
        output=row.made.output,
        study_instance_uid=job.study_instance_uid,
        series_instance_uid=row.made.series_instance_uid,
        sop_class_uid=row.made.sop_class_uid,
        sop_instance_uid=row.made.sop_instance_uid,
    )
