"""What ``docker-compose.yml`` and ``Dockerfile`` name exists in this project, and fits together.

There is no Docker engine here: the file is held against the Compose specification, each command
is asked for its help, and the configuration of the test PACS is loaded by a real Orthanc.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import peers
import pytest
import yaml
from pydicom import dcmread
from typer.testing import CliRunner

from dicom_node import settings
from workers.cli import app

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "docker-compose.yml"
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
NODE_YAML = ROOT / "config" / "compose" / "node.yaml"
OURS = ("edge", "sender", "worker")


def _interpolated(text: str) -> str:
    """As Compose fills it in on a machine that sets no variable."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the script makes for ``/run/secrets``."""
    folder = tmp_path_factory.mktemp("compose") / "secrets"
    peers.call(str(ROOT / "config" / "compose" / "secrets.sh"), folder)
    return folder


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
    assert set(SERVICES) == {"edge", "worker", "sender", "redis", "postgresql", "orthanc"}


@pytest.mark.parametrize("name", OURS)
def test_its_command_is_one_of_the_command_line(name: str) -> None:
    command, *options = SERVICES[name]["command"]
    assert command == name
    assert _instructions("ENTRYPOINT") == [["[dicom-node]"]] * 2
    done = CliRunner().invoke(app, [command, "--help"])
    assert done.exit_code == 0, done.output
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
        "edge": [loaded.tls.port],  # and not node.port, which is plain
        "orthanc": [pacs["DicomPort"], pacs["HttpPort"]],
        "sender": [],
        "worker": [],
        "redis": [],
        "postgresql": [],
    }
    for service in SERVICES.values():
        for port in service.get("ports", []):
            assert _interpolated(port).startswith("127.0.0.1:"), "open to the network by default"


def test_node_and_pacs_know_each_other() -> None:
    loaded = settings.load(NODE_YAML)
    pacs = json.loads((ROOT / "config" / "compose" / "orthanc.json").read_text("utf-8"))
    assert pacs["DicomModalities"] == {
        "dicom-node": {
            "AET": loaded.node.ae_title,
            "Host": "edge",
            "Port": loaded.tls.port,
            "UseDicomTls": True,
        }
    }
    assert list(loaded.tls.callers) == [pacs["DicomAet"]]
    assert loaded.node.host == "0.0.0.0"
    assert pacs["DicomAet"] in loaded.receive.calling_ae_titles
    assert loaded.archive is not None
    for peer in (loaded.archive, *loaded.destinations):
        assert (peer.ae_title, peer.host, peer.port) == (pacs["DicomAet"], "orthanc", 4242)
        assert peer.host in SERVICES
    assert all(destination.test for destination in loaded.destinations)


