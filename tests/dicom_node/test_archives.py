"""Query and retrieve, against Orthanc and against pynetdicom's qrscp."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import receiving
from builders import chest, variant
from peers import Orthanc, Qrscp, StoreScp, free_port, running, storescu
from pydicom import Dataset, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import ComputedRadiographyImageStorage, JPEG2000Lossless
from pynetdicom import AE, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind

from dicom_node.archives import ARCHIVES, Archive, FoundSeries, finds_one_patient
from dicom_node.archives.dimse import DimseArchive
from dicom_node.errors import BadStudy, Rejected, Unreachable
from dicom_node.headers import patient_of, read_study
from dicom_node.identity import same_patient
from dicom_node.peer import Peer
from dicom_node.receive.origin import Asked
from dicom_node.study import Patient


@pytest.fixture(scope="module", params=["Orthanc", "qrscp"])
def pacs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Peer]:
    """A PACS to which the title DICOMNODE is known as a storescp, so that C-MOVE can be watched."""
    folder = tmp_path_factory.mktemp("pacs")
    receiver = StoreScp(folder / "storescp", aet="DICOMNODE")
    server: Orthanc | Qrscp
    if request.param == "Orthanc":
        known = {"node": ("DICOMNODE", "127.0.0.1", receiver.dicom_port)}
        server = Orthanc(folder / "orthanc", modalities=known)
    else:
        destinations = {"DICOMNODE": ("127.0.0.1", receiver.dicom_port)}
        server = Qrscp(folder / "qrscp", destinations=destinations)
    with running(receiver, server):
        films = [
            chest(folder / "1.dcm"),
            chest(folder / "2.dcm", BodyPartExamined="HAND"),
            chest(folder / "3.dcm", PatientID="TEST-10"),
        ]
        storescu(films, server.dicom_port, aec=server.aet)
        yield Peer("pacs", server.aet, "127.0.0.1", server.dicom_port, "DICOMNODE", 10)


@pytest.fixture
def archive(pacs: Peer) -> Archive:
    return ARCHIVES["dimse"](pacs, "c-get")


def film(tmp_path: Path) -> Path:
    return chest(tmp_path / "film.dcm")


def series_of(archive: Archive, path: Path) -> list[FoundSeries]:
    study = str(dcmread(path).StudyInstanceUID)
    return archive.find_series(study)


def test_only_the_patient_is_found(archive: Archive, tmp_path: Path) -> None:
    patient = read_study([film(tmp_path)]).patient
    found = archive.find_studies(patient)
    assert len(found) == 2  # and not that of TEST-10
    assert {(one.patient.id, one.patient.name) for one in found} == {(patient.id, patient.name)}
    assert {(str(one.date), str(one.time)) for one in found} == {("2020-01-02", "10:15:00")}
    assert "Testname" not in repr(found)


def test_a_series_is_found_and_got(archive: Archive, tmp_path: Path) -> None:
    patient = read_study([film(tmp_path)]).patient
    (study, _) = archive.find_studies(patient)
    (series,) = archive.find_series(study.study_instance_uid)
    assert series.modality == "CR"
    (path,) = archive.retrieve(series, tmp_path / "prior", message_id=1, seconds=30)
    got = dcmread(path)
    assert got.StudyInstanceUID == study.study_instance_uid
    assert path.name == f"{got.SOPInstanceUID}.dcm"
    assert patient_of(got) == patient
    assert archive.has_instance(
        got.StudyInstanceUID, got.SeriesInstanceUID, str(got.SOPInstanceUID)
    )
    assert not archive.has_instance(got.StudyInstanceUID, got.SeriesInstanceUID, "1.2.3")


def test_what_would_leave_too_little_room_is_not_kept(pacs: Peer, tmp_path: Path) -> None:
    archive = ARCHIVES["dimse"](pacs, "c-get", 2**62)
    (study, _) = archive.find_studies(read_study([film(tmp_path)]).patient)
    (series,) = archive.find_series(study.study_instance_uid)
    with pytest.raises((Rejected, Unreachable), match="C-GET with 0x"):
        archive.retrieve(series, tmp_path / "prior", message_id=1, seconds=30)
    assert list((tmp_path / "prior").iterdir()) == []


def test_c_move_goes_to_our_own_title(pacs: Peer, tmp_path: Path) -> None:
    archive = ARCHIVES["dimse"](pacs, "c-move")
    patient = read_study([film(tmp_path)]).patient
    (study, _) = archive.find_studies(patient)
    (series,) = archive.find_series(study.study_instance_uid)
    # The node's own door would file them here; a storescp of that title gets them instead.
    assert archive.retrieve(series, tmp_path / "prior", message_id=7, seconds=30) == []


def test_an_unknown_move_destination_says_what_to_do(pacs: Peer, tmp_path: Path) -> None:
    stranger = replace(pacs, calling_ae_title="STRANGER")
    archive = ARCHIVES["dimse"](stranger, "c-move")
    (study, _) = archive.find_studies(read_study([film(tmp_path)]).patient)
    (series,) = archive.find_series(study.study_instance_uid)
    look_at = "'STRANGER' (as move destination|at this node's host and port)"
    with pytest.raises((Rejected, Unreachable), match=f"C-MOVE with 0x.* {look_at}"):
        archive.retrieve(series, tmp_path / "prior", message_id=7, seconds=30)


def test_an_archive_that_is_away(tmp_path: Path) -> None:
    nobody = Peer("archive", "NOBODY", "127.0.0.1", free_port(), "DICOMNODE", 2)
    with pytest.raises(Unreachable, match="archive does not answer"):
        ARCHIVES["dimse"](nobody, "c-get").find_studies(read_study([film(tmp_path)]).patient)


def test_a_compressed_film_is_got_as_it_is_stored(tmp_path: Path) -> None:
    path = chest(tmp_path / "film.dcm", PatientID="COMPRESSED")
    dataset = dcmread(path)
    dataset.compress(JPEG2000Lossless)
    dataset.save_as(path)
    with Orthanc(tmp_path / "orthanc") as server:
        server.upload(path)
        peer = Peer("pacs", server.aet, "127.0.0.1", server.dicom_port, "DICOMNODE", 10)
        archive = ARCHIVES["dimse"](peer, "c-get")
        (series,) = series_of(archive, path)
        (got,) = archive.retrieve(series, tmp_path / "prior", message_id=1, seconds=30)
    assert dcmread(got) == dataset
    assert dcmread(got).file_meta.TransferSyntaxUID == JPEG2000Lossless


def test_what_takes_too_long_is_given_up(pacs: Peer, tmp_path: Path) -> None:
    archive = ARCHIVES["dimse"](pacs, "c-get")
    (study, _) = archive.find_studies(read_study([film(tmp_path)]).patient)
    (series,) = archive.find_series(study.study_instance_uid)
    with pytest.raises(Unreachable, match="took too long for C-GET"):
        archive.retrieve(series, tmp_path / "prior", message_id=1, seconds=0)


def test_what_the_archive_no_longer_has_is_no_prior(pacs: Peer, tmp_path: Path) -> None:
    """It may have been rejected there, or been found to be of somebody else."""
    archive = ARCHIVES["dimse"](pacs, "c-get")
    (study, _) = archive.find_studies(read_study([film(tmp_path)]).patient)
    (series,) = archive.find_series(study.study_instance_uid)
    (path,) = archive.retrieve(series, tmp_path / "prior", message_id=1, seconds=30)
    stale = variant(path, path.with_name("1.2.3.dcm"), SOPInstanceUID="1.2.3")
    assert archive.retrieve(series, path.parent, message_id=1, seconds=30) == [path]
    assert not stale.exists()


def test_a_prior_is_there_while_it_is_fetched_again(
    pacs: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another study of the patient may be read beside it just then."""
    archive = DimseArchive(pacs, "c-get")
    (study, _) = archive.find_studies(read_study([film(tmp_path)]).patient)
    (series,) = archive.find_series(study.study_instance_uid)
    (path,) = archive.retrieve(series, tmp_path / "prior", message_id=1, seconds=30)
    sent = path.read_bytes()
    path.write_bytes(sent.replace(b"TEST", b"TOST"))
    there: list[bool] = []
    get = DimseArchive._get

    def looking(self: DimseArchive, *arguments: Any) -> None:
        there.append(path.exists())
        get(self, *arguments)
        there.append(path.exists())

    monkeypatch.setattr(DimseArchive, "_get", looking)
    assert archive.retrieve(series, path.parent, message_id=1, seconds=30) == [path]
    assert there == [True, True]
    assert path.read_bytes() == sent, "it is what the archive has now"


