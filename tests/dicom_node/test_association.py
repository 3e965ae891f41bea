"""Associations that this node opens, at peers that keep to the standard less than they should."""

from __future__ import annotations

import socket
import threading

import wire
from nodes import AE_TITLE

from dicom_node.association import echo
from dicom_node.peer import Peer


def _accepting(server: socket.socket) -> None:
    """Accept one association without a Maximum Length, answer one C-ECHO, and the release."""
    connection, _ = server.accept()
    with connection:
        _, asked = wire.received(connection)
        accepted = wire.item(
            0x21, bytes([1, 0, 0, 0]) + wire.item(0x40, b"1.2.840.10008.1.2")
        ) + wire.item(0x50, wire.item(0x52, b"1.2.3.4"))
        connection.sendall(
            wire.pdu(2, asked[:68] + wire.item(0x10, b"1.2.840.10008.3.1.1.1") + accepted)
        )
        wire.received(connection)
        answer = wire.command(
            0x8030,
            wire.VERIFICATION,
            data_set=False,
            more=wire.element(0x00000120, b"\1\0") + wire.element(0x00000900, b"\0\0"),
        )
        connection.sendall(wire.data(wire.fragment(answer, wire.COMMAND | wire.LAST)))
        wire.received(connection)
        connection.sendall(wire.pdu(6, bytes(4)))


def test_a_peer_that_states_no_maximum_length_is_spoken_to() -> None:
    """PS3.7 D.3.3.1 wants it of every acceptance."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_accepting, args=(server,))
        thread.start()
        port = server.getsockname()[1]
        echo(
            Peer(
                name="pacs", host="127.0.0.1", port=port, ae_title="PACS", calling_ae_title=AE_TITLE
            )
        )
        thread.join(10)
