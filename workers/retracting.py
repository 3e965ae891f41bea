"""Taking back all that was sent of a study, by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from dicom_node import whose
from dicom_node.errors import Misconfigured
from dicom_node.ledger import corrections, jobs, readings, received, retrying, revisions
from dicom_node.ledger.deliveries import RETRACTION, Made
from dicom_node.ledger.jobs import Job, State
from dicom_node.outputs import Material, source
from dicom_node.outputs.rejection import Reason
from workers import correcting
from workers.places import Place
from workers.site import Site


def retract(site: Site, number: int, reason: Reason) -> str:
    """Take back all that a job has sent; what it has not sent yet, it sends no more.

    Returns what is going to happen, as a line for people.

    Raises:
        Misconfigured: there is no such job, it has sent nothing, it is being worked on just now, or
            one of its destinations is no longer in ``node.yaml``.
        BadStudy: the header of the film is no longer kept.
    """
    job = jobs.get(site.database, number)
    if job.state in (State.RETRACTED, State.RETRACTING):
        return f"job {number} is {job.state} already; nothing was changed"
    standing = corrections.of(site.database, job)
    if not standing.rows and job.state not in (State.READ, State.DELIVERING):
        goes_on = f"; `dicom-node retry {number}` goes on with the retraction, which failed"
        raise Misconfigured(
            f"job {number} is {job.state}: nothing that it sent is still to be withdrawn"
            f"{goes_on if retrying.is_withdrawn(site.database, job) else ''}"
        )
    why = f"withdrawn by hand, for reasons of {reason}"
    notes = _notes(site, job, standing, reason, why)
    corrections.retract(site.database, job, notes, standing, why=why)
    site.ring(jobs.RETRACT)
    count, places = len(standing.rows), len(notes)
    return (
        f"job {number} is retracting: {count} object(s) at {places} destination(s); "
        f"`dicom-node show {number}` tells how it goes on{_others(site, job)}"
    )


def forget(site: Site, number: int) -> str:
    """Delete what was received of the study of a job, so that it can come again, corrected.

    Returns what was done, as a line for people.

    Raises:
        Misconfigured: there is no such job, or something that was read of the study still counts.
    """
    job = jobs.get(site.database, number)
    study, spool = job.study_instance_uid, site.spool
    deleted: list[Path] = []

    def delete_files(uids: Sequence[str]) -> None:
        deleted.extend(path for uid in uids if (path := spool.film(study, uid)).exists())
        spool.delete(study, map(spool.below, deleted))

    received.forget(
        site.database, number, study, lambda: _check_all_is_taken_back(site, job), delete_files
    )
    whose.forget(spool, study)
    return f"{len(deleted)} received file(s) of the study deleted; it can be sent again, corrected"


def _check_all_is_taken_back(site: Site, job: Job) -> None:
    for one in revisions.listing(site.database, job.study_instance_uid):
        if one.state is State.FAILED and retrying.is_withdrawn(site.database, one):
            raise Misconfigured(
                f"nothing was deleted: the retraction of job {one.id} has failed; `dicom-node "
                f"retry {one.id}` goes on with it, then once more with --forget"
            )
        ended = one.state.is_final or one.state is State.RETRACTING
        if not ended or corrections.of(site.database, one).rows:
            raise Misconfigured(
                f"nothing was deleted: job {one.id} of the same study is {one.state}; retract it "
                "as well, then once more with --forget"
            )


def _others(site: Site, job: Job) -> str:
    """Of the same study: what has sent something too, or is about to."""
    told = ""
    for one in revisions.listing(site.database, job.study_instance_uid):
        over = one.state.is_final or one.state is State.RETRACTING
        if one.id != job.id and (not over or corrections.of(site.database, one).rows):
            told += f"; job {one.id} of the same study is {one.state}: that stays"
    return told


def _notes(
    site: Site, job: Job, standing: corrections.Standing, reason: Reason, why: str
) -> list[Made]:
    """A note for each destination at which something stands."""
    destinations = {one.name: one for one in site.settings.destinations}
    if gone := {row.made.destination for row in standing.rows} - destinations.keys():
        raise Misconfigured(
            f"job {job.id} has sent results to {', '.join(sorted(gone))}, which is no longer among "
            "the destinations in node.yaml"
        )
    notes = []
    # One time for all: what destinations of one dialect get is the same note.
    result = readings.of(job)
    read_at = datetime.now().astimezone()
    for name, destination in destinations.items():
        if rows := standing.at(name):
            path = correcting.header(site, job, result)
            # Of what stands: a reading that was to take its place may be of another film.
            film, _ = source.whose(path, result.film)
            about = replace(result, film=film, read_at=read_at)
            correcting.keep(site, job, about, path)  # anew: it is needed until the note is there
            material = Material(
                report=about,
                vocabulary=site.configuration.vocabulary,
                profile=site.settings.profile(destination.profile),
                current=site.spool.header(job.id),
                series=site.settings.result_series,
            )
            place = Place(site, job, name, job.retractions + 1)
            notes.append(
                correcting.note(place, material, rows, output=RETRACTION, reason=reason, why=why)
            )
    return notes
