"""Whose the studies are that come in: one study of two patients is found at the door."""

from __future__ import annotations

import threading
from collections import OrderedDict

from dicom_node.errors import BadStudy
from dicom_node.identity import conflict, merged
from dicom_node.receive.header import read_header
from dicom_node.spool import Spool
from dicom_node.study import Patient

_STUDIES = 1000  # that are remembered; of another one a file of the spool is asked


class Persons:
    """The patient of each study, as all objects state it that this edge has let in.

    It is kept in memory only. What another edge received is asked of one file of the study; what
    escapes that is found when the study is read, which then fails.
    """

    def __init__(self, spool: Spool) -> None:
        """Nobody known yet."""
        self._spool = spool
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, object], Patient] = OrderedDict()

    def conflict(self, study_instance_uid: str, patient: Patient) -> str:
        """The attribute by which an object is of another patient than its study; empty if none.

        Raises:
            OSError: a file of the study cannot be read now.
        """
        # A study that was deleted and comes again, corrected, may be of somebody else.
        study = study_instance_uid, self._spool.generation(study_instance_uid)
        with self._lock:
            known = self._known.get(study) or self._filed(study_instance_uid)
            if known is not None:
                if differs := conflict(known, patient):
                    return differs
                patient = merged([known, patient])
            self._known[study] = patient
            self._known.move_to_end(study)
            if len(self._known) > _STUDIES:
                self._known.popitem(last=False)
            return ""

    def _filed(self, study_instance_uid: str) -> Patient | None:
        """The patient of some object of the study that lies in the spool."""
        for path in self._spool.study(study_instance_uid).glob("*.dcm"):
            try:
                return read_header(path).patient
            except BadStudy:  # the disk may be failing; another one will do
                continue
        return None
