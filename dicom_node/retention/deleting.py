"""Deleting one thing: the ledger is told first, the files go afterwards.

All of it may be done by several edges at once; of two that delete the same, one does.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from dicom_node.ledger import kept
from dicom_node.ledger.database import Database
from dicom_node.ledger.deliveries import RETRACTION
from dicom_node.ledger.kept import Ended
from dicom_node.retention.rules import CachedPrior
from dicom_node.spool import GONE, Spool, aged, is_uid

log = logging.getLogger(__name__)

BY_RETENTION = "their retention is over"
FOR_ROOM = "the disk was short of room"


def delete_study(database: Database, spool: Spool, study: Ended, why: str) -> bool:
    """Delete the received files of a study, and all that was made of it but for the header that
    withdrawing needs. False, and nothing is deleted, when it is not as it was found any more.
    """
    paths = kept.mark_deleted(database, study, why)
    if paths is None:
        return False
    spool.delete(study.study_instance_uid, paths)
    for job in kept.jobs_of(database, study.study_instance_uid):
        delete_results(spool, job)
    return True


def delete_results(spool: Spool, job: int) -> None:
    """All that was made for a job, but for the header of its film and the notes that take back by
    hand what was sent: what has not come to its destination of these, a retry sends.
    """
    folder, header = spool.results(job), spool.header(job)
    with suppress(FileNotFoundError):
        for path in folder.iterdir():
            if path.is_dir():
                _clear(path)
            elif path != header:
                path.unlink(missing_ok=True)
    with suppress(OSError):  # something stays there, or the folder is not there
        folder.rmdir()


def _clear(destination: Path) -> None:
    with suppress(OSError):  # a note stays there, or another edge was faster
        for path in destination.iterdir():
            if not path.name.startswith(RETRACTION):
                path.unlink(missing_ok=True)
        destination.rmdir()


def delete_result(spool: Spool, path: PurePosixPath) -> bool:
    """Delete what is at its destination; False when that was done before."""
    try:
        (spool.root / path).unlink()
    except FileNotFoundError:
        return False
    with suppress(OSError):  # others lie beside it
        (spool.root / path).parent.rmdir()
    return True


def studies_here(spool: Spool) -> Iterator[str]:
    """Study Instance UIDs of all received studies of which there is a folder."""
    return (folder.name for folder in _folders(spool.studies))


def priors_here(spool: Spool) -> list[CachedPrior]:
    """All earlier studies in the cache."""
    found = []
    for folder in _folders(spool.priors):
        with suppress(FileNotFoundError):
            found.append(CachedPrior(folder.name, folder.stat().st_mtime))
    return found


def clear_gone(spool: Spool) -> None:
    """Earlier studies whose deletion was cut off."""
    for folder, _ in aged(spool.priors):
        if folder.name.startswith(GONE):
            shutil.rmtree(folder, ignore_errors=True)


def _folders(where: Path) -> Iterator[Path]:
    """Those of this node: others (``lost+found``, ``.snapshot``) are no study."""
    return (one for one in where.iterdir() if is_uid(one.name) and one.is_dir())
