"""What may be deleted, and in which order: the decision, apart from the doing.

The written order (``docs/retention.md``) for when less than ``receive.disk_low`` is free:

1. the cache of earlier studies, which the archive has too, oldest first; never one that is needed;
2. results that are at their destinations;
3. studies older than their retention, then those that are done and delivered for longer than
   ``retention.under_pressure``, oldest first;
4. nothing more: the door rejects as soon as less than ``receive.disk_reserve`` is free.

What is not read, not sent, refused or failed is never deleted earlier for want of room.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from dicom_node.ledger.jobs import State
from dicom_node.ledger.kept import Ended, Needed
from dicom_node.sections import RetentionSection

#: An earlier study's time is the file system's, the ledger's may be another machine's.
_CLOCKS_DIFFER_SECONDS = 120


@dataclass(frozen=True, slots=True)
class CachedPrior:
    """An earlier study in the cache; ``since`` (seconds since 1970): when it was last fetched."""

    study_instance_uid: str
    since: float


def kept_for(study: Ended, retention: RetentionSection) -> timedelta:
    """How long a study stays once it has ended. One without a job is as good as refused."""
    if study.is_done:
        return retention.done
    return retention.failed if study.state is State.FAILED else retention.refused


def is_overdue(study: Ended, retention: RetentionSection, now: float) -> bool:
    """Whether a study goes, pressure or not; ``now`` in seconds since 1970."""
    return study.since < now - kept_for(study, retention).total_seconds()


def is_past_correcting(study: Ended, retention: RetentionSection, now: float) -> bool:
    """Whether a study ended so long ago that nothing of it is to be withdrawn any more."""
    return study.since < now - retention.correctable.total_seconds()


def may_go_early(study: Ended, retention: RetentionSection, now: float) -> bool:
    """Whether a study goes when the disk is short: read, and all of it safe where it was sent."""
    least = min(retention.under_pressure, retention.done).total_seconds()
    return study.is_done and study.delivered and study.since < now - least


def free_priors(priors: Iterable[CachedPrior], needed: Needed) -> list[CachedPrior]:
    """Those that no job needs, oldest first."""
    asked = needed.asked_since
    latest = float("inf") if asked is None else asked - _CLOCKS_DIFFER_SECONDS
    free = (
        one for one in priors if one.since < latest and one.study_instance_uid not in needed.studies
    )
    return sorted(free, key=lambda one: one.since)


def early_studies(studies: Iterable[Ended], retention: RetentionSection, now: float) -> list[Ended]:
    """Those that go when the disk is short: the overdue ones, then the others, oldest first."""
    overdue, early = [], []
    for study in studies:
        if is_overdue(study, retention, now):
            overdue.append(study)
        elif may_go_early(study, retention, now):
            early.append(study)
    return [*sorted(overdue, key=_since), *sorted(early, key=_since)]


def over_size(sizes: Iterable[tuple[str, int]], largest: int) -> list[str]:
    """Of (name, bytes), newest first, those beyond so many bytes in all, oldest first."""
    found, held = [], 0
    for name, size in sizes:
        held += size
        if held > largest:
            found.append(name)
    return found[::-1]


def _since(study: Ended) -> float:
    return study.since
