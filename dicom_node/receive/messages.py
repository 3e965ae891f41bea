"""The messages of an association: objects go to disk as they come, their answers go out as bytes.

pynetdicom makes a data set of each command and encodes it element by element, and so the meta
information of each file; that is a third of what receiving a slice costs. What goes out in answer
to a C-STORE has six elements, which are always the same (PS3.7 Table 9.3-2).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import P_DATA

from dicom_node.receive.incoming import Incoming

_C_STORE_RSP = 0x8001
_NO_DATA_SET = 0x0101
_WHOLE_COMMAND = b"\x03"  # PS3.8 E.2: a command, and its last fragment
_ITEM_BYTES = 6  # what an item has beside its value and counts to a PDU's length: PS3.8 D.1


class Messages(DIMSEServiceProvider):
    """Those of one association; ``incoming`` is where the files of objects begin."""

    def __init__(self, association: Any, incoming: Path) -> None:
        super().__init__(association)
        self._incoming = incoming

    @property
    def maximum_pdu_size(self) -> int:
        """The largest PDU that the other side takes; 0 for any (PS3.8 D.1), as of who says none."""
        return super().maximum_pdu_size or 0

    def receive_primitive(self, primitive: Any) -> None:
        """What came in a PDU, a fragment at a time: the file begins behind the last of a command.

        Raises:
            OSError: it cannot be written; the association ends.
        """
        for fragment in primitive.presentation_data_value_list:
            super().receive_primitive(_fragment(*fragment))
            message: Any = self.message
            if isinstance(message, C_STORE_RQ) and message._data_set_file is None:
                self._begin(message)

    def send_msg(self, primitive: Any, context_id: int) -> None:
        """Send a message."""
        command = _answer(primitive) if _is_plain_answer(primitive) else b""
        if command and not 0 < self.maximum_pdu_size < len(command) + _ITEM_BYTES:
            self.dul.send_pdu(_fragment(context_id, _WHOLE_COMMAND + command))
        else:
            super().send_msg(primitive, context_id)

    def _begin(self, message: Any) -> None:
        command = message.command_set
        file = Incoming(
            self._incoming,
            str(command.AffectedSOPClassUID),
            str(command.AffectedSOPInstanceUID),
            str(self.assoc._accepted_cx[message.context_id].transfer_syntax[0]),
        )
        message._data_set_file, message._data_set_path = file, file.path


def _fragment(context_id: int, content: bytes) -> Any:
    alone: Any = P_DATA()
    alone.presentation_data_value_list = [[context_id, content]]
    return alone


def _is_plain_answer(primitive: Any) -> bool:
    return (
        isinstance(primitive, C_STORE)
        and primitive.MessageIDBeingRespondedTo is not None
        and primitive.ErrorComment is None
        and primitive.OffendingElement is None
    )


def _answer(primitive: Any) -> bytes:
    """A C-STORE-RSP in Implicit VR Little Endian (PS3.7 6.3.1)."""
    elements = (
        _uid(0x0002, primitive.AffectedSOPClassUID)
        + _number(0x0100, _C_STORE_RSP)
        + _number(0x0120, primitive.MessageIDBeingRespondedTo)
        + _number(0x0800, _NO_DATA_SET)
        + _number(0x0900, primitive.Status)
        + _uid(0x1000, primitive.AffectedSOPInstanceUID)
    )
    return struct.pack("<HHLL", 0x0000, 0x0000, 4, len(elements)) + elements


def _number(element: int, value: int) -> bytes:
    return struct.pack("<HHLH", 0x0000, element, 2, value)


def _uid(element: int, value: str) -> bytes:
    encoded = value.encode("ascii", "replace")
    encoded += b"\0" * (len(encoded) % 2)
    return struct.pack("<HHL", 0x0000, element, len(encoded)) + encoded
