"""Bringing objects to a destination by C-STORE, with the status of each one read (PS3.4 B.2.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pynetdicom.presentation import build_context

from dicom_node.association import NothingAccepted, association
from dicom_node.errors import BadStudy, Unreachable
from dicom_node.peer import Peer

_DUPLICATE = 0x0111
#: The peer gave no answer: whether it has the object is not known.
NO_STATUS = 0xFFFF
#: Statuses after which the same object may be accepted later: out of resources, and failures that
#: say nothing of the object (PS3.7 C.5.10, C.5.16).
_PASSING = frozenset({*range(0xA700, 0xA800), 0x0110, 0x0213})
#: Statuses with which an object is taken, though something is to be said (PS3.7 C.4).
_WARNINGS = frozenset({*range(0xB000, 0xC000), 0x0001, 0x0107, 0x0116})
_STOPPED = "not sent: it could not be told whether this sender still has the study"


class Verdict(Enum):
    """What a status means for one object."""

    ACCEPTED = auto()
    WARNING = auto()
    REFUSED = auto()
    LATER = auto()


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one object. ``status`` is :data:`NO_STATUS` when the peer gave none;
    ``tried`` is False when it was not sent at all.
    """

    sop_instance_uid: str
    status: int
    verdict: Verdict
    reason: str = ""
    tried: bool = True


def send(
    paths: Sequence[Path], peer: Peer, *, go_on: Callable[[], bool] = lambda: True
) -> list[Sent]:
    """Send files in one association, as they are encoded; one answer for each, in order. A peer
    that takes none of their kinds refuses each of them.

    ``go_on`` is asked before each one whether it is still to be sent; it raises nothing.

    Raises:
        Unreachable: no association could be opened now, or the disk cannot be read.
        Rejected: the peer will not have us.
        BadStudy: a file is gone. In all these cases nothing was sent.
    """
    headers = [_header(path) for path in paths]
    contexts = [build_context(*kind) for kind in dict.fromkeys(map(_kind, headers))]
    answers = []
    try:
        with association(peer, contexts) as opened:
            accepted = {
                (context.abstract_syntax, context.transfer_syntax[0])
                for context in opened.accepted_contexts
            }
            for path, header in zip(paths, headers, strict=True):
                uid = str(header.SOPInstanceUID)
                if _kind(header) not in accepted:
                    answers.append(_not_taken(header, peer))
                elif not opened.is_established:
                    reason = f"{peer.name} ended the association before it was sent"
                    answers.append(Sent(uid, NO_STATUS, Verdict.LATER, reason, tried=False))
                elif not go_on():
                    answers.append(Sent(uid, NO_STATUS, Verdict.LATER, _STOPPED, tried=False))
                else:
                    answers.append(_store(opened, path, uid, peer))
    except NothingAccepted:
        return [_not_taken(header, peer) for header in headers]
    return answers


def _kind(header: Dataset) -> tuple[Any, Any]:
    return header.SOPClassUID, header.file_meta.TransferSyntaxUID


def _not_taken(header: Dataset, peer: Peer) -> Sent:
    sop_class, syntax = _kind(header)
    reason = f"{peer.name} does not take {sop_class.name} in {syntax.name}"
    return Sent(str(header.SOPInstanceUID), NO_STATUS, Verdict.REFUSED, reason, tried=False)


def _store(opened: Any, path: Path, uid: str, peer: Peer) -> Sent:
    try:
        status = opened.send_c_store(path).get("Status")
    except RuntimeError:  # the peer has ended the association just now
        if opened.is_established:
            raise
        status = None
    except OSError as error:  # of the file, which is read before anything of it is sent
        return Sent(uid, NO_STATUS, Verdict.LATER, _unreadable(error), tried=False)
    if status is None:
        return Sent(uid, NO_STATUS, Verdict.LATER, f"{peer.name} gave no answer to C-STORE")
    return _read(uid, status, peer)


def _header(path: Path) -> Dataset:
    try:
        return dcmread(path, specific_tags=["SOPClassUID", "SOPInstanceUID"])
    except FileNotFoundError:
        raise BadStudy("what was made is no longer in the spool (see retention)") from None
    except OSError as error:
        raise Unreachable(_unreadable(error)) from None


def _unreadable(error: OSError) -> str:
    return f"what was made cannot be read: {error.strerror or type(error).__name__}"


def _read(uid: str, status: int, peer: Peer) -> Sent:
    told = f"{peer.name} answered 0x{status:04X}"
    if status == 0:
        return Sent(uid, status, Verdict.ACCEPTED)
    if status == _DUPLICATE:
        return Sent(uid, status, Verdict.ACCEPTED, "it was there already")
    if status in _WARNINGS:
        return Sent(uid, status, Verdict.WARNING, told)
    if status in _PASSING:
        return Sent(uid, status, Verdict.LATER, told)
    return Sent(uid, status, Verdict.REFUSED, told)
