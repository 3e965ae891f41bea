"""The Storage and Verification SCP (PS3.4 Annexes A and B), and who listens to announcements.

An object is written as it came, flushed, renamed into its place, and only then answered 0x0000.
Of its data set no more is decoded than is needed to file it; what cannot be filed is set aside
and ends neither the association nor the node.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pynetdicom import AE, _config, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

from dicom_node.errors import BadStudy, Unreachable
from dicom_node.headers import is_image
from dicom_node.receive.announcements import ANNOUNCED_BY
from dicom_node.receive.assessment import is_assessment
from dicom_node.receive.door import Door
from dicom_node.receive.guests import Guests
from dicom_node.receive.header import Header, read_header
from dicom_node.receive.leftovers import delete_leftovers
from dicom_node.receive.line import Limits
from dicom_node.receive.persons import Persons
from dicom_node.receive.port import Port, admit, printable
from dicom_node.receive.recorder import (
    CONFLICT,
    FORGOTTEN,
    REENCODED,
    Closed,
    Opened,
    Recorder,
    SetAside,
    Stored,
)
from dicom_node.spool import Filed, Spool

log = logging.getLogger(__name__)

SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700  # PS3.4 B.2.3
CANNOT_UNDERSTAND = 0xC000  # PS3.4 B.2.3

_POLL_SECONDS = 0.2  # how often it is looked whether the port is still to be open


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
        limits: Limits,
        announcements: Sequence[tuple[Any, Callable[[Any], Any]]] = (),
    ) -> None:
        """Begin with :meth:`start`.

        ``incoming`` is this edge's own folder for what is being received. ``asked_for``: whether
        this node itself has asked for a study, so that its objects are priors and not to be read.
        ``announcements`` are handlers for what peers may announce (see ``receive.announcements``).
        """
        self._door = door
        self._spool = spool
        self._persons = Persons(spool)
        self._recorder = recorder
        self._asked_for = asked_for
        self._incoming = incoming
        self._associations: dict[Any, str] = {}
        self._guests = Guests(limits, self._left)
        self._server: Any = None
        self._announcements = announcements
        self._ae = _application_entity(door, limits)

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
        _config.LOG_HANDLER_LEVEL = "none"  # it writes each message out, to log nothing of it
        self._server = self._ae.make_server(
            (host, port),
            server_class=Port,
            guests=self._guests,
            evt_handlers=[
                (evt.EVT_CONN_OPEN, lambda event: self._guests.came(event.assoc)),
                (evt.EVT_REQUESTED, self._requested),
                (evt.EVT_ESTABLISHED, self._established),
                (evt.EVT_C_STORE, self._store),
                (evt.EVT_C_ECHO, lambda _: SUCCESS),
                *((kind, self._served(handler)) for kind, handler in self._announcements),
            ],
        )

        self._guests.start()
        serve = self._server.serve_forever
        threading.Thread(target=serve, args=(_POLL_SECONDS,), name="port", daemon=True).start()

    def stop(self) -> None:
        """Stop listening and end all associations; what is being filed is filed."""
        if self._server is None:
            return
        self._server.shutdown()
        self._guests.stop()
        # They are of the whole process; what sends from it afterwards goes by the usual ones.
        _config.STORE_RECV_CHUNKED_DATASET = False
        _config.UNRESTRICTED_STORAGE_SERVICE = False
        _config.LOG_HANDLER_LEVEL = "standard"
        tempfile.tempdir = None

    @property
    def has_ended(self) -> bool:
        """Whether nobody is looked after any more: associations would stay open for ever."""
        return self._guests.has_ended

    def show_life(self) -> None:
        """Tell other edges that this one lives, though nothing may come to it for days."""
        os.utime(self._incoming)

    def _served(self, handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """A handler during which the caller is not expected to speak."""

        def serve(event: Any) -> Any:
            with self._guests.served(event.assoc):
                return handler(event)

        return serve

    def _requested(self, event: Any) -> None:
        admit(event.assoc, self._door, self._guests, self._spool)

    def _established(self, event: Any) -> None:
        name = uuid.uuid4().hex
        self._associations[event.assoc] = name
        self._recorder.tell(Opened(name))

    def _left(self, association: Any) -> None:
        if name := self._associations.pop(association, None):
            self._recorder.tell(Closed(name))
        delete_leftovers(association)

    def _store(self, event: Any) -> int:
        with self._guests.served(event.assoc):
            try:
                return self._take(event)
            except OSError as error:
                log.error("object answered A700: %s", error.strerror)  # noqa: TRY400 - no bug of ours
                return OUT_OF_RESOURCES
            except Unreachable as error:
                log.error("object answered A700: %s", error)  # noqa: TRY400 - no bug of ours
                return OUT_OF_RESOURCES

    def _take(self, event: Any) -> int:
        received: Path | None = event.dataset_path
        if received is None:
            log.warning("object answered C000: the request came without a data set")
            return CANNOT_UNDERSTAND
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

    def _file(self, event: Any, received: Path, header: Header) -> int:
        # An assessment may be made from our result, with our equipment still in it.
        if header.ours and not is_assessment(received, header.sop_class_uid):
            log.info("a result of this project came back by C-STORE; not kept, not read")
            return SUCCESS
        origin = Origin(
            calling=printable(event.assoc.requestor.ae_title),
            originator=(event.request.MoveOriginatorApplicationEntityTitle or "").strip(),
        )
        if self._asked_for(header.study_instance_uid, origin):
            folder = self._spool.prior(header.study_instance_uid)
            self._spool.file(received, folder, header.sop_instance_uid)
            return SUCCESS
        folder = self._spool.study(header.study_instance_uid)
        if not self._spool.belongs(folder, header.patient.id):
            self._set_aside(received, "an object of this study is of another Patient ID")
            return SUCCESS
        if differs := self._persons.conflict(header.study_instance_uid, header.patient):
            self._set_aside(received, f"an object of this study is of another patient: {differs}")
            return SUCCESS
        place, filed = self._spool.file(received, folder, header.sop_instance_uid)
        if filed in (Filed.DIFFERENT, Filed.REENCODED):
            self._set_aside(received, CONFLICT if filed is Filed.DIFFERENT else REENCODED)
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
                    association=self._associations.get(event.assoc, ""),
                    priority=header.priority,
                )
            )
        return SUCCESS

    def _set_aside(self, received: Path, reason: str) -> None:
        place = self._spool.set_aside(received)
        log.warning("object quarantined as %s: %s", place.name, reason)
        self._recorder.tell(SetAside(place, reason))


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


def _application_entity(door: Door, limits: Limits) -> Any:
    ae = AE(ae_title=door.ae_title)
    ae.maximum_pdu_size = limits.maximum_pdu_bytes
    ae.acse_timeout = limits.association_seconds
    # Counts and silences are the guests': pynetdicom's count would turn away who is let in, and
    # its clock would cut off who sends slowly.
    ae.maximum_associations = sys.maxsize
    ae.network_timeout = None
    for service in (Verification, *ANNOUNCED_BY):
        ae.add_supported_context(service)
    return ae