def test_what_could_not_be_fetched_again_is_there_as_it_was(pacs: Peer, tmp_path: Path) -> None:
    archive = ARCHIVES["dimse"](pacs, "c-get")
    (study, _) = archive.find_studies(read_study([film(tmp_path)]).patient)
    (series,) = archive.find_series(study.study_instance_uid)
    (path,) = archive.retrieve(series, tmp_path / "prior", message_id=1, seconds=30)
    away = ARCHIVES["dimse"](replace(pacs, port=free_port()), "c-get")
    with pytest.raises(Unreachable):
        away.retrieve(series, path.parent, message_id=1, seconds=30)
    assert path.exists()


def test_what_comes_by_c_move_a_second_time_is_no_less_a_prior(tmp_path: Path) -> None:
    """Through the node's own door, which files it in place of the first."""
    path = film(tmp_path)
    study = str(dcmread(path).StudyInstanceUID)
    with receiving.node(tmp_path / "node") as node:
        node.asked_for[study] = Asked.YES
        known = {"node": ("DICOMNODE", "127.0.0.1", node.port)}
        with Orthanc(tmp_path / "orthanc", modalities=known) as server:
            server.upload(path)
            peer = Peer("pacs", server.aet, "127.0.0.1", server.dicom_port, "DICOMNODE", 10)
            archive = ARCHIVES["dimse"](peer, "c-move")
            (series,) = archive.find_series(study)
            into = node.spool.want_prior(study)
            for _ in range(2):
                (got,) = archive.retrieve(series, into, message_id=1, seconds=30)
                assert got == into / f"{dcmread(path).SOPInstanceUID}.dcm"
            variant(got, got.with_name("1.2.3.dcm"), SOPInstanceUID="1.2.3")
            assert archive.retrieve(series, into, message_id=1, seconds=30) == [got]
        assert [one.name for one in into.iterdir()] == [got.name]
        assert node.temporary() == []


