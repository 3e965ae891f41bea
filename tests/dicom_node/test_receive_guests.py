"""Who is let in and who is shown out: lists, counts and silences, against the real server."""

from __future__ import annotations

import logging
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import receiving
import wire
from peers import wait_until
from pydicom.uid import ComputedRadiographyImageStorage
from pynetdicom import AE
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import
from receiving import DOOR, EXPLICIT, LIMITS, Node, associated, dataset, encoded, part10, status
from sqlalchemy import select

from dicom_node.association import echo
from dicom_node.errors import Unreachable
from dicom_node.ledger.tables import instances
from dicom_node.receive.door import Door
from dicom_node.receive.line import Limits

FILMS = [(ComputedRadiographyImageStorage, [EXPLICIT])]
LISTED = replace(DOOR, calling_ae_titles=("PACS",))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    with ExitStack() as stack:

        def run(door: Door = DOOR, limits: Limits = LIMITS) -> Node:
            return stack.enter_context(receiving.node(tmp_path, door, limits))

        yield run


@pytest.mark.parametrize(
    ("door", "calling", "address", "why"),
    [
        (DOOR, "ANY", "127.0.0.1", None),
        (DOOR, "ANY", "::1", None),
        (DOOR, "ANY", "::ffff:127.0.0.1", None),
        (DOOR, "ANY", "10.1.2.3", "add 'ANY' to receive.calling_ae_titles"),
        (DOOR, "ANY", "::ffff:10.1.2.3", "add 'ANY' to receive.calling_ae_titles"),
        (LISTED, "PACS", "10.1.2.3", None),
        (LISTED, "pacs", "127.0.0.1", "add 'pacs' to receive.calling_ae_titles"),
        (replace(DOOR, addresses=("10.1.0.0/16", "10.9.8.7")), "ANY", "::ffff:10.1.2.3", None),
        (replace(DOOR, addresses=("10.1.0.0/16", "10.9.8.7/32")), "ANY", "10.9.8.7", None),
        (replace(DOOR, addresses=("2001:db8::/32", "10.0.0.0/8")), "ANY", "2001:db8::7", None),
        (replace(DOOR, addresses=("10.1.0.0/16",)), "ANY", "10.2.0.1", "add 10.2.0.1 to rece"),
        (replace(DOOR, addresses=("10.1.0.0/16",)), "ANY", "127.0.0.1", "add 127.0.0.1 to rec"),
        (replace(LISTED, addresses=("10.1.0.0/16",)), "PACS", "10.2.0.1", "receive.addresses"),
        (replace(LISTED, addresses=("10.1.0.0/16",)), "X", "10.1.0.1", "calling_ae_titles"),
    ],
)
def test_who_is_a_stranger(door: Door, calling: str, address: str, why: str | None) -> None:
    told = door.stranger(called="DICOMNODE", calling=calling, address=address)
    assert (told is None) == (why is None)
    if told is not None and why is not None:
        assert why in told.why
        assert (told.result, told.source, told.diagnostic) == (1, 1, 3)  # PS3.8 Table 9-21


def rejection(node: Node, calling: str = "TESTS", called: str = "DICOMNODE") -> tuple[int, ...]:
    """Result, source and diagnostic of the answer to a C-ECHO's association; empty if let in."""
    ae = AE(ae_title=calling)
    ae.add_requested_context(Verification)
    asked = ae.associate("127.0.0.1", node.port, ae_title=called)
    if asked.is_established:
        asked.release()
        return ()
    answer = asked.acceptor.primitive
    return (answer.result, answer.result_source, answer.diagnostic)


def test_a_stranger_may_not_even_echo_and_the_log_says_what_to_add(
    start: Callable[..., Node], caplog: pytest.LogCaptureFixture
) -> None:
    node = start(LISTED)
    with caplog.at_level(logging.WARNING, "dicom_node"):
        assert rejection(node, "MODALITY7") == (1, 1, 3)
        assert rejection(node, "PACS", "OTHER") == (1, 1, 7)
    assert rejection(node, "PACS") == ()
    first, second = (
        one.getMessage() for one in caplog.records if one.name.startswith("dicom_node")
    )
    assert first == (
        "association of 'MODALITY7' at 127.0.0.1 rejected: "
        "add 'MODALITY7' to receive.calling_ae_titles"
    )
    assert "'OTHER', this node is 'DICOMNODE' (node.ae_title)" in second


