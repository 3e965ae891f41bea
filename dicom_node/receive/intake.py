"""What a peer sends, taken in within bounds: pynetdicom's assembling of messages, guarded.

pynetdicom keeps a command set, and the data set of all but C-STORE, in memory for as long as
fragments come, and writes the data set of a C-STORE to the disk for as long as they do (PS3.8
Annex E.2 sets no bound). It takes further requests while the first is still worked at, opening a
file for each. And what it cannot take apart ends its thread with a trace, the connection open.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pynetdicom.fsm import InvalidEventError, StateMachine

from dicom_node.headers import UNDECODABLE
from dicom_node.receive.asking import pad_titles, too_much
from dicom_node.receive.leftovers import delete_unserved
from dicom_node.receive.messages import Messages

log = logging.getLogger(__name__)

#: Of a command set (PS3.7 6.3.1), at most. A C-STORE's takes some hundred bytes.
LARGEST_COMMAND_BYTES = 65_536
#: Of a data set that is held in memory, at most: what a modality or an archive announces. Each
#: image that a performed procedure step names takes about 130 bytes.
LARGEST_ANNOUNCEMENT_BYTES = 4 * 1024 * 1024
#: Requests that wait, at most. A caller has to await each answer, for this node agrees to no more
#: than one at a time (PS3.7 D.3.3.3); some that come early do no harm.
MOST_WAITING = 16

#: Bits of a message control header (PS3.8 E.2).
_COMMAND, _LAST = 1, 2

_NO_MESSAGE = "it sent what is no DICOM message"
_NO_REQUEST = "it sent what is no request, or one that lacks what it has to have"
_NO_PATIENCE = "it does not wait for answers"
_NO_PDU = "it sent a PDU that cannot be decoded"
_INVALID_PDU = "Evt19"  # PS3.8 Table 9-10; no action of it takes the PDU

#: Ends an association at once, for the reason given.
Dismiss = Callable[[Any, str], None]


def guard(association: Any, incoming: Path, largest_object_bytes: int, dismiss: Dismiss) -> None:
    """Take what comes over a connection by the parts below; before its association begins.

    Objects come in as files of the folder ``incoming``. Of one larger than
    ``largest_object_bytes`` (as a file) the rest is passed over as it comes in: the file is one
    byte larger than that, and known to be too large by it.
    """
    association.dimse = _Messages(association, incoming, largest_object_bytes, dismiss)
    association.dul.state_machine = _States(association.dul, dismiss)
    _look_first(association, dismiss)
    _serve_within_bounds(association, dismiss)


def _look_first(association: Any, dismiss: Dismiss) -> None:
    """Let no request be taken apart that asks for more than there is; what cannot be taken apart
    is told in one line, and answered by A-ABORT.
    """
    decode = association.dul._decode_pdu

    def look(pdu: bytearray) -> Any:
        if why := too_much(pdu):
            dismiss(association, why)
            return None, _INVALID_PDU
        pad_titles(pdu)
        try:
            return decode(pdu)
        except Exception as error:  # noqa: BLE001 - as pynetdicom, which has no list of them
            address = association.requestor.address
            log.warning("connection of %s: %s (%s)", address, _NO_PDU, type(error).__name__)
            return None, _INVALID_PDU

    association.dul._decode_pdu = look


def _serve_within_bounds(association: Any, dismiss: Dismiss) -> None:
    """Pass over no message: what is no whole request pynetdicom leaves without an answer and its
    file on the disk, and of a C-CANCEL beyond the tenth its thread dies. Each N-EVENT-REPORT gets
    a thread of its own, and these are bounded here as what waits in the queue is.
    """
    serve = association._serve_request
    room = threading.Semaphore(MOST_WAITING)

    def serve_one(message: Any, context_id: int) -> None:
        why = _NO_REQUEST if not getattr(message, "is_valid_request", False) else ""
        if not why and not room.acquire(blocking=False):
            why = _NO_PATIENCE
        if why:
            dismiss(association, why)
            delete_unserved(message)
            return
        try:
            serve(message, context_id)
        finally:
            room.release()

    association._serve_request = serve_one


class _TooMuch(Exception):
    """What came is more than is taken, or is no message, and why."""


class _States(StateMachine):
    """The states of an association (PS3.8 9.2), in which a peer's nonsense is no bug of ours."""

    def __init__(self, dul: Any, dismiss: Dismiss) -> None:
        super().__init__(dul)
        self._dismiss = dismiss

    def do_action(self, event: str) -> None:
        try:
            super().do_action(event)
        except OSError as error:  # a disk, or the connection itself
            self._end(error.strerror or type(error).__name__)
        except (InvalidEventError, AssertionError, *UNDECODABLE) as error:
            self._end(f"{_NO_MESSAGE} ({type(error).__name__})")
        if self.dul._kill_thread:
            # The connection has ended. Another thread may await the request until its time is up.
            self.dul.to_user_queue.put(None)

    def _end(self, why: str) -> None:
        self._dismiss(self.dul.assoc, why)
        self.dul.kill_dul()  # pynetdicom has not where the event itself is not allowed


