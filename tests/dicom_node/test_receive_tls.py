"""The port for TLS, called by DCMTK, openssl, our own side, and by who should not get in."""

from __future__ import annotations

import logging
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import certificates
import pytest
import receiving
from certificates import Authority
from peers import call, need, storescu
from pynetdicom.pdu import A_ASSOCIATE_RQ
from receiving import DOOR, LIMITS, Node

from dicom_node import tls
from dicom_node.association import echo
from dicom_node.errors import Rejected, Unreachable
from dicom_node.peer import Peer
from dicom_node.receive.tls_line import Callers, Lines, TlsLine
from dicom_node.tls import Credentials, Secured

SHORT = replace(LIMITS, association_seconds=1.5, message_seconds=2, idle_seconds=2)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = certificates.authority(tmp_path_factory.mktemp("tls") / "ours")
    for name in ("node", "modality"):
        made.sign(name)
    made.sign("late", expired=True)
    return made


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = certificates.authority(tmp_path_factory.mktemp("tls") / "theirs", "Another authority")
    made.sign("stranger")
    return made


def of(authority: Authority, name: str, believe: Authority | None = None) -> Credentials:
    folder = authority.folder
    certificate = (believe or authority).certificate
    return Credentials(certificate, folder / f"{name}.crt", folder / f"{name}.key")


@pytest.fixture
def start(tmp_path: Path, ours: Authority) -> Iterator[Callable[..., Node]]:
    with ExitStack() as stack:

        def run(**more: object) -> Node:
            more = {"lines": Lines(of(ours, "node"), ask=True)} | more
            return stack.enter_context(receiving.node(tmp_path, **more))  # type: ignore[arg-type]

        yield run


def peer(node: Node, credentials: Credentials, calling: str = "TESTS") -> Peer:
    where = Secured(credentials, "localhost")
    return Peer("node", "DICOMNODE", "127.0.0.1", node.tls_port, calling, 5, where)


def dcmtk(authority: Authority, name: str) -> tuple[object, ...]:
    files = (authority.folder / f"{name}.key", authority.folder / f"{name}.crt")
    return ("+tls", *files, "+cf", authority.certificate)


def only_warning(caplog: pytest.LogCaptureFixture) -> str:
    def told() -> list[logging.LogRecord]:
        return [one for one in caplog.records if one.name.startswith("dicom_node")]

    receiving.settle(told)
    (record,) = told()
    assert record.exc_info is None
    return record.getMessage()


@pytest.mark.parametrize("profile", ["+py", "+px", "+pz"])
def test_dcmtk_sends_by_each_profile_that_is_not_retired(
    start: Callable[..., Node], film: Path, ours: Authority, profile: str
) -> None:
    node = start()
    storescu([film], node.tls_port, *dcmtk(ours, "modality"), profile, aec="DICOMNODE")
    assert len(node.received()) == 1
    receiving.settle(lambda: len(node.studies()) == 1)


def test_plain_and_tls_are_there_side_by_side(
    start: Callable[..., Node], ours: Authority, rg1: Path
) -> None:
    node = start()
    storescu([rg1], node.port, aec="DICOMNODE")
    assert echo(receiving.peer(node)) == ""
    assert echo(peer(node, of(ours, "modality"))) == "TLS 1.3"
    storescu([rg1], node.tls_port, *dcmtk(ours, "modality"), aec="DICOMNODE")  # of many records
    assert len(node.received()) == 1


@pytest.mark.parametrize(
    ("who", "told", "seen"),
    [
        ("stranger", "unknown ca", "signed it in `authority`"),
        ("late", "certificate expired", "certificate has expired"),
        ("nobody", "certificate required", "it shows no certificate"),
    ],
)
def test_who_cannot_prove_who_it_is_stays_out_and_both_sides_say_why(
    start: Callable[..., Node],
    ours: Authority,
    theirs: Authority,
    caplog: pytest.LogCaptureFixture,
    who: str,
    told: str,
    seen: str,
) -> None:
    node = start()
    shown = {
        "stranger": of(theirs, "stranger", believe=ours),
        "late": of(ours, "late"),
        "nobody": Credentials(ours.certificate),
    }
    # The answer may be lost with the connection (RFC 8446 4.4.2.4: after the own handshake).
    with pytest.raises(Unreachable, match=f"{told}|who signed our certificate"):
        echo(peer(node, shown[who]))
    assert seen in only_warning(caplog)
    assert echo(peer(node, of(ours, "modality"))), "the others go on"


