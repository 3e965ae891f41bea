"""What takes how much of the disk, and what of it would go if the disk were short now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from dicom_node.ledger import kept
from dicom_node.ledger.database import Database
from dicom_node.ledger.jobs import State
from dicom_node.ledger.kept import Ended
from dicom_node.retention import rules
from dicom_node.retention.deleting import priors_here, studies_here
from dicom_node.sections import RetentionSection
from dicom_node.spool import Spool, size_of


@dataclass(frozen=True, slots=True)
class Use:
    """Files of one kind: how many (studies, jobs or files) and how many bytes they take.

    ``seconds``: how long one stays, counted from its end or from when it came; None for those
    that stay until their study has ended. ``early_bytes``: what would be deleted if the disk were
    short now.
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
        ("results", spool.root / "results", retention.correctable),
        ("quarantine", spool.quarantine, retention.quarantine),
        ("being received", spool.incoming, retention.incoming),
    )
    return [
        *_studies(database, spool, retention),
        _priors(database, spool, retention),
        *(
            Use(what, sum(1 for _ in folder.glob("*")), size_of(folder), kept_for.total_seconds())
            for what, folder, kept_for in others
        ),
    ]


def _studies(database: Database, spool: Spool, retention: RetentionSection) -> Iterable[Use]:
    here = list(studies_here(spool))
    ended = {one.study_instance_uid: one for one in kept.ended(database, here)}
    now = kept.clock(database)
    early = {one.study_instance_uid for one in rules.early_studies(ended.values(), retention, now)}
    is_of: list[tuple[str, timedelta | None, Callable[[Ended | None], bool]]] = [
        ("studies under way", None, lambda one: one is None),
        ("studies done", retention.done, lambda one: one is not None and _is_done(one)),
        (
            "studies refused, or without an image",
            retention.refused,
            lambda one: one is not None and one.state in (State.REFUSED, None),
        ),
        (
            "studies failed",
            retention.failed,
            lambda one: one is not None and one.state is State.FAILED,
        ),
    ]
    sizes = {uid: size_of(spool.study(uid)) for uid in here}
    for what, kept_for, belongs in is_of:
        mine = [uid for uid in here if belongs(ended.get(uid))]
        yield Use(
            what=what,
            count=len(mine),
            bytes=sum(sizes[uid] for uid in mine),
            seconds=None if kept_for is None else kept_for.total_seconds(),
            early_bytes=sum(sizes[uid] for uid in mine if uid in early),
        )


def _is_done(study: Ended) -> bool:
    return study.state in (State.DONE, State.RETRACTED)


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