def test_the_edges_health_is_asked_by_a_title_that_it_lets_in() -> None:
    loaded = settings.load(NODE_YAML)
    command = SERVICES["edge"]["healthcheck"]["test"]
    assert command[command.index("-aet") + 1] in loaded.receive.calling_ae_titles
    assert command[command.index("-aec") + 1] == loaded.node.ae_title
    assert command[-1] == str(loaded.node.port)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_mount_exists(name: str, made: Path) -> None:
    for mount in _mounts(SERVICES[name]):
        if mount["type"] == "bind":
            assert (ROOT / mount["source"]).exists()
            assert mount["read_only"]
        else:
            assert mount["source"] in COMPOSE["volumes"]
    for secret in SERVICES[name].get("secrets", []):
        file = _interpolated(COMPOSE["secrets"][secret]["file"])
        assert Path(file.replace("./secrets", str(made))).exists()


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
        "postgresql": {"postgresql"},
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


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_container_can_write_only_where_it_has_to_and_has_no_capability(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "/tmp" in service["tmpfs"]
    assert "privileged" not in service
    assert "cap_add" not in service


def test_each_container_has_only_its_own_secrets(made: Path) -> None:
    """A worker, for one, knows no password of Redis' administrator and no key of the edge."""
    keys = {name: set(service.get("secrets", [])) for name, service in SERVICES.items()}
    for secret in ("edge.key", "orthanc.key", "redis.key", "postgresql.key", "redis_password"):
        (user,) = [name for name, known in keys.items() if secret in known]
        assert secret.startswith(user)
    assert (made.stat().st_mode & 0o777) == 0o700
    assert "authority.key" not in COMPOSE["secrets"]
    for text in (FILE, NODE_YAML, *(ROOT / "config" / "compose").glob("*.conf")):
        for secret in ("redis_password", "postgresql_password"):
            assert (made / secret).read_text("utf-8") not in text.read_text("utf-8")
    assert "!secrets" not in (ROOT / ".dockerignore").read_text("utf-8")


def test_the_urls_that_the_script_makes_are_those_of_the_services(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "_SECRETS", made)
    loaded = settings.load(NODE_YAML)
    password = (made / "redis_password").read_text("utf-8")
    assert loaded.broker.url == f"rediss://:{password}@redis:6379/0"
    ledger = urlsplit(loaded.ledger_url)
    assert ledger.hostname in SERVICES
    assert ledger.password == (made / "postgresql_password").read_text("utf-8")
    assert ledger.username == SERVICES["postgresql"]["environment"]["POSTGRES_USER"]
    query = parse_qs(ledger.query)
    assert query == {"sslmode": ["verify-full"], "sslrootcert": [str(loaded.broker.authority)]}


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


class _SecureStoreScp(peers.StoreScp):
    def answers(self) -> bool:
        with suppress(OSError), socket.create_connection((peers.HOST, self.dicom_port)):
            return True
        return False


def test_the_pacs_forwards_by_tls_what_is_stable(rg1: Path, tmp_path: Path, made: Path) -> None:
    """The files that the container of the test PACS mounts, in a real Orthanc."""
    folder = ROOT / "config" / "compose"
    pacs = json.loads((folder / "orthanc.json").read_text("utf-8"))
    there = pacs["DicomModalities"]["dicom-node"]
    aet = there["AET"]
    certificate = [str(made / "edge.key"), str(made / "edge.crt")]
    options = ["+tls", *certificate, "+cf", str(made / "authority.crt")]
    with _SecureStoreScp(tmp_path / "node", aet=aet, options=options) as node:
        kept = (
            "StorageDirectory",
            "IndexDirectory",
            "HttpPort",
            "DicomPort",
            "RemoteAccessAllowed",
        )
        theirs = {key: value for key, value in pacs.items() if key not in kept}
        theirs = {
            key: value.replace("/run/secrets", str(made)) if isinstance(value, str) else value
            for key, value in theirs.items()
        }
        here = {"Host": peers.HOST, "Port": node.dicom_port}
        theirs["DicomModalities"] = {"dicom-node": there | here}
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


def _here(command: str, made: Path, **places: object) -> str:
    """A command of the deployment, with the places that it has on this machine."""
    for place, here in {"/run/secrets": made, "$$": "$", **places}.items():
        command = command.replace(place, str(here))
    return command


class _Redis(peers.Server):
    """Debian's Redis as the deployment starts it, which is by TLS and with its password only."""

    def __init__(self, folder: Path, made: Path) -> None:
        super().__init__(folder)
        self.port = peers.free_port()
        self.url = (made / "dicom_node_broker__url").read_text("utf-8")
        self.url = self.url.replace("@redis:6379", f"@localhost:{self.port}")
        config = (ROOT / "config" / "compose" / "redis.conf").read_text("utf-8")
        config = _here(config, made).replace("6379", str(self.port))
        (folder / "redis.conf").write_text(config.replace("dir /data", f"dir {folder}"), "utf-8")
        self._places: dict[str, object] = {"/etc/redis/redis.conf": folder / "redis.conf"}
        self._made = made
        peers.need("redis-server", "redis-server")

    def command(self) -> list[str]:
        service = SERVICES["redis"]
        (command,) = service["command"]
        return [*service["entrypoint"], _here(command, self._made, **self._places)]

    def answers(self) -> bool:
        kind, test = SERVICES["redis"]["healthcheck"]["test"]
        assert kind == "CMD-SHELL"
        asked = _here(test, self._made, **{"redis-cli": f"redis-cli -p {self.port}"})
        return peers.call("/bin/sh", "-c", asked, check=False).returncode == 0


@pytest.fixture(scope="module")
def broker(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Redis]:
    with _Redis(tmp_path_factory.mktemp("redis"), made) as server:
        yield server


def test_redis_answers_nobody_without_tls_and_password(broker: _Redis, made: Path) -> None:
    cli = [peers.need("redis-cli", "redis-tools"), "-p", broker.port]
    by_tls = ["--tls", "--cacert", made / "authority.crt"]
    program, *asked = map(str, [*cli, "ping"])
    assert "PONG" not in peers.call(program, *asked, check=False).stdout
    program, *asked = map(str, [*cli, *by_tls, "ping"])
    assert "NOAUTH" in peers.call(program, *asked, check=False).stdout


def test_redis_itself_gets_the_signal_that_ends_the_container(broker: _Redis) -> None:
    assert Path(f"/proc/{broker.pid}/comm").read_text().strip() == "redis-server"


class _Part(peers.Server):
    """One of our services, with the file of the deployment but on this machine."""

    def __init__(self, folder: Path, name: str, broker: _Redis, made: Path) -> None:
        super().__init__(folder)
        self.name = name
        self.port = peers.free_port()
        key = folder / "edge.key"  # not in /run/secrets here, where all may read it
        shutil.copy(made / "edge.key", key)
        key.chmod(0o600)
        self.environment = {
            "DICOM_NODE_NODE__DATA": str(folder / "data"),
            "DICOM_NODE_NODE__HOST": peers.HOST,
            "DICOM_NODE_NODE__PORT": str(self.port),
            "DICOM_NODE_TLS__PORT": str(peers.free_port()),
            "DICOM_NODE_TLS__CERTIFICATE": str(made / "edge.crt"),
            "DICOM_NODE_TLS__KEY": str(key),
            "DICOM_NODE_TLS__AUTHORITY": str(made / "authority.crt"),
            "DICOM_NODE_BROKER__URL": broker.url,
            "DICOM_NODE_BROKER__AUTHORITY": str(made / "authority.crt"),
        }

    def start(self) -> None:
        previous = dict(os.environ)
        os.environ.update(self.environment)
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
        assert kind == "CMD"
        here = {"11112": str(self.port), "/etc/dicom-node/compose/node.yaml": str(NODE_YAML)}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = dict(os.environ) | self.environment | {"PATH": path}
        command = [here.get(part, part) for part in test]
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        return done.returncode == 0


@pytest.mark.parametrize("name", ["edge", "sender"])
def test_its_health_is_seen(name: str, broker: _Redis, made: Path, tmp_path: Path) -> None:
    part = _Part(tmp_path / name, name, broker, made)
    with part:
        assert part.answers()
    assert not part.answers()