@pytest.mark.parametrize("door", [LISTED, DOOR])
def test_only_spaces_around_a_title_mean_nothing(
    start: Callable[..., Node], caplog: pytest.LogCaptureFixture, door: Door
) -> None:
    """PS3.5 6.2, AE. Else who is not in the list could call by the title of one who is."""
    node = start(door)
    for calling in (b"PACS\n", b"\tPACS"):
        with wire.connected(node.port) as connection:
            connection.sendall(wire.request(calling=calling))
            assert wire.received(connection) == (3, bytes([0, 1, 1, 3])), calling
    with wire.associated(node.port, wire.request(calling=b"  PACS")):
        assert "has characters that may stand in none" in caplog.text


def test_titles_may_be_filled_up_with_nul(start: Callable[..., Node]) -> None:
    """As some callers do, against PS3.5 6.2."""
    node = start(LISTED)
    asking = wire.request(calling=b"PACS".ljust(16, b"\0"))
    asking = asking.replace(b"DICOMNODE".ljust(16), b"DICOMNODE".ljust(16, b"\0"))
    with wire.associated(node.port, asking):
        pass
    with wire.connected(node.port) as connection:  # within a title it stands for nothing
        connection.sendall(wire.request(calling=b"PA\0CS"))
        assert wire.received(connection)[0] != 2


def test_who_speaks_tls_at_the_port_in_plain_is_told_apart(
    start: Callable[..., Node], caplog: pytest.LogCaptureFixture
) -> None:
    node = start()
    with wire.connected(node.port) as connection, suppress(OSError):  # it is no server of TLS
        ssl.create_default_context().wrap_socket(connection, server_hostname="localhost")
    wait_until(lambda: "it speaks TLS, and this port is in plain" in caplog.text, "it is logged")


@pytest.mark.parametrize("host", ["::1", "::"])
def test_the_port_may_be_of_ip_version_6(tmp_path: Path, host: str) -> None:
    """A socket for both families gives callers of version 4 as ::ffff:127.0.0.1."""
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with receiving.node(tmp_path, replace(DOOR, addresses=("127.0.0.1", "::1")), host=host) as node:
        for address in ("::1", *(["127.0.0.1"] if host == "::" else [])):
            ae = AE(ae_title="TESTS")
            ae.add_requested_context(Verification)
            asked = ae.associate(address, node.port, ae_title="DICOMNODE")
            assert asked.is_established, address
            asked.release()


def test_one_greedy_sender_does_not_shut_out_the_others(start: Callable[..., Node]) -> None:
    node = start(replace(DOOR, maximum_associations=4, maximum_per_sender=2))
    limit = (2, 3, 2)  # transient, presentation related, local limit exceeded
    with ExitStack() as stack:
        for _ in range(2):
            opened = stack.enter_context(associated(node, FILMS, "GREEDY"))
            assert opened.is_established
        assert rejection(node, "GREEDY") == limit
        others = [stack.enter_context(associated(node, FILMS, f"OTHER{n}")) for n in range(2)]
        assert all(one.is_established for one in others)
        assert rejection(node, "OTHER3") == limit
        others[0].release()
        assert rejection(node, "OTHER3") == ()
    assert rejection(node, "GREEDY") == ()


def test_those_that_only_connect_take_nobodys_place(start: Callable[..., Node]) -> None:
    node = start(replace(DOOR, maximum_associations=2))
    silent = [socket.create_connection(("127.0.0.1", node.port)) for _ in range(20)]
    try:
        assert rejection(node) == ()
    finally:
        for one in silent:
            one.close()


def closed_after(connection: socket.socket, longest: float) -> float:
    """Seconds until the other side closes, whatever it says before."""
    begun = time.monotonic()
    connection.settimeout(longest)
    try:
        while connection.recv(4096):
            pass
    except ConnectionError:
        pass
    return time.monotonic() - begun


def request() -> bytes:
    """An A-ASSOCIATE-RQ as pynetdicom sends it."""
    caught: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        ae = AE(ae_title="TESTS")
        ae.acse_timeout = ae.connection_timeout = 1
        ae.add_requested_context(*FILMS[0])

        def catch() -> None:
            connection, _ = server.accept()
            with connection:
                caught.append(connection.recv(65536))

        catcher = Thread(target=catch)
        catcher.start()
        ae.associate("127.0.0.1", server.getsockname()[1], ae_title="DICOMNODE")
        catcher.join()
    return caught[0]


