"""Peers that this node calls by TLS: DCMTK's and Orthanc's, and what is said when it fails."""

from __future__ import annotations

import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import certificates
import peers
import pytest
from certificates import Authority
from pydicom import dcmread

from dicom_node.archives import ARCHIVES
from dicom_node.association import echo
from dicom_node.deliver import Verdict, send
from dicom_node.errors import Unreachable
from dicom_node.peer import Peer
from dicom_node.tls import Credentials, Secured


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return certificates.authority(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture(scope="module")
def node(ours: Authority) -> Credentials:
    return ours.sign("node")


@pytest.fixture(scope="module")
def pacs(ours: Authority) -> Credentials:
    return ours.sign("pacs")


class SecureStoreScp(peers.StoreScp):
    def __init__(self, folder: Path, shown: Credentials, *options: str) -> None:
        files = [str(shown.key), str(shown.certificate), "+cf", str(shown.authority)]
        super().__init__(folder, options=["+tls", *files, *options])

    def answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.dicom_port)):
            return True
        return False


class SecureOrthanc(peers.Orthanc):
    def __init__(self, folder: Path, shown: Credentials, modality: dict[str, object]) -> None:
        settings = {
            "DicomTlsEnabled": True,
            "DicomTlsCertificate": str(shown.certificate),
            "DicomTlsPrivateKey": str(shown.key),
            "DicomTlsTrustedCertificates": str(shown.authority),
            "DicomTlsRemoteCertificateRequired": True,
            "DicomModalities": {"node": modality},
        }
        super().__init__(folder, settings=settings)

    def answers(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/system", timeout=5) as answer:
            return bool(answer.status == 200)
        return False


def peer(port: int, credentials: Credentials, name: str = "localhost", seconds: float = 5) -> Peer:
    return Peer(
        "pacs", "ANY-SCP", "127.0.0.1", port, "DICOMNODE", seconds, Secured(credentials, name)
    )


@pytest.fixture
def storescp(tmp_path: Path, pacs: Credentials) -> Iterator[peers.StoreScp]:
    with SecureStoreScp(tmp_path / "storescp", pacs) as server:
        yield server


def test_dcmtk_takes_what_is_sent_by_tls(
    storescp: peers.StoreScp, node: Credentials, rg1: Path
) -> None:
    where = peer(storescp.dicom_port, node)
    assert echo(where) == "TLS 1.3"
    (sent,) = send([rg1], where)
    assert sent.verdict is Verdict.ACCEPTED
    (file,) = storescp.files()
    assert dcmread(file).PixelData == dcmread(rg1).PixelData


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("elsewhere", "not valid for 'elsewhere'"),
        ("", ""),
    ],
)
def test_the_name_in_the_certificate_is_looked_at_unless_it_is_not_to_be(
    storescp: peers.StoreScp, node: Credentials, name: str, told: str
) -> None:
    where = peer(storescp.dicom_port, node, name)
    if not told:
        assert echo(where)
        return
    with pytest.raises(Unreachable, match=f"pacs cannot be called by TLS: .*{told}"):
        echo(where)


def test_a_peer_that_does_not_know_our_authority_says_so(
    storescp: peers.StoreScp, pacs: Credentials, tmp_path: Path
) -> None:
    stranger = certificates.authority(tmp_path / "theirs", "Another").sign("stranger")
    shown = Credentials(pacs.authority, stranger.certificate, stranger.key)
    with pytest.raises(Unreachable, match=r"called by TLS: it ends the .*unknown ca"):
        echo(peer(storescp.dicom_port, shown))


def test_a_certificate_of_the_peer_that_has_expired_is_named(
    ours: Authority, node: Credentials, tmp_path: Path
) -> None:
    with (
        SecureStoreScp(tmp_path / "storescp", ours.sign("late", expired=True)) as server,
        pytest.raises(Unreachable, match="certificate has expired"),
    ):
        echo(peer(server.dicom_port, node))


