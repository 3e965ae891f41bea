"""Making room when the disk is short, in the order of :mod:`dicom_node.retention.rules`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from dicom_node.ledger import kept
from dicom_node.ledger.database import Database
from dicom_node.retention import rules
from dicom_node.retention.ballast import NOTHING, drop_ballast
from dicom_node.retention.deleting import (
    FOR_ROOM,
    delete_result,
    delete_study,
    priors_here,
    studies_here,
)
from dicom_node.sections import RetentionSection
from dicom_node.spool import Spool

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Made:
    """What was deleted, and whether that was enough."""

    priors: int = 0
    results: int = 0
    studies: int = 0
    enough: bool = False


def make_room(
    database: Database, spool: Spool, retention: RetentionSection, low_bytes: int
) -> Made:
    """Delete until so many bytes are free, or nothing is left that may go.

    Raises:
        Unreachable: the ledger does not answer; without it nothing is deleted.
    """
    made = Made(enough=spool.free_bytes() >= low_bytes)
    if made.enough:
        return made
    if spool.free_bytes() < NOTHING:
        drop_ballast(spool)
    # A step at a time: each looks at the disk anew, for other edges make room as well.
    for kind in _deleted(database, spool, retention):
        made.priors += kind == "prior"
        made.results += kind == "result"
        made.studies += kind == "study"
        if spool.free_bytes() >= low_bytes:
            made.enough = True
            break
    if made.results or made.priors or made.studies:
        log.warning(
            "the disk was short of room: %d earlier studies, %d result(s) that are at their "
            "destinations and %d studies deleted",
            made.priors,
            made.results,
            made.studies,
        )
    return made


def _deleted(database: Database, spool: Spool, retention: RetentionSection) -> Iterator[str]:
    for prior in rules.free_priors(priors_here(spool), kept.needed(database)):
        if spool.delete_prior(prior.study_instance_uid, prior.since):
            yield "prior"
    for path in kept.there(database, studies_here(spool)):
        if delete_result(spool, path):
            yield "result"
    found = kept.ended(database, studies_here(spool))
    for study in rules.early_studies(found, retention, kept.clock(database)):
        if delete_study(database, spool, study, FOR_ROOM):
            yield "study"