@pytest.mark.parametrize("share", [0, 0.01, 0.5])
def test_who_asks_for_nothing_or_by_half_is_cut_off(
    start: Callable[..., Node], share: float
) -> None:
    node = start(limits=replace(LIMITS, association_seconds=0.5))
    whole = request()
    with socket.create_connection(("127.0.0.1", node.port)) as connection:
        connection.sendall(whole[: int(share * len(whole))])
        assert 0.3 < closed_after(connection, 5) < 2
    echo(receiving.peer(node))


def test_who_asks_a_byte_at_a_time_is_cut_off_all_the_same(start: Callable[..., Node]) -> None:
    node = start(limits=replace(LIMITS, association_seconds=0.6))
    whole, begun = request(), time.monotonic()
    with socket.create_connection(("127.0.0.1", node.port)) as connection:
        for at in range(len(whole)):
            try:
                connection.sendall(whole[at : at + 1])
            except OSError:
                break
            time.sleep(0.1)
        else:
            pytest.fail("it was heard out")
    assert time.monotonic() - begun < 3


def store_request(content: bytes) -> tuple[bytes, bytes]:
    """The P-DATA-TF PDUs of a C-STORE: the command, and the data set in one fragment."""
    primitive = C_STORE()
    primitive.MessageID = 1
    primitive.AffectedSOPClassUID = ComputedRadiographyImageStorage
    primitive.AffectedSOPInstanceUID = "1.2.3"
    primitive.Priority = 0
    primitive.DataSet = BytesIO(content)
    message = C_STORE_RQ()
    message.primitive_to_message(primitive)
    pdus = []
    for pdata in message.encode_msg(1, 0):
        pdu = P_DATA_TF()
        pdu.from_primitive(pdata)
        pdus.append(pdu.encode())
    command, data = pdus
    return command, data


def asked(node: Node) -> socket.socket:
    """A raw connection whose association is accepted."""
    connection = socket.create_connection(("127.0.0.1", node.port))
    connection.sendall(request())
    assert connection.recv(65536)[0] == 2  # A-ASSOCIATE-AC
    return connection