class _Messages(Messages):
    """Puts messages together from their fragments (PS3.7 8.2, PS3.8 Annex E)."""

    def __init__(
        self, association: Any, incoming: Path, largest_object_bytes: int, dismiss: Dismiss
    ) -> None:
        super().__init__(association, incoming)
        self._largest = largest_object_bytes
        self._dismiss = dismiss

    def receive_primitive(self, primitive: Any) -> None:
        """Take some fragments; a message that cannot be taken ends the association."""
        try:
            self._take(primitive)
        except _TooMuch as too_much:
            self._dismiss(self.assoc, str(too_much))
        except OSError as error:  # the disk, perhaps full; of a corrupt sequence without a number
            why = f"its object cannot be kept: {error.strerror}" if error.errno else _NO_MESSAGE
            self._dismiss(self.assoc, why)
        except UNDECODABLE as error:
            why = f"{_NO_MESSAGE} ({type(error).__name__})"
            self._dismiss(self.assoc, why)

    def _take(self, primitive: Any) -> None:
        if self.msg_queue.qsize() >= MOST_WAITING:
            raise _TooMuch(_NO_PATIENCE)
        fragments: list[Any] = primitive.presentation_data_value_list
        message: Any = self.message
        _check(fragments, self.assoc, has_command=message is not None and bool(message.context_id))
        if message is not None and message._data_set_file is not None:
            kept = message._data_set_file.tell()
            primitive.presentation_data_value_list = _cut(fragments, self._largest + 1, kept)
        elif message is not None:
            _check_held(message)
        super().receive_primitive(primitive)


def _check(fragments: Iterable[tuple[int, bytes]], association: Any, *, has_command: bool) -> None:
    """Raises :class:`_TooMuch` for fragments of no message."""
    for context, content in fragments:
        if not content or context not in association._accepted_cx:
            raise _TooMuch("it sent a fragment of no message, or in no accepted context")
        is_command = bool(content[0] & _COMMAND)
        if is_command and has_command:  # its first file would be forgotten
            raise _TooMuch("it began a message within another")
        if is_command:
            has_command = bool(content[0] & _LAST)
        elif not has_command:
            raise _TooMuch("it sent a data set before its command")


def _check_held(message: Any) -> None:
    """Raises :class:`_TooMuch` where more of a message is in memory than is taken. To have come
    this far it needed more than one PDU.
    """
    if message.encoded_command_set.tell() > LARGEST_COMMAND_BYTES:
        raise _TooMuch("its command set is larger than any")
    if message.data_set.tell() > LARGEST_ANNOUNCEMENT_BYTES:
        raise _TooMuch("what it announces is larger than 4 MiB")


def _cut(fragments: list[Any], most: int, kept: int) -> list[Any]:
    """The fragments of a data set, of which so much is kept already, without what is too much."""
    cut: list[Any] = []
    for context, content in fragments:
        left = max(most - kept, 0)
        kept += len(content) - 1
        cut.append([context, content if len(content) - 1 <= left else content[: 1 + left]])
    return cut
