"""What a caller may send, and no more: sizes, paces, order; against the real server."""

from __future__ import annotations

import resource
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import receiving
import wire
from peers import wait_until
from pynetdicom import AE
from pynetdicom.association import MODE_ACCEPTOR, Association
from receiving import DOOR, EXPLICIT, LIMITS, Node, dataset, encoded
from sqlalchemy import select

from dicom_node.association import echo
from dicom_node.ledger.tables import quarantine
from dicom_node.receive.intake import MOST_WAITING, guard
from dicom_node.receive.line import Limits
from dicom_node.receive.taking import CANNOT_UNDERSTAND, SUCCESS, TOO_LARGE

MEBIBYTE = 1024**2


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    with ExitStack() as stack:

        def run(limits: Limits = LIMITS) -> Node:
            return stack.enter_context(receiving.node(tmp_path, DOOR, limits))

        yield run


def large(size: int) -> bytes:
    made = dataset(PixelData=bytes(size))
    made["PixelData"].VR = "OW"
    return encoded(made, EXPLICIT)


def reasons(node: Node) -> list[str]:
    with node.database.reading() as connection:
        return list(connection.execute(select(quarantine.c.reason)).scalars())


def test_an_object_larger_than_allowed_is_refused_for_good_and_its_beginning_is_kept(
    start: Callable[..., Node],
) -> None:
    """It has to be visible, and the association goes on."""
    node = start(replace(LIMITS, maximum_object_bytes=2 * MEBIBYTE))
    most = 0
    with wire.associated(node.port) as connection:
        for one in wire.store(large(9 * MEBIBYTE)):
            connection.sendall(one)
            most = max(most, *(path.stat().st_size for path in node.temporary()), 0)
        assert wire.status(connection) == CANNOT_UNDERSTAND
        assert 2 * MEBIBYTE - 200_000 < most <= 2 * MEBIBYTE + 1
        for one in wire.store(large(MEBIBYTE)):
            connection.sendall(one)
        assert wire.status(connection) == SUCCESS
    receiving.settle(lambda: reasons(node) == [TOO_LARGE])
    (kept,) = node.spool.quarantine.iterdir()
    assert kept.stat().st_size == MEBIBYTE
    assert len(node.received()) == 1
    assert node.temporary() == []


def test_an_object_just_as_large_as_allowed_is_stored(tmp_path: Path) -> None:
    content = b"".join(wire.store(large(3 * MEBIBYTE)))
    with receiving.node(tmp_path / "any") as node, wire.associated(node.port) as connection:
        connection.sendall(content)
        assert wire.status(connection) == SUCCESS
        size = node.received()[0].stat().st_size
    for allowed, answer in ((size, SUCCESS), (size - 1, CANNOT_UNDERSTAND)):
        limits = replace(LIMITS, maximum_object_bytes=allowed)
        with (
            receiving.node(tmp_path / str(allowed), DOOR, limits) as node,
            wire.associated(node.port) as connection,
        ):
            connection.sendall(content)
            assert wire.status(connection) == answer


def ended_with(caplog: pytest.LogCaptureFixture, words: str) -> bool:
    return any(words in record.getMessage() for record in caplog.records)


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@pytest.mark.parametrize(
    ("first", "flags", "number", "words"),
    [
        (b"", wire.COMMAND, 1, "its command set is larger than any"),
        (wire.command(0x140, wire.MPPS, instance="1.2.9", data_set=True), 0, 5, "announces"),
    ],
    ids=["a command set", "an announcement"],
)
def test_what_is_held_in_memory_has_a_bound(
    start: Callable[..., Node],
    caplog: pytest.LogCaptureFixture,
    first: bytes,
    flags: int,
    number: int,
    words: str,
) -> None:
    """200 MB of it are offered."""
    node = start()
    before = resident()
    with wire.associated(node.port) as connection, suppress(OSError):
        if first:
            connection.sendall(wire.data(wire.fragment(first, wire.COMMAND | wire.LAST, number)))
        piece = wire.data(wire.fragment(bytes(60_000), flags, number))
        for _ in range(3500):
            connection.sendall(piece)
        pytest.fail("all of it was taken")
    wait_until(lambda: ended_with(caplog, words), "the log says why")
    assert resident() - before < 60 * MEBIBYTE
    echo(receiving.peer(node))


def test_who_does_not_wait_for_answers_is_cut_off(
    start: Callable[..., Node], caplog: pytest.LogCaptureFixture
) -> None:
    """Each object that waits has a file open."""
    node = start()
    small = b"".join(wire.store(b"\x08\x00\x16\x00UI\x00\x00"))
    with wire.associated(node.port) as connection, suppress(OSError):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            connection.sendall(small)
        pytest.fail("it was heard out")
    wait_until(lambda: ended_with(caplog, "it does not wait for answers"), "the log says why")
    receiving.settle(lambda: node.temporary() == [])