@pytest.mark.parametrize("stop", ["within a PDU", "between PDUs", "after the first byte"])
def test_who_stalls_within_an_object_is_cut_off_and_leaves_nothing(
    start: Callable[..., Node], stop: str
) -> None:
    node = start(limits=replace(LIMITS, message_seconds=0.5, idle_seconds=60))
    made = dataset()
    command, data = store_request(encoded(made, EXPLICIT))
    sent = {
        "within a PDU": command + data[: len(data) // 2],
        "between PDUs": command,
        "after the first byte": data[:1],
    }[stop]
    with asked(node) as connection:
        connection.sendall(sent)
        echo(receiving.peer(node, "OTHER"))  # it holds nobody up
        assert 0.3 < closed_after(connection, 5) < 2.5
    receiving.settle(lambda: node.temporary() == [])
    assert node.received() == []


def test_who_is_idle_is_aborted(start: Callable[..., Node]) -> None:
    node = start(limits=replace(LIMITS, message_seconds=60, idle_seconds=0.5))
    with asked(node) as connection:
        begun = time.monotonic()
        connection.settimeout(5)
        assert connection.recv(6)[0] == 7  # A-ABORT
        assert 0.3 < time.monotonic() - begun < 2


def test_who_sends_slowly_is_not_cut_off(start: Callable[..., Node]) -> None:
    """One object in two seconds, by 40 pieces of one PDU; silences of 0.5 s would end it."""
    node = start(limits=replace(LIMITS, message_seconds=0.5, idle_seconds=0.5))
    made = dataset()
    command, data = store_request(encoded(made, EXPLICIT))
    with asked(node) as connection:
        connection.sendall(command)
        piece = len(data) // 40 + 1
        for at in range(0, len(data), piece):
            connection.sendall(data[at : at + piece])
            time.sleep(0.05)
        connection.settimeout(5)
        answer = connection.recv(65536)
    assert answer[0] == 4  # P-DATA-TF
    assert [one.stem for one in node.received()] == [made.SOPInstanceUID]


@pytest.mark.parametrize("within", ["association", "object"])
def test_a_pdu_that_says_it_is_huge_is_not_awaited(start: Callable[..., Node], within: str) -> None:
    node = start()
    connection = (
        asked(node) if within == "object" else socket.create_connection(("127.0.0.1", node.port))
    )
    with connection:
        kind = 4 if within == "object" else 1
        connection.sendall(struct.pack(">BBL", kind, 0, 0xFFFFFFF0))
        assert closed_after(connection, 5) < 2
    echo(receiving.peer(node))


def test_the_pdu_size_is_what_the_site_says(start: Callable[..., Node]) -> None:
    node = start(limits=replace(LIMITS, maximum_pdu_bytes=32768))
    with associated(node, FILMS) as opened:
        assert opened.acceptor.maximum_length == 32768


@pytest.mark.parametrize("end", ["abort", "close", "release"])
def test_an_object_that_ends_by_half_leaves_nothing(start: Callable[..., Node], end: str) -> None:
    node = start()
    made = dataset()
    command, data = store_request(encoded(made, EXPLICIT))
    first = data[:12] + data[12 : len(data) // 2]
    # A whole PDU that says it is not the last fragment (PS3.8 E.2).
    fragment = first[12:]
    pdv = struct.pack(">LBB", len(fragment) + 2, 1, 0) + fragment
    with asked(node) as connection:
        connection.sendall(command + struct.pack(">BBL", 4, 0, len(pdv)) + pdv)
        wait_until(lambda: len(node.temporary()) == 1, "it is being received")
        if end == "abort":
            connection.sendall(struct.pack(">BBLBBBB", 7, 0, 4, 0, 0, 0, 0))
        elif end == "release":
            connection.sendall(struct.pack(">BBLL", 5, 0, 4, 0))
    receiving.settle(lambda: node.temporary() == [])
    assert node.received() == []
    with associated(node, FILMS) as opened:
        assert opened.is_established


def test_the_titles_of_callers_are_cleaned_before_they_are_logged(
    start: Callable[..., Node], tmp_path: Path
) -> None:
    node = start()
    made = dataset()
    film = part10(tmp_path / "film.dcm", made, encoded(made, EXPLICIT), EXPLICIT)
    with associated(node, FILMS, "  PACS 1") as opened:
        assert status(opened, film) == 0
    receiving.settle(node.studies)
    assert calling(node) == {made.SOPInstanceUID: "PACS 1"}


def calling(node: Node) -> dict[str, Any]:
    with node.database.reading() as connection:
        rows = connection.execute(select(instances.c.sop_instance_uid, instances.c.calling))
        return {row.sop_instance_uid: row.calling for row in rows}


def test_a_full_disk_is_told_as_passing(start: Callable[..., Node]) -> None:
    node = start(replace(DOOR, reserve_bytes=2**62))
    assert rejection(node) == (2, 3, 1)  # transient, temporary congestion
    with pytest.raises(Unreachable):
        echo(receiving.peer(node))


def test_a_disk_that_has_gone_is_told_as_passing(
    start: Callable[..., Node], tmp_path: Path
) -> None:
    node = start()
    made = dataset()
    film = part10(tmp_path / "film.dcm", made, encoded(made, EXPLICIT), EXPLICIT)
    with associated(node, FILMS) as opened:
        node.spool.root.rename(tmp_path / "gone")
        assert rejection(node) == (2, 3, 1)
        (tmp_path / "gone").rename(node.spool.root)
        assert status(opened, film) == 0


def test_nobody_is_let_in_by_a_door_that_is_out_of_order(
    start: Callable[..., Node], caplog: pytest.LogCaptureFixture
) -> None:
    """After a handler that raises pynetdicom goes on; a list that cannot be read is a bug."""
    node = start(replace(DOOR, addresses=("not a network",)))
    assert rejection(node) == (2, 3, 1)
    receiving.settle(lambda: any(record.exc_info for record in caplog.records))


def test_who_has_said_goodbye_takes_no_place(start: Callable[..., Node]) -> None:
    """Orthanc opens one association after the other, before the threads of the last have ended."""
    node = start(replace(DOOR, maximum_associations=1))
    assert [rejection(node) for _ in range(10)] == [()] * 10
