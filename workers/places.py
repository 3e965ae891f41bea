"""Where what was made for a destination lies, and what the ledger is to know of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dicom_node.ledger.deliveries import Delivery, Made
from dicom_node.ledger.jobs import Job
from dicom_node.outputs import Reference
from workers.site import Site


@dataclass(frozen=True, slots=True)
class Place:
    """Where the objects of a job for one destination are written.

    ``retractions`` counts how often results of the job have been withdrawn before them.
    """

    site: Site
    job: Job
    destination: str
    retractions: int

    def path(self, output: str) -> Path:
        """The file of one; no object is written where an earlier one may still wait."""
        name = f"{output}-{self.retractions}" if self.retractions else output
        return self.site.spool.results(self.job.id) / self.destination / f"{name}.dcm"

    def row(self, output: str, made: Reference, withdraws: Sequence[Delivery] = ()) -> Made:
        """What the ledger is to know of one."""
        return Made(
            destination=self.destination,
            output=output,
            sop_instance_uid=made.sop_instance_uid,
            series_instance_uid=made.series_instance_uid,
            sop_class_uid=made.sop_class_uid,
            path=self.site.spool.below(self.path(output)),
            retractions=self.retractions,
            withdraws=tuple(row.id for row in withdraws),
        )