@pytest.mark.parametrize(
    "sent",
    [
        wire.data(wire.fragment(b"", wire.COMMAND | wire.LAST)),
        wire.data(struct.pack(">LB", 1, 1)),
        wire.data(wire.fragment(b"\x00" * 30, wire.LAST)),
        wire.data(wire.fragment(wire.command(1, wire.FILM, data_set=True), 3, 77)),
        wire.data(wire.fragment(b"\xff" * 50, wire.COMMAND | wire.LAST)),
        wire.data(wire.fragment(wire.command(0x7777, wire.FILM, data_set=True), 3)),
        wire.data(wire.fragment(wire.command(1, wire.FILM, data_set=True)[:-5], 3)),
        wire.store(b"1" * 100)[0] * 2,
        wire.request(),
        wire.pdu(2, bytes(70)),
        wire.pdu(9, b"what"),
        wire.data(b"\xff\xff\xff\xff\x01\x03"),
        wire.RELEASE + wire.pdu(2, bytes(70)),
        wire.RELEASE + wire.pdu(6, bytes(4)) + wire.ECHO + wire.RELEASE,
    ],
    ids=["empty command", "no control header", "data first", "unknown context", "no command set",
         "unknown command", "cut command", "a message within another", "a second request",
         "an acceptance", "unknown PDU", "length of a fragment", "an acceptance after the release",
         "talk after the release"],
)  # fmt: skip
def test_nonsense_ends_its_association_without_a_trace_and_leaves_nothing(
    start: Callable[..., Node], caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    node = start()
    before = threading.active_count()
    with wire.associated(node.port) as connection:
        connection.sendall(sent)
        wire.end_of(connection)
    receiving.settle(lambda: node.temporary() == [])
    receiving.settle(lambda: threading.active_count() <= before, LIMITS.association_seconds / 2)
    ours = [one for one in caplog.records if one.name.startswith("dicom_node")]
    assert len(ours) < 10, "one of its threads turns in a circle"
    assert [one for one in ours if one.exc_info] == []
    with wire.associated(node.port) as connection:
        connection.sendall(wire.ECHO)
        assert wire.status(connection) == 0


def cancel(number: int) -> bytes:
    """A C-CANCEL-RQ (PS3.7 Table 9.3-11) of a request that there is not."""
    asks = (
        wire.element(0x00000100, struct.pack("<H", 0x0FFF))
        + wire.element(0x00000120, struct.pack("<H", number))
        + wire.element(0x00000800, struct.pack("<H", 0x0101))
    )
    whole = wire.element(0, struct.pack("<L", len(asks))) + asks
    return wire.data(wire.fragment(whole, wire.COMMAND | wire.LAST))


#: A C-STORE-RQ whose Affected SOP Instance UID is there, and empty.
NAMELESS = wire.data(
    wire.fragment(
        wire.command(1, wire.FILM, data_set=True, more=wire.element(0x1000, b"")),
        wire.COMMAND | wire.LAST,
    )
)


@pytest.mark.parametrize(
    "sent",
    [
        NAMELESS + wire.store(b"1" * 100)[-1],
        wire.data(wire.fragment(wire.command(0x8001, wire.FILM, data_set=False), 3)),
        b"".join(map(cancel, range(15))),
    ],
    ids=["no SOP Instance UID", "an answer to nothing", "more cancels than are kept"],
)
def test_what_is_no_whole_request_is_not_left_without_an_answer_until_its_time_is_up(
    start: Callable[..., Node], caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    """Else the log would say that the caller was silent, and its file would stay."""
    node = start(replace(LIMITS, idle_seconds=600, message_seconds=600))
    with wire.associated(node.port) as connection:
        connection.sendall(sent)
        wire.end_of(connection)
    wait_until(lambda: ended_with(caplog, "it sent what is no request"), "the log says why")
    receiving.settle(lambda: node.temporary() == [])
    assert [one for one in caplog.records if one.exc_info] == []


def test_an_object_may_not_take_for_ever_however_steadily_it_comes(
    start: Callable[..., Node], caplog: pytest.LogCaptureFixture
) -> None:
    node = start(replace(LIMITS, object_seconds=1.0))
    assert _trickled(node, b"".join(wire.store(large(5000), piece=50))) < 4
    wait_until(lambda: ended_with(caplog, "an object took too long"), "the log says why")
    receiving.settle(lambda: node.temporary() == [])


@pytest.mark.parametrize("piece", [50, 60_000], ids=["in many PDUs", "in one PDU"])
def test_an_object_may_not_come_too_slowly(
    start: Callable[..., Node], caplog: pytest.LogCaptureFixture, piece: int
) -> None:
    node = start(replace(LIMITS, message_seconds=0.8, lowest_bytes_per_second=10_000))
    assert _trickled(node, b"".join(wire.store(large(5000), piece=piece))) < 5
    wait_until(lambda: ended_with(caplog, "it sends too slowly"), "the log says why")
    receiving.settle(lambda: node.temporary() == [])


def test_many_objects_in_a_row_are_not_one_that_takes_long(start: Callable[..., Node]) -> None:
    node = start(replace(LIMITS, object_seconds=0.5, message_seconds=0.5,
                         lowest_bytes_per_second=1000))  # fmt: skip
    begun, sent = time.monotonic(), 0
    with wire.associated(node.port) as connection:
        while time.monotonic() - begun < 2.5:
            connection.sendall(b"".join(wire.store(large(5000))))
            assert wire.status(connection) == SUCCESS
            sent += 1
    assert sent > 3


def _trickled(node: Node, content: bytes) -> float:
    """Seconds for which somebody may send 20 bytes each 50 ms."""
    begun = time.monotonic()
    with wire.associated(node.port) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for at in range(0, len(content), 20):
                connection.sendall(content[at : at + 20])
                time.sleep(0.05)
        except OSError:
            return time.monotonic() - begun
    pytest.fail("it was heard out")


def test_who_only_echoes_has_to_go_at_last(
    start: Callable[..., Node], caplog: pytest.LogCaptureFixture
) -> None:
    node = start(replace(LIMITS, without_object_seconds=1.0))
    begun, echoed = time.monotonic(), 0
    with wire.associated(node.port) as connection, suppress(OSError):
        while wire.status(connection) == 0 if echoed else True:
            connection.sendall(wire.ECHO)
            echoed += 1
            time.sleep(0.02)
    assert echoed > 3
    assert 0.9 < time.monotonic() - begun < 5
    wait_until(lambda: ended_with(caplog, "it brought nothing for too long"), "the log says why")


@pytest.mark.parametrize("said", [b"", wire.pdu(9, b"what"), wire.request()[:50], wire.RELEASE])
def test_who_hangs_up_leaves_no_thread_behind(start: Callable[..., Node], said: bytes) -> None:
    """Else as many would wait as come within ``association_seconds``."""
    node = start()
    before = threading.active_count()
    for _ in range(30):
        with wire.connected(node.port) as connection:
            connection.sendall(said)
    receiving.settle(lambda: threading.active_count() <= before, LIMITS.association_seconds / 2)


def test_an_event_that_is_not_allowed_ends_the_thread_that_met_it() -> None:
    """What comes first, the end of a connection or that of its time, is chance."""
    association: Any = Association(AE(), MODE_ACCEPTOR)
    told: list[str] = []
    guard(association, Path(), MEBIBYTE, lambda _, why: told.append(why))
    association.dul.state_machine.do_action("Evt18")  # the timer ran out, where none was set
    assert len(told) == 1
    assert association.dul._kill_thread


def test_reports_that_do_not_wait_for_answers_take_no_more_threads_than_are_allowed() -> None:
    """Pynetdicom begins a thread for each N-EVENT-REPORT, which may have to wait for the ledger."""
    association: Any = Association(AE(), MODE_ACCEPTOR)
    answered, ended = threading.Event(), threading.Semaphore(0)
    association._serve_request = lambda *_: answered.wait(60)
    guard(association, Path(), MEBIBYTE, lambda *_: ended.release())
    report = SimpleNamespace(is_valid_request=True)
    threads = [
        threading.Thread(target=association._serve_request, args=(report, 1))
        for _ in range(MOST_WAITING + 3)
    ]
    for one in threads:
        one.start()
    for _ in range(3):
        assert ended.acquire(timeout=60)
    answered.set()
    for one in threads:
        one.join(60)
    assert not ended.acquire(blocking=False)


def test_announcements_may_not_be_deflated(start: Callable[..., Node]) -> None:
    """Four MiB would become four GiB in memory."""
    node = start()
    offered = [wire.context(1, wire.MPPS, receiving.DEFLATED), wire.context(3, wire.MPPS, EXPLICIT)]
    with wire.connected(node.port) as connection:
        connection.sendall(wire.request(offered))
        kind, answer = wire.received(connection)
    assert kind == 2
    items = [answer[at : at + 8] for at in range(len(answer)) if answer[at : at + 2] == b"\x21\x00"]
    assert {one[4]: one[6] for one in items} == {1: 4, 3: 0}  # PS3.8 Table 9-18


@pytest.mark.parametrize("offered", [wire.FILM, wire.VERIFICATION, ""])
def test_a_context_without_a_syntax_is_rejected_and_takes_no_place(
    start: Callable[..., Node], offered: str
) -> None:
    node = start()
    asks = wire.request([wire.context(1, offered), wire.context(3, wire.VERIFICATION, EXPLICIT)])
    with ExitStack() as open_:
        for _ in range(DOOR.maximum_associations + 1):
            connection = open_.enter_context(wire.connected(node.port))
            connection.sendall(asks)
            assert wire.received(connection) in ((3, b"\x00\x01\x02\x01"), (7, b"\0\0\2\0"))
        echo(receiving.peer(node))
