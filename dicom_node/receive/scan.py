"""The scan of the spool for what an edge had not entered in the ledger when it died."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from dicom_node.errors import BadStudy
from dicom_node.headers import is_image
from dicom_node.ledger import arrivals
from dicom_node.ledger.database import Database
from dicom_node.receive.header import read_header
from dicom_node.receive.recorder import FORGOTTEN, Recorder, SetAside, Stored
from dicom_node.spool import Spool

log = logging.getLogger(__name__)

#: The ledger is asked about so many files at once: neither it nor this program holds all of them.
_AT_A_TIME = 500


def scan(
    spool: Spool, database: Database, recorder: Recorder, *, settled_seconds: float = 0.0
) -> int:
    """Tell the recorder of received files that the ledger does not know; how many there were.

    Only of those that have had their name for so long: their edge may be about to enter them.

    Raises:
        Unreachable: the ledger does not answer.
    """
    latest = time.time() - settled_seconds
    found = 0
    unreadable: list[OSError] = []
    for files, tell in (
        (spool.quarantine.iterdir(), _tell_aside),
        (spool.received(unreadable.append), _tell),
    ):
        for path in _unknown(spool, database, files):
            try:
                found += _named_before(path, latest) and tell(spool, recorder, path)
            except OSError as error:
                unreadable.append(error)
    if unreadable:
        log.error(
            "%d received file(s) or folder(s) cannot be read (%s): they stay, and are tried again",
            len(unreadable),
            unreadable[-1].strerror,
        )
    return found


def _unknown(spool: Spool, database: Database, files: Iterator[Path]) -> Iterator[Path]:
    """Of some files, those not entered."""
    while some := list(islice(files, _AT_A_TIME)):
        known = arrivals.recorded(database, [spool.below(path) for path in some])
        yield from (path for path in some if spool.below(path) not in known)


def _tell_aside(_: Spool, recorder: Recorder, path: Path) -> bool:
    recorder.tell(SetAside(path, FORGOTTEN))
    return True


def _tell(spool: Spool, recorder: Recorder, path: Path) -> bool:
    """Tell of a received file; False where it had to be set aside."""
    try:
        header = read_header(path)
    except BadStudy as error:  # it was readable when it was filed: the disk may be failing
        recorder.tell(SetAside(spool.set_aside(path), str(error)))
        return False
    recorder.tell(
        Stored(
            path=path,
            calling="",
            study_instance_uid=header.study_instance_uid,
            sop_instance_uid=header.sop_instance_uid,
            sop_class_uid=header.sop_class_uid,
            opens_job=is_image(header.sop_class_uid),
            association="",
            priority=header.priority,
        )
    )
    return True


def _named_before(path: Path, latest: float) -> bool:
    """Whether a file is there, and had its name before ``latest`` (seconds since 1970)."""
    try:
        return path.stat().st_ctime <= latest
    except FileNotFoundError:  # another edge has set it aside, or it was deleted
        return False
