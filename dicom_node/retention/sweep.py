"""What is deleted whose time is over, though there is room for it."""

from __future__ import annotations

import logging
import shutil
import time
from datetime import timedelta
from pathlib import Path

from dicom_node import whose
from dicom_node.ledger import kept, quarantined
from dicom_node.ledger.database import Database
from dicom_node.retention import rules
from dicom_node.retention.deleting import (
    BY_RETENTION,
    clear_gone,
    delete_results,
    delete_study,
    priors_here,
    studies_here,
)
from dicom_node.sections import RetentionSection
from dicom_node.spool import Spool, aged, size_of

log = logging.getLogger(__name__)

#: A folder without any object for so long: what was to come into it was set aside.
_EMPTY_FOR = timedelta(hours=1)


def sweep(database: Database, spool: Spool, retention: RetentionSection) -> None:
    """Delete the files of each study whose every revision ended longer ago than is wanted, what
    the quarantine and the cache of earlier studies hold beyond their time and size, and what
    belongs to nothing any more.

    Raises:
        Unreachable: the ledger does not answer.
    """
    _studies(database, spool, retention)
    _results(database, spool, retention)
    _priors(database, spool, retention)
    _quarantine(database, spool, retention)
    kept.forget_retrievals(database)


def _studies(database: Database, spool: Spool, retention: RetentionSection) -> None:
    now = kept.clock(database)
    for one in kept.ended(database, studies_here(spool)):
        if rules.is_overdue(one, retention, now):
            delete_study(database, spool, one, BY_RETENTION)
    for study in studies_here(spool):
        if _is_older(spool.study(study), _EMPTY_FOR):
            spool.delete(study, ())


def _results(database: Database, spool: Spool, retention: RetentionSection) -> None:
    """What was made of studies whose files have been deleted: the headers too, with the last notes
    beside them, once nothing is to be withdrawn any more.
    """
    now = kept.clock(database)
    here = spool.jobs_with_results()
    studies = kept.studies_of(database, here)
    left = {job: uid for job, uid in studies.items() if not spool.study(uid).exists()}
    over = {study.study_instance_uid: study for study in kept.ended(database, set(left.values()))}
    for job, uid in left.items():
        study = over.get(uid)  # none of what is under way: not sent yet, or to be withdrawn
        if study is None:
            continue
        if rules.is_past_correcting(study, retention, now) and spool.header(job).exists():
            text = "header of the film deleted: nothing can be withdrawn any more"
            if kept.note_deletion(database, study, job, text):
                shutil.rmtree(spool.results(job), ignore_errors=True)
        elif rules.is_overdue(study, retention, now):
            delete_results(spool, job)
    for job in here:  # of a ledger that was lost
        if job not in studies and _is_older(spool.header(job), retention.correctable):
            shutil.rmtree(spool.results(job), ignore_errors=True)
    whose.clear(spool)


def _priors(database: Database, spool: Spool, retention: RetentionSection) -> None:
    clear_gone(spool)
    cached = priors_here(spool)
    oldest = time.time() - retention.priors.total_seconds()
    newest = sorted(cached, key=lambda one: one.since, reverse=True)
    uids = (one.study_instance_uid for one in newest)
    sizes = ((uid, size_of(spool.prior(uid))) for uid in uids)
    beyond = set(rules.over_size(sizes, retention.priors_size))
    for prior in rules.free_priors(cached, kept.needed(database)):
        if prior.since < oldest or prior.study_instance_uid in beyond:
            spool.delete_prior(prior.study_instance_uid, prior.since)


def _quarantine(database: Database, spool: Spool, retention: RetentionSection) -> None:
    found = [one for one in aged(spool.quarantine) if one[0].is_file()]
    found.sort(key=lambda one: one[1])
    sizes = ((path.name, size_of(path)) for path, _ in found)
    beyond = set(rules.over_size(sizes, retention.quarantine_size))
    for path, seconds in found:
        if seconds > retention.quarantine.total_seconds() or path.name in beyond:
            path.unlink(missing_ok=True)
    rows = quarantined.kept(database)
    if gone := [row for row, path in rows.items() if not (spool.root / path).exists()]:
        quarantined.deleted(database, gone)
        log.info("%d object(s) in quarantine deleted by retention", len(gone))


def _is_older(path: Path, age: timedelta) -> bool:
    try:
        return path.stat().st_mtime < time.time() - age.total_seconds()
    except FileNotFoundError:  # there was none, or another edge was faster
        return False
