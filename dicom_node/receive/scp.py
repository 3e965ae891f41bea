"""The Storage and Verification SCP (PS3.4 Annexes A and B), and who listens to announcements.

An object is written as it came, flushed, renamed into its place, and only then answered 0x0000
(see ``receive.taking``).
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, _config, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

from dicom_node.commitment import REPORTED_BY
from dicom_node.receive.announcements import ANNOUNCED_BY
from dicom_node.receive.door import Door
from dicom_node.receive.guests import Guests
from dicom_node.receive.intake import guard
from dicom_node.receive.leftovers import delete_leftovers
from dicom_node.receive.line import Limits
from dicom_node.receive.origin import AskedFor
from dicom_node.receive.port import Port, admit
from dicom_node.receive.recorder import Closed, Opened, Recorder
from dicom_node.receive.taking import SUCCESS, Taking
from dicom_node.receive.tls_line import Callers, Lines
from dicom_node.receive.waiting import wait_for_bytes
from dicom_node.spool import Spool

log = logging.getLogger(__name__)

#: Of all but C-STORE. Not what is deflated: it is inflated in memory, and to any size.
_SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian]
_POLL_SECONDS = 0.2  # how often it is looked whether the port is still to be open
_ANYBODY = Callers({})


class Receiver:
    """The server, from :meth:`start` to :meth:`stop`."""

    def __init__(
        self,
        *,
        door: Door,
        spool: Spool,
        recorder: Recorder,
        asked_for: AskedFor,
        incoming: Path,
        limits: Limits,
        announcements: Sequence[tuple[Any, Callable[[Any], Any]]] = (),
        callers: Callers = _ANYBODY,
    ) -> None:
        """Begin with :meth:`start`.

        ``incoming`` is this edge's own folder for what is being received. ``asked_for``: whether
        this node itself has asked for an object, so that it is a prior (see ``receive.origin``).
        ``announcements`` are handlers for what peers may announce or report (see
        ``receive.announcements`` and ``dicom_node.commitment``).
        ``callers`` are those that have to show a certificate of their own.
        """
        self._door = door
        self._spool = spool
        self._recorder = recorder
        self._taking = Taking(door, spool, recorder, asked_for, limits.maximum_object_bytes)
        self._incoming = incoming
        self._associations: dict[Any, str] = {}
        self._guests = Guests(limits, self._left)
        self._callers = callers
        self._servers: list[Any] = []
        self._started = False
        self._announcements = announcements
        self._ae = _application_entity(door, limits)

    def start(self, host: str, port: int | None, tls: tuple[int, Lines] | None = None) -> None:
        """Listen on a port in plain, on one for TLS, or on both.

        Also on a full disk, on which the folder for what comes in cannot be made: nothing is
        accepted until :meth:`show_life` has made it.

        Raises:
            OSError: a port is taken or may not be used; its ``filename`` is the port.
        """
        try:
            self._incoming.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            log.error("nothing can be received: the data folder: %s", error.strerror)  # noqa: TRY400 - no bug of ours
        _config.UNRESTRICTED_STORAGE_SERVICE = True  # every storage class and transfer syntax
        _config.LOG_HANDLER_LEVEL = "none"  # it writes each message out, to log nothing of it
        self._started = True
        self._guests.start()
        for number, lines in ((port, None), tls or (None, None)):
            if number is not None:
                self._listen(host, number, lines)

    def stop(self) -> None:
        """Stop listening and end all associations; what is being filed is filed."""
        if not self._started:
            return
        for server in self._servers:
            server.shutdown()
        self._guests.stop()
        # They are of the whole process; what sends from it afterwards goes by the usual ones.
        _config.UNRESTRICTED_STORAGE_SERVICE = False
        _config.LOG_HANDLER_LEVEL = "standard"

    def _listen(self, host: str, port: int, lines: Lines | None) -> None:
        try:
            server = self._ae.make_server(
                (host, port),
                server_class=Port,
                guests=self._guests,
                lines=lines,
                evt_handlers=[
                    (evt.EVT_CONN_OPEN, self._connected),
                    (evt.EVT_REQUESTED, self._requested),
                    (evt.EVT_ESTABLISHED, self._established),
                    (evt.EVT_C_STORE, self._store),
                    (evt.EVT_C_ECHO, lambda _: SUCCESS),
                    *((kind, self._served(handler)) for kind, handler in self._announcements),
                ],
            )
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(port)) from None
        self._servers.append(server)
        serve = server.serve_forever
        threading.Thread(target=serve, args=(_POLL_SECONDS,), name="port", daemon=True).start()

    @property
    def has_ended(self) -> bool:
        """Whether nobody is looked after any more: associations would stay open for ever."""
        return self._guests.has_ended

    def show_life(self) -> None:
        """Tell other edges that this one lives, though nothing may come to it for days: by the
        folder for what comes in, which is made where it is not there.

        Raises:
            OSError: it is not there, and cannot be made.
        """
        self._incoming.mkdir(exist_ok=True)  # not its parents: the disk itself may be away
        os.utime(self._incoming)

    def _served(self, handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """A handler during which the caller is not expected to speak."""

        def serve(event: Any) -> Any:
            with self._guests.served(event.assoc):
                return handler(event)

        return serve

    def _connected(self, event: Any) -> None:
        largest = self._guests.limits.maximum_object_bytes
        guard(event.assoc, self._incoming, largest, self._guests.dismiss)
        wait_for_bytes(event.assoc)
        self._guests.came(event.assoc)

    def _requested(self, event: Any) -> None:
        admit(event.assoc, self._door, self._callers, self._guests, self._spool)

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
            return self._taking.take(event, self._associations.get(event.assoc, ""))


def _application_entity(door: Door, limits: Limits) -> Any:
    ae = AE(ae_title=door.ae_title)
    ae.maximum_pdu_size = limits.maximum_pdu_bytes
    ae.acse_timeout = limits.association_seconds
    # Counts and silences are the guests': pynetdicom's count would turn away who is let in, and
    # its clock would cut off who sends slowly.
    ae.maximum_associations = sys.maxsize
    ae.network_timeout = None
    for service in (Verification, *ANNOUNCED_BY):
        ae.add_supported_context(service, _SYNTAXES)
    # Who reports on a commitment asks for the association, and is its SCP (PS3.4 J.3.3.1.2).
    ae.add_supported_context(REPORTED_BY, _SYNTAXES, scu_role=False, scp_role=True)
    return ae
