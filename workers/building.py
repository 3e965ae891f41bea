"""The objects of a report are built for each destination, and what withdraws earlier ones there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from dicom_node import durable, outputs, rules
from dicom_node.errors import NodeError, Unreachable
from dicom_node.ledger import corrections, deliveries, jobs, leases
from dicom_node.ledger.corrections import Standing
from dicom_node.ledger.deliveries import REJECTION, RETRACTION, Made
from dicom_node.ledger.jobs import Job
from dicom_node.outputs import Material
from dicom_node.report import Report
from dicom_node.retention.ballast import NOTHING, drop_ballast
from workers import correcting
from workers.correcting import superseded_by, superseding
from workers.places import Place
from workers.site import Site, longest_task_seconds


def build(site: Site, job: Job, result: Report, current: Path, prior: Path | None) -> None:
    """Make the objects of the rule for every destination, and what withdraws there what earlier
    revisions of the study have sent; enter them in the ledger.

    The same report makes the same bytes, so that doing it again after a crash changes nothing.

    Raises:
        BadStudy: the report does not fit the vocabulary or the film.
        Unreachable: an earlier revision is being sent just now, or the disk is short of room.
    """
    standing = corrections.before(site.database, job)
    with _alone_when_short(site, job) as least_free:
        try:
            made = _made(site, job, result, (current, prior), standing, least_free=least_free)
            correcting.keep(site, job, result, current)
        except (NodeError, OSError):
            _discard(site, job)
            if least_free < site.settings.receive.least_for_results:
                drop_ballast(site.spool)  # at the next attempt there is so much more
            raise
    corrections.take_place(site.database, job, made, standing)


def is_built(site: Site, job: Job) -> bool:
    """Whether the results of a job were made since the last of them were withdrawn."""
    return any(
        row.made.retractions == job.retractions and row.made.output != RETRACTION
        for row in deliveries.of_job(site.database, job.id)
    )


def _made(
    site: Site,
    job: Job,
    result: Report,
    films: tuple[Path, Path | None],
    standing: Standing,
    *,
    least_free: int,
) -> list[Made]:
    rule = rules.rule_named(result.rule, site.configuration.rules)
    made: list[Made] = []
    for destination in site.settings.destinations:
        stands = standing.at(destination.name)
        material = Material(
            report=result,
            vocabulary=site.configuration.vocabulary,
            profile=site.settings.profile(destination.profile),
            current=films[0],
            prior=films[1],
            series=site.settings.result_series,
            predecessors=correcting.predecessors(job, stands),
        )
        place = Place(site, job, destination.name, job.retractions)
        results = []
        for reference, dataset in outputs.build(material, rule.outputs):
            # On a machine with much to do an object may take as long as a lease lasts.
            if not leases.renew(site.database, job, longest_task_seconds(site.settings)):
                raise Unreachable("somebody else has this study by now")
            output = reference.output
            outputs.write(dataset, place.path(output), least_free=least_free)
            results.append(place.row(output, reference, superseded_by(output, stands)))
        made += [*results, *superseding(place, material, stands, results)]
    return made


@contextmanager
def _alone_when_short(site: Site, job: Job) -> Iterator[int]:
    """How much has to stay free, in bytes. When the disk is short one study after the other is
    built: several at once would each take the room that another one needs to be whole.

    While nothing that was built waits to be sent, nobody else will make room: then one study may
    take all but what the ledger needs to tell of it.

    Raises:
        Unreachable: nothing is built for now.
    """
    receive, spool = site.settings.receive, site.spool
    short = spool.free_bytes() < receive.low_bytes
    with durable.alone(spool.root) if short else nullcontext():
        least = receive.least_for_results
        if short and not deliveries.others_wait(site.database, job):
            least = min(least, NOTHING)
        if spool.free_bytes() < least:
            raise Unreachable("its results wait for room on the disk (receive.disk_reserve)")
        yield least


def _discard(site: Site, job: Job) -> None:
    """Of results that are not whole nothing can be sent, and others need the room: the same report
    makes the same ones again. Nothing of them is in the ledger yet.
    """
    with site.database.reading() as connection:
        if not jobs.holds(connection, job):  # they are of who has the job by now
            return
    for destination in site.settings.destinations:
        place = Place(site, job, destination.name, job.retractions)
        for output in (*outputs.OUTPUTS, REJECTION):
            place.path(output).unlink(missing_ok=True)
        with suppress(OSError):  # what withdraws earlier ones is there, or nothing was
            place.path(REJECTION).parent.rmdir()