def test_a_caller_does_not_talk_to_a_node_that_it_does_not_know(
    start: Callable[..., Node], ours: Authority, theirs: Authority
) -> None:
    node = start()
    with pytest.raises(Unreachable, match=r"its certificate is not accepted.*`authority`"):
        echo(peer(node, of(ours, "modality", believe=theirs)))
    elsewhere = replace(peer(node, of(ours, "modality")), tls=Secured(of(ours, "modality"), "pacs"))
    with pytest.raises(Unreachable, match="not valid for 'pacs'"):
        echo(elsewhere)


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        (b"", "in time"),
        (b"\x16\x03\x01", "in time"),
        (bytes([1]) + bytes(200), "does not speak TLS"),  # as an A-ASSOCIATE-RQ begins
        (b"GET / HTTP/1.1\r\n\r\n", "does not speak TLS"),
        (b"\x16\x03\x01\x00\x20" + bytes(range(32)), "TLS"),
    ],
)
def test_what_is_no_handshake_ends_in_time_with_one_line_and_no_trace(
    start: Callable[..., Node],
    ours: Authority,
    caplog: pytest.LogCaptureFixture,
    said: bytes,
    seen: str,
) -> None:
    node = start(limits=SHORT)
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", node.tls_port), timeout=20) as connection:
        connection.sendall(said)
        assert echo(peer(node, of(ours, "modality"))), "meanwhile others get in"
        end = connection.recv(64)  # perhaps an alert
        while end:
            end = connection.recv(64)
    assert time.monotonic() - began < 15
    assert seen in only_warning(caplog)


