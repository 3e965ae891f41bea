"""The port: connections become lines that are looked after, and the door is asked about each."""

from __future__ import annotations

import logging
from socketserver import BaseServer
from typing import Any

from pynetdicom.transport import ThreadedAssociationServer

from dicom_node.receive.door import OUT_OF_ORDER, Door, Rejection, unknown_caller
from dicom_node.receive.guests import Guests, Sender
from dicom_node.receive.line import Line
from dicom_node.receive.tls_line import Callers, Lines
from dicom_node.spool import Spool

log = logging.getLogger(__name__)

_SENSELESS = Rejection(1, 2, 1, "a presentation context of it lacks a syntax")  # PS3.8 Table 9-21
_MAXIMUM_AE_TITLE = 16  # PS3.5 Table 6.2-1


class Port(ThreadedAssociationServer):
    """pynetdicom's server, on lines that are looked after."""

    #: Connections that come at once; with the 5 of ``socketserver`` all others would wait for
    #: their own kernel to try again, a second later and later.
    request_queue_size = 128

    def __init__(
        self, *arguments: Any, guests: Guests, lines: Lines | None = None, **named: Any
    ) -> None:
        """As pynetdicom makes it; ``guests`` is told of each connection, ``lines`` speak TLS."""
        self._guests = guests
        self._lines = lines
        super().__init__(*arguments, **named)

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection."""
        accepted, address = super().get_request()
        make = self._lines.line if self._lines else Line
        return make(accepted, self._guests.limits), address

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether to go on with a connection at all."""
        return self._guests.knock(request, client_address[0])

    def shutdown(self) -> None:
        """Stop listening."""
        BaseServer.shutdown(self)  # pynetdicom's looks for this server in its own list
        self.server_close()


def admit(association: Any, door: Door, callers: Callers, guests: Guests, spool: Spool) -> None:
    """Let an association in that was asked for, or reject it with the reason in the log."""
    request = association.requestor.primitive
    try:
        sender = Sender(printable(request.calling_ae_title), guests.address(association))
        refused = (
            _misspelt(request, association.dul.socket.socket)
            or door.stranger(
                called=request.called_ae_title, calling=sender.calling, address=sender.address
            )
            or callers.stranger(sender.calling, association.dul.socket.socket)
            or _senseless(request)
            or guests.let_in(association, sender, lambda *counts: door.no_room(spool, *counts))
        )
    except BaseException:  # pynetdicom goes on after it, and would let anybody in
        _reject(association, OUT_OF_ORDER)
        raise
    if refused is not None:
        log.warning("association of %s rejected: %s", sender, refused.why)
        _reject(association, refused)


def _misspelt(request: Any, line: Line) -> Rejection | None:
    """Of titles pynetdicom leaves out what may stand in none, and another title is left: `GOOD` of
    `GOOD` and a line feed.
    """
    titles = (request.called_ae_title, request.calling_ae_title)
    if line.titles == tuple(one.encode("ascii") for one in titles):
        return None
    return unknown_caller("a title in its request has characters that may stand in none")


def _senseless(request: Any) -> Rejection | None:
    """Of a context that offers no transfer syntax pynetdicom's thread dies, the connection open."""
    for context in request.presentation_context_definition_list:
        if not context.abstract_syntax or not context.transfer_syntax:
            return _SENSELESS
    return None


def _reject(association: Any, refused: Rejection) -> None:
    association.acse.send_reject(refused.result, refused.source, refused.diagnostic)
    # Waits until the answer is out; pynetdicom would else close the connection first.
    association.kill()


def printable(ae_title: str) -> str:
    """An AE title as it may stand in a log and in the ledger, whatever was sent for one."""
    return "".join(filter(str.isprintable, ae_title))[:_MAXIMUM_AE_TITLE].strip()
