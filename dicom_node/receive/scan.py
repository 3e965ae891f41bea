"""The scan of the spool for what an edge had not entered in the ledger when it died."""

from __future__ import annotations

import time
from pathlib import Path

from dicom_node.errors import BadStudy
from dicom_node.headers import is_image
from dicom_node.receive.header import read_header
from dicom_node.receive.recorder import FORGOTTEN, Recorder, SetAside, Stored
from dicom_node.spool import Spool


def scan(
    spool: Spool, recorded: set[str], recorder: Recorder, *, settled_seconds: float = 0.0
) -> int:
    """Tell the recorder of received files that the ledger does not know; how many there were.

    Only of those that have had their name for so long: their edge may be about to enter them.
    """
    found = 0
    latest = time.time() - settled_seconds
    for path in spool.quarantine.iterdir():
        if str(spool.below(path)) not in recorded and _named_before(path, latest):
            recorder.tell(SetAside(path, FORGOTTEN))
            found += 1
    for path in spool.received():
        if str(spool.below(path)) in recorded or not _named_before(path, latest):
            continue
        try:
            header = read_header(path)
        except BadStudy as error:  # it was readable when it was filed: the disk may be failing
            recorder.tell(SetAside(spool.set_aside(path), str(error)))
            continue
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
        found += 1
    return found


def _named_before(path: Path, latest: float) -> bool:
    try:
        return path.stat().st_ctime <= latest
    except FileNotFoundError:  # another edge has set it aside
        return False