def test_what_an_archive_sent_and_nobody_can_read_is_passed_over(
    pacs: Peer, tmp_path: Path
) -> None:
    archive = ARCHIVES["dimse"](pacs, "c-get")
    (study, _) = archive.find_studies(read_study([film(tmp_path)]).patient)
    (series,) = archive.find_series(study.study_instance_uid)
    (tmp_path / "prior").mkdir()
    (tmp_path / "prior" / "1.2.3.dcm").write_bytes(b"nothing of the kind")
    assert len(archive.retrieve(series, tmp_path / "prior", message_id=1, seconds=30)) == 1


def test_an_archive_without_c_get_is_told_apart(tmp_path: Path) -> None:
    """It takes the storage contexts of the request, but not the service itself."""
    ae = AE(ae_title="ARCHIVE")
    ae.add_supported_context(ComputedRadiographyImageStorage)
    port = free_port()
    server = ae.start_server(("127.0.0.1", port), block=False)
    archive = ARCHIVES["dimse"](
        Peer("archive", "ARCHIVE", "127.0.0.1", port, "DICOMNODE", 5), "c-get"
    )
    try:
        with pytest.raises(Rejected, match="offers no C-GET; set"):
            archive.retrieve(
                FoundSeries("1.2", "1.2.3", "CR", ""), tmp_path, message_id=1, seconds=5
            )
    finally:
        server.shutdown()


