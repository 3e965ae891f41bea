"""What ``docker-compose.yml`` and ``Dockerfile`` name exists in this project, and fits together.

There is no Docker engine here: the file is held against the Compose specification, each command
is asked for its help, and the configuration of the test PACS is loaded by a real Orthanc.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import peers
import pytest
import yaml
from pydicom import dcmread

from dicom_node import settings

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "docker-compose.yml"
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
NODE_YAML = ROOT / "config" / "compose" / "node.yaml"
BROKER = "redis://redis:6379/0"
OURS = ("edge", "sender", "worker")


def _interpolated(text: str) -> str:
    """As Compose fills it in on a machine that sets no variable."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def _instructions(name: str) -> list[list[str]]:
    """The arguments of each instruction of this name in the Dockerfile."""
    lines = DOCKERFILE.replace("\\\n", " ").splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith(f"{name} ")]


def _stages() -> dict[str, str]:
    """Name of each build stage to its text."""
    parts = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]
    return {part.splitlines()[0].split(" AS ")[1]: part for part in parts}


def _mounts(service: dict[str, Any]) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = service.get("volumes", [])
    return mounts


def _in_container(path: str, service: dict[str, Any]) -> Path:
    """The file of this project that a container sees at a path."""
    for mount in _mounts(service):
        if mount["type"] == "bind" and path.startswith(mount["target"]):
            source: str = mount["source"]
            target: str = mount["target"]
            return ROOT / source / path.removeprefix(target).lstrip("/")
    pytest.fail(f"{path} is not mounted")


