"""What takes how much of the disk, and what of it would go if the disk were short now."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dicom_node.ledger import kept
from dicom_node.ledger.database import Database
from dicom_node.ledger.jobs import State
from dicom_node.ledger.kept import Ended
from dicom_node.retention import rules
from dicom_node.retention.deleting import priors_here, studies_here
from dicom_node.sections import RetentionSection
from dicom_node.spool import Spool, size_of

_UNDER_WAY = "studies under way"
_DONE = "studies done"
_REFUSED = "studies refused, or without an image"
_FAILED = "studies failed"
RESULTS = "results"


@dataclass(frozen=True, slots=True)
class Use:
    """Files of one kind: how many (studies, jobs or files) and how many bytes they take.

    ``seconds``: how long one stays, counted from its end or from when it came; None for those
    that stay until their study has ended, or as long as that. ``early_bytes``: what would be
    deleted if the disk were short now.
    """

    what: str
    count: int
    bytes: int
    seconds: float | None
    early_bytes: int = 0


def survey(database: Database, spool: Spool, retention: RetentionSection) -> list[Use]:
    """All that lies in the data folder but for the ledger and the broker's messages.

    Looks at every file.

    Raises:
        Unreachable: the ledger does not answer.
    """
    others = (
        ("quarantine", spool.quarantine, retention.quarantine),
        ("being received", spool.incoming, retention.incoming),
    )
    return [
        *_studies(database, spool, retention),
        _priors(database, spool, retention),
        *_made(database, spool, retention),
        *(
            Use(what, _files(folder), size_of(folder), kept_for.total_seconds())
            for what, folder, kept_for in others
        ),
    ]


def _files(folder: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(folder))


def _studies(database: Database, spool: Spool, retention: RetentionSection) -> Iterable[Use]:
    here = list(studies_here(spool))
    ended = {one.study_instance_uid: one for one in kept.ended(database, here)}
    now = kept.clock(database)
    early = {one.study_instance_uid for one in rules.early_studies(ended.values(), retention, now)}
    sizes = {uid: size_of(spool.study(uid)) for uid in here}
    kinds = {
        _UNDER_WAY: None,
        _DONE: retention.done,
        _REFUSED: retention.refused,
        _FAILED: retention.failed,
    }
    for what, stays in kinds.items():
        mine = [uid for uid in here if _kind(ended.get(uid)) == what]
        yield Use(
            what=what,
            count=len(mine),
            bytes=sum(sizes[uid] for uid in mine),
            seconds=None if stays is None else stays.total_seconds(),
            early_bytes=sum(sizes[uid] for uid in mine if uid in early),
        )


def _kind(study: Ended | None) -> str:
    if study is None:
        return _UNDER_WAY
    if study.is_done:
        return _DONE
    return _FAILED if study.state is State.FAILED else _REFUSED


def _priors(database: Database, spool: Spool, retention: RetentionSection) -> Use:
    cached = priors_here(spool)
    free = rules.free_priors(cached, kept.needed(database))
    sizes = {one: size_of(spool.prior(one.study_instance_uid)) for one in cached}
    return Use(
        what="earlier studies",
        count=len(cached),
        bytes=sum(sizes.values()),
        seconds=retention.priors.total_seconds(),
        early_bytes=sum(sizes[one] for one in free),
    )


def _made(database: Database, spool: Spool, retention: RetentionSection) -> Iterable[Use]:
    """What was made for jobs, which goes with their studies, and the headers, which stay."""
    sizes = [
        (size_of(spool.results(job)), size_of(spool.header(job)))
        for job in spool.jobs_with_results()
    ]
    made = [whole - header for whole, header in sizes if whole > header]
    delivered = kept.there(database, studies_here(spool))
    early = sum(size_of(spool.root / path) for path in delivered)
    yield Use(RESULTS, len(made), sum(made), None, early)
    headers = [header for _, header in sizes if header]
    stay = retention.correctable.total_seconds()
    yield Use("headers of films", len(headers), sum(headers), stay)
