"""Taking one object: it is filed, set aside, or passed over, and its status answered.

Of its data set no more is decoded than is needed to file it; what cannot be filed is set aside
and ends neither the association nor the node.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from dicom_node.errors import BadStudy, Unreachable
from dicom_node.headers import is_image
from dicom_node.receive.assessment import is_assessment
from dicom_node.receive.door import Door
from dicom_node.receive.header import Header, read_header
from dicom_node.receive.incoming import Incoming
from dicom_node.receive.origin import Asked, AskedFor, Origin
from dicom_node.receive.persons import Persons
from dicom_node.receive.port import printable
from dicom_node.receive.recorder import CONFLICT, REENCODED, Recorder, SetAside, Stored
from dicom_node.spool import Filed, Spool

log = logging.getLogger(__name__)

#: Why an object is set aside of which only the beginning was kept.
TOO_LARGE = "it is larger than receive.maximum_object; its beginning is kept"
_BEGINNING_BYTES = 1_048_576

SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700  # PS3.4 B.2.3
CANNOT_UNDERSTAND = 0xC000  # PS3.4 B.2.3


class Taking:
    """How this node takes an object that came by C-STORE."""

    def __init__(
        self,
        door: Door,
        spool: Spool,
        recorder: Recorder,
        asked_for: AskedFor,
        largest_bytes: int,
    ) -> None:
        """``asked_for``: whether this node itself has asked for an object, so that it is a prior.
        ``largest_bytes``: of an object as a file.
        """
        self._door = door
        self._spool = spool
        self._persons = Persons(spool)
        self._recorder = recorder
        self._asked_for = asked_for
        self._largest = largest_bytes

    def take(self, event: Any, association: str) -> int:
        """The status that a request is answered by; ``association`` is its name in the ledger."""
        try:
            return self._take(event, association)
        except OSError as error:
            log.error("object answered A700: %s", error.strerror)  # noqa: TRY400 - no bug of ours
            return OUT_OF_RESOURCES
        except Unreachable as error:
            log.error("object answered A700: %s", error)  # noqa: TRY400 - no bug of ours
            return OUT_OF_RESOURCES

    def _take(self, event: Any, association: str) -> int:
        received: Incoming | None = event.request._dataset_file
        if received is None:
            log.warning("object answered C000: the request came without a data set")
            return CANNOT_UNDERSTAND
        received.close()
        if self._door.is_full(self._spool):
            log.error("object answered A700: less is free than receive.disk_reserve")
            return OUT_OF_RESOURCES
        try:
            self._refuse_too_large(received.path)
            header = read_header(received.path, (received.transfer_syntax, received.begin))
            return self._file(event, association, received, header)
        except BadStudy as error:
            self._set_aside(received.path, _calling(event), str(error))
            return CANNOT_UNDERSTAND

    def _refuse_too_large(self, received: Path) -> None:
        if received.stat().st_size > self._largest:  # the door took one byte more, and no further
            os.truncate(received, _BEGINNING_BYTES)
            raise BadStudy(TOO_LARGE)

    def _file(self, event: Any, association: str, came: Incoming, header: Header) -> int:
        received = came.path
        # An assessment may be made from our result, with our equipment still in it.
        if header.ours and not is_assessment(received, header.sop_class_uid):
            log.info("a result of this project came back by C-STORE; not kept, not read")
            return SUCCESS
        origin = Origin(
            calling=_calling(event),
            originator=(event.request.MoveOriginatorApplicationEntityTitle or "").strip(),
        )
        asked = self._asked_for(header, origin)
        if asked is not Asked.NO:
            study, uid = header.study_instance_uid, header.sop_instance_uid
            self._spool.file_prior(received, study, uid)
        if asked is not Asked.YES:
            self._receive(came, header, origin, association)
        return SUCCESS

    def _receive(self, came: Incoming, header: Header, origin: Origin, association: str) -> None:
        """File what is to be read, or set it aside."""
        received = came.path
        folder = self._spool.study(header.study_instance_uid)
        if reason := self._persons.another(header.study_instance_uid, header.patient):
            self._set_aside(received, origin.calling, reason)
            return
        place, filed = self._spool.file(received, folder, header.sop_instance_uid)
        if filed in (Filed.DIFFERENT, Filed.REENCODED):
            why = CONFLICT if filed is Filed.DIFFERENT else REENCODED
            self._set_aside(received, origin.calling, why)
        elif filed is Filed.IDENTICAL:
            log.info("an object that is here already came again; nothing is done")
        else:
            self._recorder.tell(
                Stored(
                    path=place,
                    calling=origin.calling,
                    study_instance_uid=header.study_instance_uid,
                    sop_instance_uid=header.sop_instance_uid,
                    sop_class_uid=header.sop_class_uid,
                    opens_job=is_image(header.sop_class_uid),
                    association=association,
                    priority=header.priority,
                    sha256=came.sha256,
                )
            )

    def _set_aside(self, received: Path, calling: str, reason: str) -> None:
        place = self._spool.set_aside(received)
        log.warning("object of %r quarantined as %s: %s", calling, place.name, reason)
        self._recorder.tell(SetAside(place, reason))


def _calling(event: Any) -> str:
    return printable(event.assoc.requestor.ae_title)