def test_it_follows_the_compose_specification() -> None:
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*checker, str(FILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_specification_is_not_followed_by_just_anything(tmp_path: Path) -> None:
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(FILE.read_text("utf-8").replace("healthcheck:", "healthchek:", 1), "utf-8")
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*checker, str(wrong)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "healthchek" in done.stdout


def test_every_service_is_there() -> None:
    assert set(SERVICES) == {"edge", "worker", "sender", "redis", "orthanc"}


@pytest.mark.parametrize("name", OURS)
def test_its_command_is_one_of_the_command_line(name: str) -> None:
    command, *options = SERVICES[name]["command"]
    assert command == name
    assert _instructions("ENTRYPOINT") == [["[dicom-node]"]] * 2
    done = subprocess.run(
        [sys.executable, "-m", "workers", command, "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert options[0] in done.stdout


@pytest.mark.parametrize("name", OURS)
def test_its_configuration_is_mounted_and_valid(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    service = SERVICES[name]
    _, option, path = service["command"]
    assert option == "--config"
    assert _in_container(path, service) == NODE_YAML
    for variable, value in service["environment"].items():
        if variable.startswith(settings.ENVIRONMENT_PREFIX):
            monkeypatch.setenv(variable, _interpolated(value))
    loaded = settings.load(NODE_YAML)
    for file in (loaded.rules, loaded.findings):
        assert file.is_file()
        # ... and the container sees it where node.yaml says it is.
        assert file.is_relative_to(_in_container("/etc/dicom-node", service))
    assert any(mount["target"] == str(loaded.node.data) for mount in _mounts(service))


@pytest.mark.parametrize("name", OURS)
def test_each_variable_changes_a_setting(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"DICOM_NODE_LOG__LEVEL": "ERROR", "DICOM_NODE_ENGINE__NAME": "transformers"}
    for variable in SERVICES[name]["environment"]:
        if variable.startswith(settings.ENVIRONMENT_PREFIX):
            before = settings.load(NODE_YAML)
            monkeypatch.setenv(variable, values.get(variable, "something"))
            assert settings.load(NODE_YAML) != before, variable


def test_the_ports_are_those_of_the_node_and_of_the_pacs() -> None:
    loaded = settings.load(NODE_YAML)
    pacs = json.loads((ROOT / "config" / "compose" / "orthanc.json").read_text("utf-8"))
    inside = {
        name: [int(_interpolated(port).rsplit(":", 1)[1]) for port in service.get("ports", [])]
        for name, service in SERVICES.items()
    }
    assert inside == {
        "edge": [loaded.node.port],
        "orthanc": [pacs["DicomPort"], pacs["HttpPort"]],
        "sender": [],
        "worker": [],
        "redis": [],
    }
    for service in SERVICES.values():
        for port in service.get("ports", []):
            assert _interpolated(port).startswith("127.0.0.1:"), "open to the network by default"


def test_node_and_pacs_know_each_other() -> None:
    loaded = settings.load(NODE_YAML)
    pacs = json.loads((ROOT / "config" / "compose" / "orthanc.json").read_text("utf-8"))
    assert pacs["DicomModalities"] == {
        "dicom-node": [loaded.node.ae_title, "edge", loaded.node.port]
    }
    assert loaded.node.host == "0.0.0.0"
    assert pacs["DicomAet"] in loaded.receive.calling_ae_titles
    assert loaded.archive is not None
    for peer in (loaded.archive, *loaded.destinations):
        assert (peer.ae_title, peer.host, peer.port) == (pacs["DicomAet"], "orthanc", 4242)
        assert peer.host in SERVICES
    assert all(destination.test for destination in loaded.destinations)
    assert loaded.broker.url == BROKER


def test_the_edges_health_is_asked_by_a_title_that_it_lets_in() -> None:
    loaded = settings.load(NODE_YAML)
    command = SERVICES["edge"]["healthcheck"]["test"]
    assert command[command.index("-aet") + 1] in loaded.receive.calling_ae_titles
    assert command[command.index("-aec") + 1] == loaded.node.ae_title
    assert command[-1] == str(loaded.node.port)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_mount_exists(name: str) -> None:
    for mount in _mounts(SERVICES[name]):
        if mount["type"] == "bind":
            assert (ROOT / mount["source"]).exists()
            assert mount["read_only"]
        else:
            assert mount["source"] in COMPOSE["volumes"]
    for secret in SERVICES[name].get("secrets", []):
        assert Path(_interpolated(COMPOSE["secrets"][secret]["file"])).exists()


def test_the_volumes_are_used_and_shared() -> None:
    users: dict[str, set[str]] = {name: set() for name in COMPOSE["volumes"]}
    for name, service in SERVICES.items():
        for mount in _mounts(service):
            if mount["type"] == "volume":
                users[mount["source"]].add(name)
    assert users == {
        "data": {"edge", "sender", "worker"},
        "weights": {"worker"},
        "redis": {"redis"},
        "orthanc": {"orthanc"},
    }
    weights = [mount for mount in _mounts(SERVICES["worker"]) if mount["source"] == "weights"]
    assert weights[0]["read_only"]


def test_nobody_is_root() -> None:
    stages = _stages()
    for name, service in SERVICES.items():
        if "build" in service:
            users = re.findall(r"^USER (\S+)", stages[service["build"]["target"]], re.MULTILINE)
            assert users, name
            assert users[-1] not in ("root", "0"), name
        else:
            assert service["user"] not in ("root", "0"), name


def test_the_shared_volume_belongs_to_the_user() -> None:
    assert "--owner=dicom-node --group=dicom-node /var/lib/dicom-node" in _stages()["base"]
    for name in OURS:
        assert "USER dicom-node" in _stages()[SERVICES[name]["build"]["target"]]


def test_images_are_pinned() -> None:
    stages = _stages()
    images = [stage.split()[0] for stage in stages.values()]
    images = [image for image in images if image not in stages]
    images += [service["image"] for service in SERVICES.values()]
    assert len(images) >= 6
    for image in images:
        assert re.search(r":\d+\.\d+", image), image


def test_the_build_has_its_targets_and_sources() -> None:
    stages = _stages()
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split()
    for name in (*OURS, "orthanc"):
        build = SERVICES[name]["build"]
        assert (ROOT / build["context"] / build["dockerfile"]).is_file()
        assert build["target"] in stages
        for argument in build.get("args", {}):
            assert f"ARG {argument}=" in DOCKERFILE
    for *sources, _ in _instructions("COPY"):
        if sources[0].startswith("--from="):
            assert sources[0].removeprefix("--from=") in stages
            continue
        for source in sources:
            assert (ROOT / source).exists()
            assert f"!{source}" in ignored, f".dockerignore hides {source}"


def test_only_the_worker_has_torch_and_a_gpu() -> None:
    stages = _stages()
    assert "torch" not in stages["build-edge"]
    assert "COPY --from=build-edge" in stages["edge"]
    assert "COPY --from=build-worker" in stages["worker"]
    assert "[worker]" in stages["build-worker"]
    with_gpu = [name for name, service in SERVICES.items() if "deploy" in service]
    assert with_gpu == ["worker"]
    (device,) = SERVICES["worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert "gpu" in device["capabilities"]


def test_a_secret_of_somebody_else_does_not_disturb_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "_SECRETS", tmp_path)
    (tmp_path / "hf_token").write_text("hf_not_a_token", encoding="utf-8")
    settings.load(NODE_YAML)


def test_the_pacs_forwards_what_is_stable(rg1: Path, tmp_path: Path) -> None:
    """The files that the container of the test PACS mounts, in a real Orthanc."""
    folder = ROOT / "config" / "compose"
    pacs = json.loads((folder / "orthanc.json").read_text("utf-8"))
    aet, _, _ = pacs["DicomModalities"]["dicom-node"]
    with peers.StoreScp(tmp_path / "node", aet=aet) as node:
        kept = (
            "StorageDirectory",
            "IndexDirectory",
            "HttpPort",
            "DicomPort",
            "RemoteAccessAllowed",
        )
        theirs = {key: value for key, value in pacs.items() if key not in kept}
        theirs["DicomModalities"] = {"dicom-node": [aet, peers.HOST, node.dicom_port]}
        theirs["LuaScripts"] = [str(folder / Path(name).name) for name in pacs["LuaScripts"]]
        theirs["StableAge"] = 1
        assert {mount["target"] for mount in _mounts(SERVICES["orthanc"])} >= set(
            pacs["LuaScripts"]
        )
        with peers.Orthanc(tmp_path / "orthanc", settings=theirs) as orthanc:
            peers.dcmsend([rg1], orthanc.dicom_port, aec=pacs["DicomAet"])
            peers.wait_until(lambda: len(node.files()) == 1, "the film is forwarded")
    film = dcmread(rg1, stop_before_pixels=True)
    assert dcmread(node.files()[0], stop_before_pixels=True).SOPInstanceUID == film.SOPInstanceUID


class _Part(peers.Server):
    """One of our services, with the file of the deployment but on this machine."""

    def __init__(self, folder: Path, name: str, broker: str) -> None:
        super().__init__(folder)
        self.name = name
        self.port = peers.free_port()
        self._environment = {
            "DICOM_NODE_NODE__DATA": str(folder / "data"),
            "DICOM_NODE_NODE__HOST": peers.HOST,
            "DICOM_NODE_NODE__PORT": str(self.port),
            "DICOM_NODE_BROKER__URL": broker,
        }
        self._broker = broker

    def start(self) -> None:
        previous = dict(os.environ)
        os.environ.update(self._environment)
        try:
            super().start()
        finally:
            os.environ.clear()
            os.environ.update(previous)

    def command(self) -> list[str]:
        return [sys.executable, "-m", "workers", self.name, "--config", str(NODE_YAML)]

    def answers(self) -> bool:
        """What the healthcheck of this service says."""
        kind, *test = SERVICES[self.name]["healthcheck"]["test"]
        test = [
            part.replace(BROKER, self._broker)
            .replace("$$", "$")
            .replace("--timeout 10", "--timeout 2")
            for part in test
        ]
        test = [str(self.port) if part == "11112" else part for part in test]
        command = ["/bin/sh", "-c", *test] if kind == "CMD-SHELL" else test
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = dict(os.environ) | {"PATH": path, "HOSTNAME": socket.gethostname()}
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        return done.returncode == 0


@pytest.mark.parametrize("name", ["edge", "sender"])
def test_its_health_is_seen(name: str, redis: peers.Redis, tmp_path: Path) -> None:
    part = _Part(tmp_path / name, name, redis.url)
    assert not part.answers()
    with part:
        assert part.answers()
    assert not part.answers()
