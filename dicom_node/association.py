"""Associations that this node opens (PS3.8), and what each way of not getting one means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from socket import gaierror
from typing import Any

from pynetdicom.pdu_primitives import MaximumLengthNotification
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

from dicom_node.checkpoint import stand_aside
from dicom_node.connection import Caller
from dicom_node.errors import Rejected, Unreachable
from dicom_node.peer import Peer

_PERMANENT = 1  # Result of an A-ASSOCIATE-RJ (PS3.8 9.3.4)
_MAXIMUM_PDU = 262_144
#: Of a peer that states none, as PS3.7 D.3.3.1 wants it to; what most take.
_MAXIMUM_PDU_UNSTATED = 16_384


class NothingAccepted(Rejected):
    """The peer answers, and takes none of the services that it was asked for."""


@contextmanager
def association(
    peer: Peer,
    contexts: Sequence[PresentationContext],
    *,
    roles: Sequence[Any] = (),
    handlers: Sequence[Any] = (),
) -> Iterator[Any]:
    """An open association with a peer; released at the end, aborted if the end is an error.

    Raises:
        Unreachable: nobody answers there, or it is busy.
        Rejected: the peer will not have us; the text says what to look at.
        NothingAccepted: it takes none of the contexts.
    """
    try:
        opened = Caller(peer).associate(
            peer.host,
            peer.port,
            contexts=list(contexts),
            ae_title=peer.ae_title,
            max_pdu=_MAXIMUM_PDU,
            ext_neg=list(roles),
            evt_handlers=list(handlers),
        )
    except gaierror:  # pynetdicom asks for the address before anything else
        raise Unreachable(f"{peer.name} does not answer: its host has no address") from None
    if not opened.is_established:
        raise _failure(peer, opened)
    _bound(opened)
    stand_aside(opened)
    try:
        yield opened
    except RuntimeError as error:
        if opened.is_established:
            opened.abort()
            raise
        # As pynetdicom answers a request on an association that the peer has ended meanwhile.
        raise Unreachable(f"{peer.name} ended the association") from error
    except BaseException:
        if opened.is_established:
            opened.abort()
        raise
    if opened.is_established:
        opened.release()


def echo(peer: Peer) -> str:
    """Verification (PS3.4 Annex A): C-ECHO, once. Returns by which TLS; empty: in plain.

    Raises:
        Unreachable: nobody answers there.
        Rejected: the peer will not have us.
    """
    with association(peer, [_verification()]) as opened:
        status = opened.send_c_echo().get("Status")
        secured = str(opened.dul.socket.secured_by)
    if status is None:
        raise Unreachable(f"{peer.name} does not answer C-ECHO")
    if status != 0:
        raise Rejected(f"{peer.name} answers C-ECHO with 0x{status:04X}")
    return secured


def _bound(opened: Any) -> None:
    """Give PDUs to a peer a length if it states none: pynetdicom could send nothing."""
    if opened.acceptor.maximum_length is None:
        unstated = MaximumLengthNotification()
        unstated.maximum_length_received = _MAXIMUM_PDU_UNSTATED
        opened.acceptor.primitive.user_information.append(unstated)


def _verification() -> PresentationContext:
    context = PresentationContext()
    context.abstract_syntax = Verification
    context.transfer_syntax = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"]
    return context


def _failure(peer: Peer, tried: Any) -> Rejected | Unreachable:
    if not tried.is_rejected:
        if tried.acceptor.primitive is not None:  # it answered, but shares no service with us
            return NothingAccepted(f"{peer.name} accepts none of the services asked for")
        return Unreachable(tried.dul.socket.failure)
    answer = tried.acceptor.primitive
    reason = str(answer.reason_str).lower()
    told = f"{peer.name} rejects the association: {reason}"
    if answer.result != _PERMANENT:
        return Unreachable(told)
    if "calling" in reason:
        return Rejected(f"{told}; make {peer.calling_ae_title!r} known there")
    if "called" in reason:
        return Rejected(f"{told}; is its AE title really {peer.ae_title!r}?")
    return Rejected(told)
