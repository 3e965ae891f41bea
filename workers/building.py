"""The objects of a report are built for each destination, and what withdraws earlier ones there."""

from __future__ import annotations

from pathlib import Path

from dicom_node import outputs, rules
from dicom_node.errors import Unreachable
from dicom_node.ledger import corrections, deliveries, leases
from dicom_node.ledger.deliveries import RETRACTION, Made
from dicom_node.ledger.jobs import Job
from dicom_node.outputs import Material
from dicom_node.report import Report
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
        Unreachable: an earlier revision is being sent just now, or the disk takes nothing.
    """
    rule = rules.rule_named(result.rule, site.configuration.rules)
    standing = corrections.before(site.database, job)
    made: list[Made] = []
    for destination in site.settings.destinations:
        stands = standing.at(destination.name)
        material = Material(
            report=result,
            vocabulary=site.configuration.vocabulary,
            profile=site.settings.profile(destination.profile),
            current=current,
            prior=prior,
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
            outputs.write(dataset, place.path(output))
            results.append(place.row(output, reference, superseded_by(output, stands)))
        made += [*results, *superseding(place, material, stands, results)]
    correcting.keep(site, job, result, current)
    corrections.take_place(site.database, job, made, standing)


def is_built(site: Site, job: Job) -> bool:
    """Whether the results of a job were made since the last of them were withdrawn."""
    return any(
        row.made.retractions == job.retractions and row.made.output != RETRACTION
        for row in deliveries.of_job(site.database, job.id)
    )
