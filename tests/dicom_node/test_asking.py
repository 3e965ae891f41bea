"""Requests for associations that ask for too much, and many at once; against the real server."""

from __future__ import annotations

import io
import logging
import socket
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import receiving
import wire

from dicom_node import logs
from dicom_node.receive.asking import MOST_CONTEXTS, too_much
from dicom_node.receive.port import Port

#: Objects of pynetdicom that one such request may ask for.
SYNTAXES = [f"1.2.840.10008.1.2.{n}" for n in range(1000)]


def request(contexts: int, syntaxes: int = 1, user: bytes = b"") -> bytes:
    asked = [
        wire.context((2 * n + 1) % 256, wire.FILM, *SYNTAXES[:syntaxes]) for n in range(contexts)
    ]
    return wire.request(asked, user)


@pytest.mark.parametrize(
    ("asking", "why"),
    [
        (request(MOST_CONTEXTS + 1), "it asks for more than 128 presentation contexts"),
        (request(12_000), "it asks for more than 128 presentation contexts"),
        (request(9, 1000), "its request has more than 8192 items"),
        (request(1, user=wire.item(0x54, b"") * 8200), "its request has more than 8192 items"),
    ],
)
def test_a_request_for_more_than_there_is_is_not_taken_apart(
    asking: bytes, why: str, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    decoded: list[Any] = []
    monkeypatch.setattr("pynetdicom.pdu.A_ASSOCIATE_RQ.decode", lambda *_: decoded.append(1))
    with receiving.node(tmp_path) as node, wire.connected(node.port) as connection:
        with caplog.at_level(logging.WARNING, "dicom_node"):
            connection.sendall(asking)
            assert not {2, 3} & set(wire.end_of(connection))
        told = [one.getMessage() for one in caplog.records if one.name.startswith("dicom_node")]
        assert [why in one for one in told] == [True]
        assert not decoded
        monkeypatch.undo()
        wire.associated(node.port).close()


@pytest.mark.parametrize("content", [b"", bytes(68)])
def test_a_pdu_that_cannot_be_decoded_is_told_in_one_line_and_answered_by_an_abort(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.addFilter(logs._tells_something)
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    with receiving.node(tmp_path) as node, wire.connected(node.port) as connection:
        connection.sendall(wire.pdu(1, content))
        assert wire.end_of(connection) == [7]
    (line,) = written.getvalue().splitlines()
    assert "connection of 127.0.0.1: it sent a PDU that cannot be decoded (" in line


def test_as_many_contexts_as_there_are_numbers_may_be_asked_for(tmp_path: Path) -> None:
    with receiving.node(tmp_path) as node:
        wire.associated(node.port, request(MOST_CONTEXTS, 60)).close()


@pytest.mark.parametrize("cut", range(6, 160))
def test_a_request_that_is_cut_off_or_lies_is_counted_as_far_as_it_goes(cut: int) -> None:
    asking = request(1)
    assert too_much(asking[:cut]) == too_much(asking[:cut] + b"\xff" * 8) == ""


def test_who_connects_with_many_others_does_not_wait_for_its_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which, turned away, asks again after a second."""
    go_on = threading.Event()
    accept = Port.get_request

    def busy(port: Port) -> Any:
        go_on.wait(20)
        return accept(port)

    monkeypatch.setattr(Port, "get_request", busy)
    with receiving.node(tmp_path) as node, ExitStack() as stack:
        try:
            for _ in range(40):
                address = ("127.0.0.1", node.port)
                stack.enter_context(socket.create_connection(address, timeout=0.9))
        finally:
            go_on.set()
