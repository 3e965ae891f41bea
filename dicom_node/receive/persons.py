"""Whose the studies are that come in: one study of two patients is found at the door."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

from dicom_node import whose
from dicom_node.errors import BadStudy
from dicom_node.identity import conflict, merged
from dicom_node.receive.header import Header, read_header
from dicom_node.spool import Spool
from dicom_node.study import Patient

_STUDIES = 1000  # that are remembered; of another one the files of the spool are asked


class Persons:
    """The patient of each study, as all objects state it that this edge has let in.

    It is kept in memory only. What another edge received is asked of one file of the study, and of
    the header that is kept of each film that was read: also once the files were deleted. What
    escapes that is found when the study is read, which then fails.
    """

    def __init__(self, spool: Spool) -> None:
        """Nobody known yet."""
        self._spool = spool
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, object], Patient] = OrderedDict()

    def another(self, study_instance_uid: str, patient: Patient) -> str:
        """Why an object is not of the patient of its study; empty if it is.

        Raises:
            OSError: a file of the study cannot be read or written now.
        """
        folder = self._spool.study(study_instance_uid)

        def before() -> Iterable[str]:
            return [one.id for one in self._read_before(study_instance_uid)]

        if not self._spool.belongs(folder, patient.id, before):
            return "an object of this study is of another Patient ID"
        if differs := self.conflict(study_instance_uid, patient):
            return f"an object of this study is of another patient: {differs}"
        return ""

    def conflict(self, study_instance_uid: str, patient: Patient) -> str:
        """The attribute by which an object is of another patient than its study; empty if none.

        Raises:
            OSError: a file of the study cannot be read now.
        """
        # A study that was taken back and deleted by hand, and comes again corrected, may be of
        # somebody else.
        study = study_instance_uid, self._spool.generation(study_instance_uid)
        with self._lock:
            known = self._known.get(study) or self._stated(study_instance_uid)
            if known is not None:
                if differs := conflict(known, patient):
                    return differs
                patient = merged([known, patient])
            self._known[study] = patient
            self._known.move_to_end(study)
            if len(self._known) > _STUDIES:
                self._known.popitem(last=False)
            return ""

    def _stated(self, study_instance_uid: str) -> Patient | None:
        """The patient by the films that were read, and by some object that lies in the spool."""
        found = self._read_before(study_instance_uid)
        for path in self._spool.study(study_instance_uid).glob("*.dcm"):
            if header := _header(path):
                found.append(header.patient)
                break
        return merged(found) if found else None

    def _read_before(self, study_instance_uid: str) -> list[Patient]:
        """The patients of the films of a study that were read, and not forgotten by hand."""
        study = study_instance_uid
        found = [_header(path) for path in whose.headers(self._spool, study)]
        # After the ledger was lost the number of a job may be that of another study.
        return [one.patient for one in found if one and one.study_instance_uid == study]


def _header(path: Path) -> Header | None:
    try:
        return read_header(path)
    except (BadStudy, FileNotFoundError):  # the disk may be failing; another one will do
        return None
