"""The door, with DCMTK as the sender: what is answered, what lies where, what the ledger knows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from builders import chest, variant
from pydicom import Dataset, dcmread
from pydicom.uid import JPEGLSLossless, generate_uid
from receiving import DOOR, Node, peer, send, settle
from receiving import node as run

from dicom_node.association import echo
from dicom_node.equipment import contributing_equipment
from dicom_node.errors import Rejected, Unreachable
from dicom_node.ledger import jobs, quarantined
from dicom_node.ledger.database import Database
from dicom_node.receive.door import Door
from dicom_node.receive.header import read_header
from dicom_node.receive.origin import Asked
from dicom_node.receive.persons import Persons
from dicom_node.receive.recorder import Recorder
from dicom_node.receive.scan import scan
from dicom_node.report import Made, Weights
from dicom_node.study import Patient


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    with ExitStack() as stack:
        yield lambda door=DOOR: stack.enter_context(run(tmp_path, door))


def test_bytes_are_kept_as_they_came(start: Callable[..., Node], tmp_path: Path) -> None:
    film = chest(tmp_path / "film.dcm")
    dataset = dcmread(film)
    dataset.compress(JPEGLSLossless)
    dataset.save_as(film)
    node = start()
    assert "Success" in send(node, film, options=("-xt",))
    (kept,) = node.received()
    assert dcmread(kept) == dcmread(film)
    assert dcmread(kept).file_meta.TransferSyntaxUID == JPEGLSLossless
    assert kept.name == f"{dataset.SOPInstanceUID}.dcm"
    settle(node.studies)
    assert node.studies() == [dataset.StudyInstanceUID]


def test_the_same_again_is_answered_and_ignored(start: Callable[..., Node], tmp_path: Path) -> None:
    film = chest(tmp_path / "film.dcm")
    node = start()
    for _ in range(2):
        assert "Received Store Response (Success)" in send(node, film)
    settle(node.studies)
    assert len(node.received()) == 1
    assert quarantined.listing(node.database, limit=9) == []


def test_other_bytes_of_the_same_uid_are_quarantined(
    start: Callable[..., Node], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    film = chest(tmp_path / "film.dcm")
    forged = variant(film, tmp_path / "forged.dcm", BodyPartExamined="HIP")
    node = start()
    send(node, film)
    assert "Success" in send(node, forged)
    settle(lambda: quarantined.listing(node.database, limit=9))
    (aside,) = quarantined.listing(node.database, limit=9)
    assert "other bytes" in aside.reason
    assert "object of 'STORESCU' quarantined as" in caplog.text
    assert dcmread(node.received()[0]).BodyPartExamined == "CHEST"


def test_one_study_of_two_patients_is_quarantined(
    start: Callable[..., Node], tmp_path: Path
) -> None:
    film = chest(tmp_path / "film.dcm")
    other = variant(film, tmp_path / "o.dcm", PatientID="OTHER", SOPInstanceUID=generate_uid())
    node = start()
    send(node, film, other)
    settle(lambda: quarantined.listing(node.database, limit=9))
    assert "another Patient ID" in quarantined.listing(node.database, limit=9)[0].reason
    assert len(node.received()) == 1


def test_another_person_under_the_same_patient_id_is_quarantined(
    start: Callable[..., Node], tmp_path: Path
) -> None:
    """Also where the first object states no name, and after the edge has forgotten the study."""
    first = chest(tmp_path / "first.dcm", PatientName="", PatientBirthDate="")
    uids = iter(generate_uid() for _ in range(9))
    named = variant(first, tmp_path / "named.dcm", PatientName="Roe^Jane",
                    SOPInstanceUID=next(uids))  # fmt: skip
    other = variant(first, tmp_path / "other.dcm", PatientName="Doe^John",
                    SOPInstanceUID=next(uids))  # fmt: skip
    node = start()
    send(node, first, named, other)
    settle(lambda: quarantined.listing(node.database, limit=9))
    (aside,) = quarantined.listing(node.database, limit=9)
    assert aside.reason == "an object of this study is of another patient: Patient's Name"
    assert len(node.received()) == 2

    sex = variant(first, tmp_path / "sex.dcm", PatientSex="M", SOPInstanceUID=next(uids))
    persons = Persons(node.spool)
    assert persons.conflict(*_person(sex)) == "Patient's Sex"
    assert persons.conflict(*_person(first)) == ""


def _person(path: Path) -> tuple[str, Patient]:
    header = read_header(path)
    return header.study_instance_uid, header.patient


def test_a_broken_object_ends_neither_association_nor_node(
    start: Callable[..., Node], tmp_path: Path
) -> None:
    films = [chest(tmp_path / f"{n}.dcm") for n in range(3)]
    # UIDs in the file are well formed, so that DCMTK sends it; the study's is not.
    broken = dcmread(films[1])
    broken.StudyInstanceUID = "../../etc/passwd"
    broken.save_as(films[1])
    node = start()
    told = send(node, *films)
    assert told.count("Received Store Response (Success)") == 2
    assert "0xc000" in told.lower() or "Cannot" in told
    settle(lambda: len(node.studies()) == 2 and quarantined.listing(node.database, limit=9))
    (aside,) = quarantined.listing(node.database, limit=9)
    assert "UID that is none" in aside.reason
    assert (node.spool.root / aside.path).exists()


def test_results_of_this_project_and_non_images_open_no_study(
    start: Callable[..., Node], tmp_path: Path
) -> None:
    from datetime import UTC, datetime

    made = Made("0.1", "transformers", "a model", Weights.MODEL, "sha256:1")
    ours = dcmread(chest(tmp_path / "ours.dcm"))
    ours.ContributingEquipmentSequence = [contributing_equipment(made, datetime.now(UTC))]
    ours.save_as(tmp_path / "ours.dcm")
    report = chest(tmp_path / "sr.dcm", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", Modality="SR")
    film = chest(tmp_path / "film.dcm")
    node = start()
    told = send(node, tmp_path / "ours.dcm", report, film)
    assert told.count("Received Store Response (Success)") == 3
    settle(node.studies)
    assert node.studies() == [dcmread(film).StudyInstanceUID]
    assert str(ours.SOPInstanceUID) not in {path.stem for path in node.received()}


def test_what_the_node_asked_for_becomes_no_study(
    start: Callable[..., Node], tmp_path: Path
) -> None:
    prior, film = chest(tmp_path / "prior.dcm"), chest(tmp_path / "film.dcm")
    study = str(dcmread(prior).StudyInstanceUID)
    node = start()
    node.asked_for[study] = Asked.YES
    send(node, prior, film)
    settle(node.studies)
    assert node.studies() == [dcmread(film).StudyInstanceUID]
    assert len(list(node.spool.prior(study).iterdir())) == 1


def test_what_may_be_routed_is_read_though_it_is_a_prior(
    start: Callable[..., Node], tmp_path: Path
) -> None:
    film = chest(tmp_path / "film.dcm")
    header = dcmread(film)
    study, name = str(header.StudyInstanceUID), f"{header.SOPInstanceUID}.dcm"
    node = start()
    node.asked_for[study] = Asked.PERHAPS
    send(node, film)
    settle(node.studies)
    both = [node.spool.prior(study) / name, node.spool.study(study) / name]
    assert [dcmread(one).pixel_array.shape for one in both] == [header.pixel_array.shape] * 2
    send(node, film)
    assert node.studies() == [study]
    node.spool.delete_prior(study, time.time())
    assert both[1].exists(), "each is deleted by itself"
    assert node.temporary() == []


@pytest.mark.parametrize(
    ("door", "calling", "called", "error", "told"),
    [
        (DOOR, "TESTS", "OTHER", Rejected, "called AE title not recognised"),
        (
            replace(DOOR, calling_ae_titles=("PACS",)),
            "TESTS",
            "DICOMNODE",
            Rejected,
            "calling AE title not recognised",
        ),
        (
            replace(DOOR, addresses=("10.9.8.7",)),
            "TESTS",
            "DICOMNODE",
            Rejected,
            "calling AE title not recognised",
        ),
        (
            replace(DOOR, reserve_bytes=2**62),
            "TESTS",
            "DICOMNODE",
            Unreachable,
            "temporary congestion",
        ),
    ],
)
def test_who_is_not_let_in_is_told_why(
    start: Callable[..., Node],
    door: Door,
    calling: str,
    called: str,
    error: type[Exception],
    told: str,
) -> None:
    node = start(door)
    with pytest.raises(error, match=f"(?i){told}"):
        echo(peer(node, calling, called))


def test_who_is_known_is_let_in(start: Callable[..., Node]) -> None:
    known = replace(DOOR, calling_ae_titles=("TESTS",), addresses=("10.0.0.0/8", "127.0.0.0/24"))
    echo(peer(start(known)))


@pytest.mark.parametrize(
    "garbage", [b"SSH-2.0-OpenSSH_9.2\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x01"]
)
def test_garbage_on_the_port_does_not_stop_the_node(
    start: Callable[..., Node], garbage: bytes
) -> None:
    import socket

    node = start()
    with socket.create_connection(("127.0.0.1", node.port)) as connection:
        connection.sendall(garbage)
    echo(peer(node))


def test_the_spool_is_entered_again_after_the_ledger_was_lost(
    start: Callable[..., Node], tmp_path: Path
) -> None:
    film = chest(tmp_path / "film.dcm")
    node = start()
    send(node, film)
    settle(node.studies)
    empty = Database(f"sqlite:///{tmp_path}/new.sqlite3")
    recorder = Recorder(empty, node.spool, "tests", 30)
    recorder.start()
    assert scan(node.spool, empty, recorder, settled_seconds=60) == 0, "its edge may be about to"
    found = scan(node.spool, empty, recorder)
    recorder.stop()
    assert found == 1
    assert [job.study_instance_uid for job in jobs.listing(empty)] == node.studies()


def test_header_only_dataset_is_quarantined(start: Callable[..., Node], tmp_path: Path) -> None:
    """No Study Instance UID at all."""
    film = chest(tmp_path / "film.dcm", StudyInstanceUID=None)
    node = start()
    send(node, film)
    settle(lambda: quarantined.listing(node.database, limit=9))
    assert "StudyInstanceUID is missing" in quarantined.listing(node.database, limit=9)[0].reason
    assert isinstance(dcmread(next(node.spool.quarantine.iterdir())), Dataset)


def test_where_the_disk_does_not_tell_whose_a_study_was_nothing_is_let_in(
    start: Callable[..., Node], tmp_path: Path
) -> None:
    """Also the right patient tries again: A700, as long as a file lies where folders are to."""
    film = chest(tmp_path / "film.dcm")
    node = start()
    in_the_way = node.spool.root / "films"
    in_the_way.write_bytes(b"")
    assert "Refused: OutOfResources" in send(node, film)
    assert node.received() == []
    in_the_way.unlink()
    assert "Success" in send(node, film)
    assert len(node.received()) == 1