def test_a_handshake_of_a_byte_at_a_time_ends_in_time(
    start: Callable[..., Node], ours: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    node = start(limits=SHORT)
    hello = ssl.MemoryBIO()
    begun = tls.client_context(of(ours, "modality"), check_name=False).wrap_bio(
        ssl.MemoryBIO(), hello
    )
    with pytest.raises(ssl.SSLWantReadError):
        begun.do_handshake()
    began = time.monotonic()
    with (
        socket.create_connection(("127.0.0.1", node.tls_port), timeout=20) as connection,
        suppress(ConnectionError),
    ):
        for byte in hello.read():
            connection.sendall(bytes([byte]))
            time.sleep(0.1)
        pytest.fail("the whole greeting was awaited")
    assert time.monotonic() - began < 15
    assert "in time" in only_warning(caplog)


def test_who_shook_hands_and_asks_for_nothing_is_cut_off_too(
    start: Callable[..., Node], ours: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    node = start(limits=SHORT)
    context = tls.client_context(of(ours, "modality"), check_name=False)
    with (
        socket.create_connection(("127.0.0.1", node.tls_port), timeout=20) as plain,
        context.wrap_socket(plain) as connection,
    ):
        assert connection.recv(64) == b""
    assert "in time" in only_warning(caplog)


def test_the_bounds_of_a_pdu_and_the_places_of_a_sender_hold_by_tls(
    start: Callable[..., Node], ours: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    node = start(door=replace(DOOR, maximum_per_sender=1), limits=SHORT)
    context = tls.client_context(of(ours, "modality"), check_name=False)
    with (
        socket.create_connection(("127.0.0.1", node.tls_port), timeout=20) as plain,
        context.wrap_socket(plain) as connection,
    ):
        connection.sendall(b"\x01\x00\xff\xff\xff\xff")
        assert connection.recv(64) == b""
    assert "larger than what is allowed" in only_warning(caplog)
    with receiving.associated(node, [("1.2.840.10008.1.1", [receiving.IMPLICIT])]) as first:
        assert first.is_established
        with pytest.raises(Unreachable, match="limit"):
            echo(peer(node, of(ours, "modality")))


@pytest.mark.parametrize(
    ("options", "accepted"),
    [
        (("-tls1_3",), True),
        (("-tls1_2",), True),
        (("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"), True),
        (("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), False),
        (("-tls1", "-cipher", "ALL:@SECLEVEL=0"), False),
        (("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"), False),  # CBC
        (("-tls1_2", "-cipher", "AES128-GCM-SHA256"), False),  # no forward secrecy
        (("-tls1_2", "-cipher", "NULL-SHA256:@SECLEVEL=0"), False),
    ],
)
def test_versions_and_suites_are_those_of_the_profile(
    start: Callable[..., Node], ours: Authority, options: tuple[str, ...], accepted: bool
) -> None:
    node = start()
    files = ("-cert", ours.folder / "modality.crt", "-key", ours.folder / "modality.key")
    where = ("-connect", f"127.0.0.1:{node.tls_port}", "-CAfile", ours.certificate)
    command = ("s_client", *where, *files, "-verify_return_error", *options)
    said = call("sh", "-c", 'exec "$0" "$@" </dev/null', need("openssl", "openssl"), *command,
                check=False).stdout  # fmt: skip
    assert ("Cipher is (NONE)" not in said) == accepted, said
    if accepted:
        assert "Compression: NONE" in said
        assert "Secure Renegotiation IS" in said
        assert "TLS session ticket:" not in said


def test_nobody_renegotiates(start: Callable[..., Node], ours: Authority) -> None:
    node = start()
    files = ("-cert", ours.folder / "modality.crt", "-key", ours.folder / "modality.key")
    command = ("s_client", "-tls1_2", "-connect", f"127.0.0.1:{node.tls_port}", *files)
    said = call("sh", "-c", '(sleep 1; echo R; sleep 1) | "$0" "$@"', need("openssl", "openssl"),
                *command, check=False)  # fmt: skip
    assert "RENEGOTIATING" in said.stdout + said.stderr
    assert "no renegotiation" in said.stdout + said.stderr


def test_a_title_that_is_bound_to_a_certificate_is_of_no_use_without_it(
    start: Callable[..., Node], ours: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    shown = tls.inspect(of(ours, "modality"), as_server=False)
    assert shown is not None
    bound = Callers({"CT1": ("modality",), "CT2": (shown.fingerprint,), "CT3": ("another",)})
    node = start(callers=bound)
    for title in ("CT1", "CT2", "ANY"):
        assert echo(peer(node, of(ours, "modality"), title))
    with pytest.raises(Rejected, match="calling"):
        echo(peer(node, of(ours, "modality"), "CT3"))
    assert shown.fingerprint in only_warning(caplog)
    for title in ("CT1", "CT2", "CT3"):
        with pytest.raises(Rejected, match="calling"):
            echo(receiving.peer(node, title))  # in plain
    assert echo(receiving.peer(node, "ANY")) == ""


def test_without_certificates_of_callers_who_knows_the_authority_gets_in(
    start: Callable[..., Node], ours: Authority
) -> None:
    node = start(lines=Lines(of(ours, "node"), ask=False))
    assert echo(peer(node, Credentials(ours.certificate))) == "TLS 1.3"


def test_a_renewed_certificate_counts_without_a_restart_and_half_of_one_does_not(
    start: Callable[..., Node],
    ours: Authority,
    theirs: Authority,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    files = tmp_path / "files"
    shutil.copytree(ours.folder, files)
    used = Credentials(files / "authority.crt", files / "node.crt", files / "node.key")
    node = start(lines=Lines(used, ask=True))
    before, after = of(ours, "modality"), of(theirs, "stranger")
    assert echo(peer(node, before))
    shutil.copy(theirs.folder / "stranger.crt", used.certificate or "")
    assert echo(peer(node, before))
    assert "those of before are used" in only_warning(caplog)
    shutil.copy(theirs.folder / "stranger.key", used.key or "")
    shutil.copy(theirs.certificate, used.authority)
    with pytest.raises(Unreachable):
        echo(peer(node, before))
    assert echo(peer(node, after)) == "TLS 1.3"


def test_a_greeting_is_not_decoded_as_plain(start: Callable[..., Node]) -> None:
    """A plain association asked for on the port for TLS is answered by no DICOM."""
    node = start()
    with pytest.raises(Unreachable):
        echo(replace(receiving.peer(node), port=node.tls_port))
    assert A_ASSOCIATE_RQ().pdu_type == 1  # the first byte, which no TLS record begins with


def test_many_handshakes_that_stall_hold_up_neither_port(
    start: Callable[..., Node], ours: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    node = start()
    with ExitStack() as stack:
        for _ in range(20):
            stalled = socket.create_connection(("127.0.0.1", node.tls_port), timeout=20)
            stack.enter_context(stalled).sendall(b"\x16\x03")
        began = time.monotonic()
        assert echo(peer(node, of(ours, "modality")))
        assert echo(receiving.peer(node)) == ""
        assert time.monotonic() - began < 10


def test_one_thread_at_a_time_is_in_openssl(
    ours: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one answers another reads: OpenSSL does not bear it, and nobody would see why."""
    inside: list[str] = []
    both: list[str] = []

    def slowly(name: str) -> Callable[..., object]:
        real = getattr(ssl.SSLSocket, name)

        def call(line: ssl.SSLSocket, *arguments: object) -> object:
            if not isinstance(line, TlsLine):
                return real(line, *arguments)
            both.extend(inside)
            inside.append(name)
            time.sleep(0.2)
            found = real(line, *arguments)
            inside.remove(name)
            return found

        return call

    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as plain,
        Lines(of(ours, "node"), ask=True).line(server.accept()[0], LIMITS) as line,
    ):
        reader = threading.Thread(target=lambda: line.recv(6))
        reader.start()
        with tls.client_context(of(ours, "modality"), check_name=False).wrap_socket(plain) as one:
            one.sendall(b"\x05\x00\x00\x00\x00\x04")
            reader.join()
            for name in ("recv", "send", "pending"):
                monkeypatch.setattr(ssl.SSLSocket, name, slowly(name))
            one.sendall(b"\x00\x00\x00\x00")
            reader = threading.Thread(target=lambda: line.recv(4))
            reader.start()
            time.sleep(0.05)
            line.send(b"answer")
            line.pending()
            reader.join()
            assert one.recv(6) == b"answer"
    assert both == []