def test_a_peer_that_speaks_plain_is_told_apart_both_ways(
    tmp_path: Path, node: Credentials
) -> None:
    with (
        peers.StoreScp(tmp_path / "plain") as plain,
        pytest.raises(Unreachable, match="pacs cannot be called by TLS"),
    ):
        echo(peer(plain.dicom_port, node))
    # DCMTK's storescp ends where a handshake fails, and cannot show the other way.
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def hang_up() -> None:
            connection, _ = server.accept()
            connection.close()

        threading.Thread(target=hang_up).start()
        with pytest.raises(Unreachable, match="somebody listens there; does it want TLS"):
            echo(Peer("pacs", "ANY-SCP", "127.0.0.1", port, "DICOMNODE", 5))


def test_nobody_there_and_no_address_are_said_as_in_plain(node: Credentials) -> None:
    with pytest.raises(Unreachable, match=r"at its host and port$"):
        echo(peer(peers.free_port(), node))
    for secured in (None, Secured(node, "nowhere.invalid")):
        nowhere = Peer("pacs", "ANY-SCP", "nowhere.invalid", 104, "DICOMNODE", 5, secured)
        with pytest.raises(Unreachable, match="its host has no address"):
            echo(nowhere)


def test_a_file_that_is_missing_now_lets_the_study_wait(node: Credentials, tmp_path: Path) -> None:
    gone = Credentials(node.authority, tmp_path / "gone.crt", tmp_path / "gone.key")
    with peers.StoreScp(tmp_path / "any") as server, pytest.raises(Unreachable, match=r"gone\.key"):
        echo(peer(server.dicom_port, gone))


@pytest.mark.parametrize("says", ["nothing", "tickets only", "half a PDU"])
def test_a_peer_that_stalls_is_given_up_in_time(
    says: str, node: Credentials, pacs: Credentials
) -> None:
    """Also after the tickets that a TLS 1.3 server sends on its own, which are no answer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(pacs.certificate), pacs.key)
    context.num_tickets = 2
    done = threading.Event()

    def serve() -> None:
        accepted, _ = listening.accept()
        with accepted:
            if says == "nothing":
                done.wait(60)
                return
            with context.wrap_socket(accepted, server_side=True) as secured:
                secured.recv(10_000)
                if says == "half a PDU":
                    secured.sendall(b"\x02\x00\x00\x00\x01\x00\x00\x01")
                done.wait(60)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=serve)
        server.start()
        began = time.monotonic()
        with pytest.raises(Unreachable, match="pacs"):
            echo(peer(listening.getsockname()[1], node, seconds=1))
        took = time.monotonic() - began
        done.set()
        server.join()
    assert took < 15
    assert not [one for one in threading.enumerate() if "RequestorThread" in one.name]


def test_orthanc_by_tls_is_destination_and_archive_and_sends_to_the_node(
    ours: Authority, node: Credentials, pacs: Credentials, rg1: Path, tmp_path: Path
) -> None:
    theirs = certificates.authority(tmp_path / "theirs", "Another").sign("stranger")
    film = dcmread(rg1, stop_before_pixels=True)
    with SecureStoreScp(tmp_path / "node", node) as receiver:
        there = {
            "AET": receiver.aet,
            "Host": "127.0.0.1",
            "Port": receiver.dicom_port,
            "UseDicomTls": True,
        }
        with SecureOrthanc(tmp_path / "orthanc", pacs, there) as orthanc:
            where = peer(orthanc.dicom_port, node, seconds=20)
            stranger = Credentials(node.authority, theirs.certificate, theirs.key)
            with pytest.raises(Unreachable, match="TLS"):
                echo(peer(orthanc.dicom_port, stranger))
            (sent,) = send([rg1], where)
            assert sent.verdict is Verdict.ACCEPTED
            archive = ARCHIVES["dimse"](where, "c-get")
            (series,) = archive.find_series(str(film.StudyInstanceUID))
            (got,) = archive.retrieve(series, tmp_path / "prior", message_id=1, seconds=30)
            assert dcmread(got).PixelData == dcmread(rg1).PixelData
            (study,) = orthanc.client.studies.get_all_ids()
            orthanc._call("POST", "/modalities/node/store", study)
            assert len(receiver.files()) == 1
