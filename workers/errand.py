"""What one sender does for one study at one destination, and whether it still may."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from dicom_node.errors import Unreachable
from dicom_node.ledger import deliveries, leases
from dicom_node.ledger.deliveries import Delivery, DeliveryState
from dicom_node.ledger.jobs import Job
from dicom_node.peer import Peer
from dicom_node.sections import DestinationSection
from workers.site import Site, longest_task_seconds

#: A lease is made longer once so much of it has gone by.
_RENEW_AFTER = 0.1


@dataclass(slots=True)
class Lease:
    """The sender's hold on a job: made longer while it works, so that nobody else sends as well."""

    site: Site
    job: Job
    _since: float = field(default_factory=time.monotonic)

    def holds(self) -> bool:
        """Whether the job is still this sender's; before each thing that takes its time."""
        seconds, asked = longest_task_seconds(self.site.settings), time.monotonic()
        if asked - self._since < seconds * _RENEW_AFTER:
            return True
        try:
            renewed = leases.renew(self.site.database, self.job, seconds)
        except Unreachable:  # the ledger: so nobody knows, and what was sent is told all the same
            return False
        if not renewed:
            return False
        self._since = asked
        return True


@dataclass(frozen=True, slots=True)
class Errand:
    """A study and a destination."""

    site: Site
    job: Job
    destination: DestinationSection
    lease: Lease

    @property
    def peer(self) -> Peer:
        """Where to."""
        return self.site.settings.peer(self.destination.name, self.destination)

    def rows(self, *states: DeliveryState, notes: tuple[str, ...] | None = None) -> list[Delivery]:
        """What is to be there and is in one of these states; of the notes of these names, none:
        the results, or of all.
        """
        return [
            row
            for row in deliveries.of_job(self.site.database, self.job.id)
            if row.made.destination == self.destination.name
            and row.counts
            and row.state in states
            and (notes is None or (row.made.output in notes if notes else not row.made.is_note))
        ]

    def outcome(
        self, row: Delivery, state: DeliveryState, reason: str = "", *, tried: bool = False
    ) -> None:
        """Write down what became of an object, and whether it was sent for that; nothing when
        somebody else has the job by now.
        """
        deliveries.outcome(self.site.database, self.job, row, state, reason, tried=tried)
