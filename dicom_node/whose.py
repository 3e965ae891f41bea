"""Of which studies a film was read: found by the study, and without the ledger.

::

    DATA/films/STUDY_UID/JOB    empty; DATA/results/JOB/film.dcm is the header of that film

The header outlives what was received of the study. By it the door knows whose the study was when
one of its images comes later, also while the ledger is away.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from dicom_node import durable
from dicom_node.errors import Unreachable
from dicom_node.spool import Spool, checked_uid


def keep(spool: Spool, study_instance_uid: str, job: int) -> None:
    """The header of the film that a job read is kept: let it be found.

    Raises:
        Unreachable: the disk does not take it.
    """
    try:
        durable.write(_folder(spool, study_instance_uid) / str(job), b"")
    except OSError as error:
        raise Unreachable(f"whose a film is cannot be kept: {error.strerror}") from None


def headers(spool: Spool, study_instance_uid: str) -> list[Path]:
    """The headers that are kept of films of a study, those of earlier revisions first.

    Raises:
        OSError: the disk does not answer.
    """
    try:
        found = [one.name for one in _folder(spool, study_instance_uid).iterdir()]
    except FileNotFoundError:
        return []
    paths = [spool.header(job) for job in sorted(int(name) for name in found if name.isdecimal())]
    return [path for path in paths if path.exists()]


def forget(spool: Spool, study_instance_uid: str) -> None:
    """A study may come again as somebody else's: all of it was taken back."""
    with suppress(FileNotFoundError):
        shutil.rmtree(_folder(spool, study_instance_uid))


def clear(spool: Spool) -> None:
    """Delete what leads to headers that were deleted."""
    for study in _all(spool).glob("*"):
        with suppress(FileNotFoundError):  # another edge was faster
            for mark in list(study.iterdir()):
                if mark.name.isdecimal() and not spool.header(int(mark.name)).exists():
                    mark.unlink()
                    with suppress(OSError):  # another film of the study is kept
                        study.rmdir()


def _folder(spool: Spool, study_instance_uid: str) -> Path:
    return _all(spool) / checked_uid(study_instance_uid)


def _all(spool: Spool) -> Path:
    return spool.root / "films"
