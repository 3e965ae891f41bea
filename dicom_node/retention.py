"""How long received files are kept once their study has ended; never before."""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import PurePosixPath

from sqlalchemy import exists, or_, select, update

from dicom_node.ledger.database import Database, now
from dicom_node.ledger.history import note
from dicom_node.ledger.jobs import State
from dicom_node.ledger.tables import instances, jobs
from dicom_node.sections import RetentionSection
from dicom_node.spool import Spool

log = logging.getLogger(__name__)

_SECONDS_A_DAY = 86_400


def sweep(database: Database, spool: Spool, retention: RetentionSection) -> None:
    """Delete the files of each study whose every revision ended longer ago than is wanted, and
    the priors that were fetched longer ago than any study is kept.

    What a rejection note needs of a film stays for longer.
    """
    for state, days in (
        (State.DONE, retention.done_days),
        (State.RETRACTED, retention.done_days),
        (State.REFUSED, retention.refused_days),
        (State.FAILED, retention.failed_days),
    ):
        for study, job in _over(database, state, days):
            spool.delete(study, _forget_files(database, study, job))
            for number in _jobs_of(database, study):
                _forget_results(spool, number)
    _forget_headers(spool, retention.correctable_days)
    _forget_priors(spool, max(retention.done_days, retention.refused_days, retention.failed_days))


def _over(database: Database, state: State, days: float) -> list[tuple[str, int]]:
    """(Study Instance UID, job) of each latest revision that ended so long ago in this state."""
    later = jobs.alias("later")
    rows = select(jobs.c.study_instance_uid, jobs.c.id).where(
        jobs.c.state == state,
        jobs.c.state_since < now() - days * _SECONDS_A_DAY,
        # Of the study, not of this revision: one that was opened for a late prior has none.
        exists().where(
            instances.c.study_instance_uid == jobs.c.study_instance_uid,
            instances.c.job_id <= jobs.c.id,
            instances.c.path != "",
        ),
        ~exists().where(
            later.c.study_instance_uid == jobs.c.study_instance_uid,
            or_(
                later.c.id > jobs.c.id,
                later.c.state.not_in([one for one in State if one.is_final]),
            ),
        ),
    )
    with database.reading() as connection:
        return [(row.study_instance_uid, row.id) for row in connection.execute(rows)]


def _forget_results(spool: Spool, job: int) -> None:
    """All that was made for a job, but for the header of its film."""
    header = spool.header(job)
    for path in spool.results(job).glob("*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path != header:
            path.unlink(missing_ok=True)


def _forget_headers(spool: Spool, days: float) -> None:
    """Those of which nothing can be withdrawn any more, with the last notes beside them."""
    oldest = time.time() - days * _SECONDS_A_DAY
    for header in spool.headers():
        if header.stat().st_mtime < oldest:
            shutil.rmtree(header.parent, ignore_errors=True)


def _forget_priors(spool: Spool, days: float) -> None:
    """Fetched studies are copies of the archive's: the longest time that a job may need them."""
    oldest = time.time() - days * _SECONDS_A_DAY
    for folder in spool.priors.iterdir():
        if folder.stat().st_mtime < oldest:
            shutil.rmtree(folder, ignore_errors=True)


def _forget_files(database: Database, study: str, job: int) -> list[PurePosixPath]:
    """The files to be deleted: those entered by now, not one that arrives meanwhile."""
    mine = instances.c.study_instance_uid == study, instances.c.job_id <= job
    with database.writing() as connection:
        paths = connection.execute(select(instances.c.path).where(*mine, instances.c.path != ""))
        found = [PurePosixPath(path) for path in paths.scalars()]
        connection.execute(update(instances).where(*mine).values(path=""))
        note(connection, job, "received files deleted by retention")
    log.info("received files of job %d deleted by retention", job)
    return found


def _jobs_of(database: Database, study: str) -> list[int]:
    rows = select(jobs.c.id).where(jobs.c.study_instance_uid == study)
    with database.reading() as connection:
        return list(connection.execute(rows).scalars())
