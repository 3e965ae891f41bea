"""The Storage and Verification SCP (PS3.4 Annexes A and B), and who listens to announcements.

An object is written as it came, flushed, renamed into its place, and only then answered 0x0000.
Of its data set no more is decoded than is needed to file it; what cannot be filed is set aside
and ends neither the association nor the node.
"""

from __future__ import annotations

import logging
import tempfile
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pynetdicom import AE, _config, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

from dicom_node.equipment import made_by_this_project
from dicom_node.errors import BadStudy, Unreachable
from dicom_node.headers import UNDECODABLE, is_image
from dicom_node.receive.announcements import ANNOUNCED_BY
from dicom_node.receive.door import Door
from dicom_node.receive.priority import STATES_PRIORITY, priority_of
from dicom_node.receive.recorder import CONFLICT, Closed, Opened, Recorder, SetAside, Stored
from dicom_node.spool import Filed, Spool, checked_uid
from dicom_node.study import Priority

log = logging.getLogger(__name__)

SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700  # PS3.4 B.2.3
CANNOT_UNDERSTAND = 0xC000  # PS3.4 B.2.3

_HEADER = [
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "PatientID",
    "ContributingEquipmentSequence",
    *STATES_PRIORITY,
]


@dataclass(frozen=True, slots=True)
class Header:
    """What filing an object needs to know of it."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    patient: str  # never logged
    ours: bool
    priority: Priority


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an object came from. ``originator`` is the AE that asked for it by C-MOVE, if any."""

    calling: str
    originator: str


