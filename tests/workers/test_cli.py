"""The command line as a person uses it: each command, and each mistake in one clear line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from builders import chest, drawn_picture
from earlier import make_prior
from nodes import Site, dicom_node, peer
from peers import Orthanc, free_port
from PIL import Image
from pydicom import dcmread
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage

from dicom_node.outputs import OUTPUTS
from dicom_node.profiles import PROFILES
from models.engines import demonstration

#: What `init` writes.
CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


COMMANDS = (
    "run",
    "edge",
    "worker",
    "sender",
    "read",
    "jobs",
    "show",
    "check",
    "disk",
    "retry",
    "init",
    "migrate",
)


def test_help_tells_of_every_command() -> None:
    told = " ".join(dicom_node("--help").stdout.replace("\n", " ").split())
    assert [command for command in COMMANDS if command not in told] == []
    assert "Not for clinical use" in told


def test_init_writes_a_configuration_that_works(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    assert dicom_node("init", folder).returncode == 0
    assert {path.name for path in folder.iterdir()} == {"node.yaml", "rules.yaml", "findings.yaml"}
    assert dicom_node("jobs", "--config", folder / "node.yaml").returncode == 0
    again = dicom_node("init", folder)
    assert again.returncode == 2
    assert "exists already; nothing was written" in again.stderr


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("node.yaml", "ae_title: DICOMNODE", "ae_titel: X", ["node.yaml:9:", "ae_title"]),
        ("node.yaml", "port: 11112", "port: many", ["node.yaml:11:", "port"]),
        ("node.yaml", "DICOMNODE", "A_TITLE_THAT_IS_TOO_LONG", ["node.yaml:9:", "16 characters"]),
        ("node.yaml", "name: demonstration", "name: chatgpt", ["engine", "transformers"]),
        ("rules.yaml", "[sr, seg, gsps", "[sr, sge, gsps", ["rules.yaml", "sge", "seg"]),
        ("rules.yaml", "prepare: chest_radiograph", "prepare: x", ["rules.yaml", "prepare"]),
        ("findings.yaml", "laterality: right", "laterality: rihgt", ["findings.yaml", "right"]),
    ],
)
def test_a_mistake_in_a_file_is_one_line_before_anything_starts(
    tmp_path: Path, name: str, old: str, new: str, told: list[str]
) -> None:
    folder = tmp_path / "site"
    shutil.copytree(CONFIG, folder)
    text = (folder / name).read_text("utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    done = dicom_node("run", "--config", folder / "node.yaml")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert [word for word in told if word not in done.stderr] == []
    assert not (tmp_path / "dicom-node-data").exists()


@pytest.mark.parametrize("command", ["edge", "worker", "sender", "check"])
def test_each_command_looks_at_the_files_first(site: Site, command: str) -> None:
    site.configure(nod={})
    done = site.command(command)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "node.yaml:" in done.stderr
    assert not site.data.exists()


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    done = dicom_node("check", "--config", tmp_path / "nothing.yaml")
    assert done.returncode == 2
    assert "dicom-node init" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_says_what_is_wrong(site: Site, tmp_path: Path) -> None:
    with Orthanc(tmp_path / "orthanc") as orthanc:
        gone = {"name": "gone", "ae_title": "GONE", "host": "127.0.0.1", "port": free_port()}
        here = peer(orthanc, name="pacs", test=True)
        site.configure(archive=peer(orthanc), destinations=[here | {"orthanc": orthanc.url}])
        fine = site.command("check")
        unasked = f"http://127.0.0.1:{free_port()}"
        silent = here | {"name": "silent", "orthanc": unasked}
        site.configure(destinations=[here, silent, gone])
        wrong = site.command("check")
        told = json.loads(site.command("check", "--json").stdout)
    assert fine.returncode == 0, fine.stdout
    assert "demonstration weights" in fine.stdout
    assert f"ok  node.port: 127.0.0.1 port {site.port} is free" in fine.stdout
    assert f"ok  REST API of pacs ({orthanc.url}): answers" in fine.stdout
    assert wrong.returncode == 1
    assert f"FAILED  REST API of silent ({unasked}): Orthanc's REST API does not" in wrong.stdout
    assert "FAILED  C-ECHO to gone (GONE at 127.0.0.1 port" in wrong.stdout
    assert "FAILED  storage commitment of gone: not known: gone does not answer" in wrong.stdout
    assert wrong.stdout.count("FAILED") == 4
    (failed,) = [one["what"] for one in told if one["failed"] and "C-ECHO" in one["what"]]
    assert failed.startswith("C-ECHO to gone (GONE at")
    assert "destination gone is not marked `test`" in wrong.stdout


def test_check_names_missing_weights_and_their_licence(site: Site, tmp_path: Path) -> None:
    site.configure(engine={"name": "transformers", "model": str(tmp_path / "no-weights")})
    done = site.command("check")
    assert done.returncode == 1
    line = next(one for one in done.stdout.splitlines() if "weights" in one)
    assert "Health AI Developer Foundations" in done.stdout
    assert "FAILED" in line


def test_check_says_what_is_wrong_with_damaged_weights(site: Site, tmp_path: Path) -> None:
    """One line of its list, and the lines after it."""
    folder = shutil.copytree(demonstration.folder(), tmp_path / "weights")
    (folder / "tokenizer.json").write_text("{}")
    site.configure(engine={"name": "transformers", "model": str(folder)})
    done = site.command("check")
    assert done.returncode == 1
    line = next(one for one in done.stdout.splitlines() if "weights:" in one)
    assert line.startswith("FAILED")
    assert "the processor cannot be loaded" in done.stdout
    assert "Traceback" not in done.stderr
    assert "not caught" not in done.stderr


def test_check_knows_the_demonstration_whichever_engine_opens_it(
    site: Site, tmp_path: Path
) -> None:
    """`release` would not help: such results go to destinations marked `test` only."""
    folder = shutil.copytree(demonstration.folder(), tmp_path / "weights")
    gone = {"name": "gone", "ae_title": "GONE", "host": "127.0.0.1", "port": free_port()}
    site.configure(engine={"name": "transformers", "model": str(folder)}, destinations=[gone])
    told = site.command("check").stdout
    assert "nothing that the demonstration makes goes there" in told
    assert "until `release` is true" not in told


def test_read_makes_everything_from_local_files(site: Site, tmp_path: Path, rg1: Path) -> None:
    make_prior(rg1, tmp_path / "prior.dcm")
    out = tmp_path / "out"
    done = site.command("read", rg1, "--prior", tmp_path / "prior.dcm", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "DEMONSTRATION" in done.stdout
    assert "183 days earlier" in done.stdout
    objects = {f"{name}.dcm" for name in OUTPUTS}
    assert {path.name for path in out.iterdir()} == objects | {"report.json", "picture.png"}
    assert dcmread(out / "sr.dcm").PatientID == dcmread(rg1).PatientID
    assert Image.open(out / "picture.png").width >= 1000
    report = json.loads((out / "report.json").read_text("utf-8"))
    assert report["prior"]["outcome"] == "used"
    assert dcmread(out / "sr.dcm").SOPClassUID == Comprehensive3DSRStorage
    alone = tmp_path / "alone"
    again = site.command("read", rg1, "--out", alone, "--profile", "stone", "--json")
    assert dcmread(alone / "sr.dcm").SOPClassUID == ComprehensiveSRStorage
    assert {path.stem for path in alone.glob("*.dcm")} == set(PROFILES["stone"].outputs)
    own = shutil.copyfile(rg1, alone / "kos.dcm")
    less = site.command("read", rg1, "--out", alone, "--profile", "minimal")
    assert less.returncode == 0, less.stderr
    assert {path.stem for path in alone.glob("*.dcm")} == {"sc", "pdf", "kos"}
    assert own.read_bytes() == rg1.read_bytes()
    unknown = site.command("read", rg1, "--out", tmp_path / "none", "--profile", "ohiv")
    assert unknown.returncode == 2
    assert "did you mean `ohif`?" in unknown.stderr
    assert json.loads(again.stdout)["prior"]["outcome"] == "not asked for"


def test_the_prior_of_somebody_else_is_not_used(site: Site, tmp_path: Path) -> None:
    film = chest(tmp_path / "film.dcm", drawn_picture())
    other = chest(
        tmp_path / "other.dcm", drawn_picture(seed=3), PatientName="Else^Somebody",
        AcquisitionDate="20190101",
    )  # fmt: skip
    done = site.command("read", film, "--prior", other, "--out", tmp_path / "out", "--json")
    prior = json.loads(done.stdout)["prior"]
    assert (prior["outcome"], prior["film"]) == ("refused", None)
    assert "Name differs" in prior["reason"]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda folder: folder / "nothing.dcm", "no such file or folder"),
        (lambda folder: chest(folder / "x.dcm", Modality="CT"), "Modality is CT"),
        (
            lambda folder: chest(folder / "x.dcm", PatientBirthDate="20100101"),
            "younger than 18 years",
        ),
        (lambda folder: _text(folder / "x.txt"), "not readable as DICOM"),
        (lambda folder: folder, "hold no DICOM files"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    site: Site, tmp_path: Path, make: object, told: str
) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    assert callable(make)
    done = site.command("read", make(folder), "--out", tmp_path / "out")
    assert done.returncode != 0
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def _text(path: Path) -> Path:
    path.write_text("not an image")
    return path


def test_show_of_a_job_that_is_not_there(site: Site) -> None:
    done = site.command("show", 7)
    assert done.returncode != 0
    assert "no job 7" in done.stderr


def test_a_page_with_no_studies_is_no_node_without_any(site: Site) -> None:
    site.configure()
    assert "no studies yet" in site.command("jobs").stdout
    assert "no such studies" in site.command("jobs", "--state", "failed").stdout


def test_a_data_folder_that_cannot_be_made_is_one_line(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    told = f"node.data: {tmp_path}/file/data cannot be made"
    site.configure(node={"data": str(tmp_path / "file" / "data")})
    for command, status in (("jobs", 2), ("sender", 1)):
        done = site.command(command)
        assert done.returncode == status
        assert len(done.stderr.splitlines()) == 1
        assert told in done.stderr
    # Weights that are not there are quickly looked at.
    site.configure(engine={"name": "transformers", "model": str(tmp_path / "nowhere")})
    said = site.command("check").stdout
    for what in ("ledger", "broker"):
        assert f"FAILED  {what}: {told}" in said
    assert "FAILED  disk: node.data: " in said
    assert "weights:" in said, "it goes on to its end"
