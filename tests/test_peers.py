"""The peers that other tests rely on do what those tests take for granted."""

from __future__ import annotations

from pathlib import Path

import peers
import pytest
from pydicom import dcmread


def _find(orthanc: peers.Orthanc, study: str, folder: Path) -> list[str]:
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": study, "PatientID": ""}
    answers = peers.findscu(keys, orthanc.dicom_port, folder, aec=orthanc.aet)
    return [str(answer.StudyInstanceUID) for answer in answers]


def test_orthanc_keeps_what_dcmtk_sends(orthanc: peers.Orthanc, rg1: Path, tmp_path: Path) -> None:
    film = dcmread(rg1, stop_before_pixels=True)
    assert _find(orthanc, film.StudyInstanceUID, tmp_path / "before") == []

    peers.dcmsend([rg1], orthanc.dicom_port, aec=orthanc.aet)
    assert orthanc.sop_instance_uids() == {film.SOPInstanceUID}
    assert _find(orthanc, film.StudyInstanceUID, tmp_path / "sent") == [film.StudyInstanceUID]

    orthanc.stop()
    assert not peers.echo(orthanc.dicom_port, orthanc.aet)
    orthanc.start()
    assert _find(orthanc, film.StudyInstanceUID, tmp_path / "again") == [film.StudyInstanceUID]


def test_orthanc_forwards_what_its_script_says(
    orthanc: peers.Orthanc, rg1: Path, tmp_path: Path
) -> None:
    with peers.StoreScp(tmp_path / "storescp") as scp:
        orthanc.add_modality("other", scp.aet, peers.HOST, scp.dicom_port)
        orthanc.set_lua(peers.forward_everything("other"))
        peers.storescu([rg1], orthanc.dicom_port, aec=orthanc.aet)
        peers.wait_until(lambda: len(scp.files()) == 1, "the film is forwarded")
    uid = dcmread(rg1, stop_before_pixels=True).SOPInstanceUID
    assert dcmread(scp.files()[0]).SOPInstanceUID == uid


def test_orthanc_answers_dicomweb(orthanc: peers.Orthanc, rg1: Path) -> None:
    if "dicom-web" not in orthanc.client.get_json("plugins"):
        peers.need("libOrthancDicomWeb.so", "orthanc-dicomweb")
    orthanc.upload(rg1)
    study = dcmread(rg1, stop_before_pixels=True).StudyInstanceUID
    found = orthanc.client.get_json("dicom-web/studies", params={"StudyInstanceUID": study})
    assert [one["0020000D"]["Value"] for one in found] == [[study]]


def test_redis_answers(redis: peers.Redis) -> None:
    assert redis.answers()
    redis.stop()
    assert not redis.answers()


def test_qrscp_keeps_what_dcmtk_sends(rg1: Path, tmp_path: Path) -> None:
    with peers.Qrscp(tmp_path / "qrscp") as pacs:
        peers.storescu([rg1], pacs.dicom_port, aec=pacs.aet)
        assert [one.name for one in (pacs.folder / "instances").iterdir()]


def test_a_rejected_file_fails_the_test(rg1: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="ended with"):
        peers.dcmsend([rg1], peers.free_port(), aec="NOBODY")


def test_a_missing_program_skips_at_home_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt install some-package"):
        peers.need("no-such-program", "some-package")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt install some-package"):
        peers.need("no-such-program", "some-package")