class Receiver:
    """The server, from :meth:`start` to :meth:`stop`."""

    def __init__(
        self,
        *,
        door: Door,
        spool: Spool,
        recorder: Recorder,
        asked_for: Callable[[str, Origin], bool],
        incoming: Path,
        maximum_pdu_bytes: int,
        idle_seconds: float,
        announcements: Sequence[tuple[Any, Callable[[Any], Any]]] = (),
    ) -> None:
        """Begin with :meth:`start`.

        ``incoming`` is this edge's own folder for what is being received. ``asked_for``: whether
        this node itself has asked for a study, so that its objects are priors and not to be read.
        ``announcements`` are handlers for what peers may announce (see ``receive.announcements``).
        """
        self._door = door
        self._spool = spool
        self._recorder = recorder
        self._asked_for = asked_for
        self._incoming = incoming
        self._associations: dict[Any, str] = {}
        self._server: Any = None
        self._announcements = announcements
        self._ae = _application_entity(door, maximum_pdu_bytes, idle_seconds)

    def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: the port is taken or may not be used.
        """
        # pynetdicom names its temporary files by tempfile: on the spool's disk, so that renaming
        # moves no bytes.
        self._incoming.mkdir(parents=True, exist_ok=True)
        tempfile.tempdir = str(self._incoming)
        _config.STORE_RECV_CHUNKED_DATASET = True
        _config.UNRESTRICTED_STORAGE_SERVICE = True  # every storage class and transfer syntax
        self._server = self._ae.start_server(
            (host, port),
            block=False,
            evt_handlers=[
                (evt.EVT_REQUESTED, self._requested),
                (evt.EVT_ESTABLISHED, self._established),
                (evt.EVT_CONN_CLOSE, self._closed),
                (evt.EVT_C_STORE, self._store),
                (evt.EVT_C_ECHO, lambda _: SUCCESS),
                *self._announcements,
            ],
        )

    def stop(self) -> None:
        """End all associations and stop listening."""
        self._ae.shutdown()
        _config.STORE_RECV_CHUNKED_DATASET = False
        tempfile.tempdir = None

    def _requested(self, event: Any) -> None:
        association = event.assoc
        request = association.requestor.primitive
        acceptors = [one for one in self._ae.active_associations if one.is_acceptor]
        refused = self._door.rejection(
            called=request.called_ae_title,
            calling=request.calling_ae_title,
            address=association.requestor.address,
            open_associations=len(acceptors),
            spool=self._spool,
        )
        if refused is not None:
            log.warning("association rejected: %s", refused.why)
            association.acse.send_reject(refused.result, refused.source, refused.diagnostic)
            # Waits until the answer is out; pynetdicom would else close the connection first.
            association.kill()

    def _established(self, event: Any) -> None:
        name = uuid.uuid4().hex
        self._associations[event.assoc] = name
        self._recorder.tell(Opened(name))

    def _closed(self, event: Any) -> None:
        if name := self._associations.pop(event.assoc, None):
            self._recorder.tell(Closed(name))

    def _store(self, event: Any) -> int:
        received: Path = event.dataset_path
        event.request._dataset_file.flush()
        if self._door.is_full(self._spool):
            log.error("object answered A700: less is free than receive.disk_reserve_megabytes")
            return OUT_OF_RESOURCES
        try:
            header = read_header(received)
            return self._file(event, received, header)
        except BadStudy as error:
            self._set_aside(received, str(error))
            return CANNOT_UNDERSTAND
        except OSError as error:
            log.error("object answered A700: %s", error.strerror)  # noqa: TRY400 - no bug of ours
            return OUT_OF_RESOURCES
        except Unreachable as error:
            log.error("object answered A700: %s", error)  # noqa: TRY400 - no bug of ours
            return OUT_OF_RESOURCES

    def _file(self, event: Any, received: Path, header: Header) -> int:
        if header.ours:
            log.info("a result of this project came back by C-STORE; not kept, not read")
            return SUCCESS
        origin = Origin(
            calling=event.assoc.requestor.ae_title.strip(),
            originator=(event.request.MoveOriginatorApplicationEntityTitle or "").strip(),
        )
        if self._asked_for(header.study_instance_uid, origin):
            folder = self._spool.prior(header.study_instance_uid)
            self._spool.file(received, folder, header.sop_instance_uid)
            return SUCCESS
        folder = self._spool.study(header.study_instance_uid)
        if not self._spool.belongs(folder, header.patient):
            self._set_aside(received, "an object of this study is of another Patient ID")
            return SUCCESS
        place, filed = self._spool.file(received, folder, header.sop_instance_uid)
        if filed is Filed.DIFFERENT:
            self._set_aside(received, CONFLICT)
        elif filed is Filed.IDENTICAL:
            log.info("an object that is here already came again; nothing is done")
        else:
            self._recorder.tell(
                Stored(
                    path=place,
                    study_instance_uid=header.study_instance_uid,
                    sop_instance_uid=header.sop_instance_uid,
                    sop_class_uid=header.sop_class_uid,
                    opens_job=is_image(header.sop_class_uid),
                    association=self._associations.get(event.assoc, ""),
                    priority=header.priority,
                )
            )
        return SUCCESS

    def _set_aside(self, received: Path, reason: str) -> None:
        place = self._spool.set_aside(received)
        log.warning("object quarantined as %s: %s", place.name, reason)
        self._recorder.tell(SetAside(place, reason))


def read_header(path: Path) -> Header:
    """What filing needs of a Part 10 file.

    Raises:
        BadStudy: it cannot be decoded, or lacks a UID.
    """
    try:
        dataset = dcmread(path, stop_before_pixels=True, specific_tags=list(_HEADER))
        return Header(
            sop_class_uid=_uid(dataset, "SOPClassUID"),
            sop_instance_uid=_uid(dataset, "SOPInstanceUID"),
            study_instance_uid=_uid(dataset, "StudyInstanceUID"),
            patient=str(dataset.get("PatientID") or "").strip(),
            ours=made_by_this_project(dataset),
            priority=priority_of(dataset),
        )
    except UNDECODABLE as error:
        raise BadStudy(f"data set cannot be decoded ({type(error).__name__})") from None


def scan(spool: Spool, recorded: set[str], recorder: Recorder) -> int:
    """Tell the recorder of received files that the ledger does not know; how many there were."""
    found = 0
    for path in spool.received():
        if str(spool.below(path)) in recorded:
            continue
        try:
            header = read_header(path)
        except BadStudy as error:  # it was readable when it was filed: the disk may be failing
            recorder.tell(SetAside(spool.set_aside(path), str(error)))
            continue
        recorder.tell(
            Stored(
                path=path,
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


def _uid(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword)
    if not value:
        raise BadStudy(f"{keyword} is missing")
    return checked_uid(str(value))


def _application_entity(door: Door, maximum_pdu_bytes: int, idle_seconds: float) -> Any:
    ae = AE(ae_title=door.ae_title)
    ae.maximum_pdu_size = maximum_pdu_bytes
    # One more than the door lets in, so that the door, which says why, always decides.
    ae.maximum_associations = door.maximum_associations + 1
    ae.network_timeout = idle_seconds
    ae.dimse_timeout = idle_seconds
    ae.acse_timeout = min(idle_seconds, 30)
    for service in (Verification, *ANNOUNCED_BY):
        ae.add_supported_context(service)
    return ae