@pytest.mark.parametrize(
    ("encoding", "answered"),
    [("Latin1", "Yamada^Tarou=^=^"), ("Utf8", "Yamada^Tarou=山田^太郎=やまだ^たろう")],
)
def test_what_an_archive_cannot_write_of_a_name_is_no_conflict(
    tmp_path: Path, encoding: str, answered: str
) -> None:
    """Orthanc answers in its DefaultEncoding, whatever is asked and stored, and leaves out what
    that lacks (docs/pointing-a-pacs.md).
    """
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    kanji = {"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "PatientName": name}
    path = chest(tmp_path / "film.dcm", PatientID="JA-1", **kanji)
    patient = read_study([path]).patient
    assert patient.name == name
    with Orthanc(tmp_path / "orthanc", settings={"DefaultEncoding": encoding}) as server:
        server.upload(path)
        peer = Peer("pacs", server.aet, "127.0.0.1", server.dicom_port, "DICOMNODE", 10)
        (study,) = ARCHIVES["dimse"](peer, "c-get").find_studies(patient)
    assert study.patient.name == answered
    assert same_patient(patient, study.patient).same


@pytest.mark.parametrize("identifier", ["", " ", "*", "12*", "?", "1?2", "12\\34"])
def test_no_query_that_would_find_other_patients(identifier: str) -> None:
    nobody = Peer("nobody", "NOBODY", "127.0.0.1", free_port(), "DICOMNODE", 2)
    patient = Patient(identifier, "", "", None, "")
    assert not finds_one_patient(identifier)
    with pytest.raises(BadStudy, match="would find other patients"):
        ARCHIVES["dimse"](nobody, "c-get").find_studies(patient)


@pytest.mark.parametrize("uid", ["", "*", "1.2.*", "1.2\\1.3"])
def test_nothing_is_asked_by_a_uid_that_is_none(uid: str, tmp_path: Path) -> None:
    """It would find, or fetch, what is not of the patient."""
    nobody = Peer("nobody", "NOBODY", "127.0.0.1", free_port(), "DICOMNODE", 2)
    for retrieve in ("c-get", "c-move"):
        archive = ARCHIVES["dimse"](nobody, retrieve)
        with pytest.raises(BadStudy):
            archive.find_series(uid)
        for series in (FoundSeries("1.2", uid, "CR", ""), FoundSeries(uid, "1.2", "CR", "")):
            with pytest.raises(BadStudy):
                archive.retrieve(series, tmp_path, message_id=1, seconds=5)


@pytest.mark.parametrize(
    ("counts", "images"),
    [
        ([b"2 ", b"3 "], 5),
        ([b"2 ", b"0 "], 2),
        ([], 0),
        ([b"2 ", b""], None),
        ([b"2 ", b"many"], None),
        ([b"2 ", b"1\\2 "], None),
    ],
)
def test_only_an_archive_that_counts_each_series_counts(
    counts: list[bytes], images: int | None
) -> None:
    """An archive may leave Number of Series Related Instances empty, or fill in what it likes."""

    def find(event: Any) -> Iterator[tuple[int, Dataset | None]]:
        for number, count in enumerate([*counts, b"9 "]):
            answer = Dataset()
            answer.SeriesInstanceUID = f"1.2.{number}"
            answer.Modality = "CR" if number < len(counts) else "SR"
            tag = Tag("NumberOfSeriesRelatedInstances")
            answer[tag] = RawDataElement(tag, "IS", len(count), count, 0, True, True)
            yield 0xFF00, answer

    ae = AE(ae_title="COUNTS")
    ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    port = free_port()
    server = ae.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_FIND, find)]
    )
    try:
        archive = ARCHIVES["dimse"](Peer("pacs", "COUNTS", "127.0.0.1", port, "NODE", 10), "c-get")
        assert archive.count_images("1.2", {"CR"}) == images
    finally:
        server.shutdown()
