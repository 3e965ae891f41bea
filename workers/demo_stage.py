"""Where the demo takes place: a work folder, a small PACS and the node as programs of their own."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import yaml

from dicom_node import durable
from dicom_node.association import echo
from dicom_node.errors import Misconfigured, Unreachable
from dicom_node.peer import Peer

_LOOPBACK = "127.0.0.1"
_START_SECONDS = 180.0  # a cold disk or a busy machine takes its time
_STOP_SECONDS = 40.0


@dataclass(frozen=True, slots=True)
class Program:
    """A program of the demo, and the file into which it prints."""

    process: subprocess.Popen[bytes]
    log: Path


@dataclass(frozen=True, slots=True)
class Stage:
    """The work folder, absolute, and the two peers that are to be started in it."""

    folder: Path
    pacs: Peer
    node: Peer

    @property
    def films(self) -> Path:
        """Where the two films and the truth about them lie."""
        return self.folder / "films"

    @property
    def results(self) -> Path:
        """Where what came back is put together."""
        return self.folder / "results"

    @property
    def config(self) -> Path:
        """The node's configuration."""
        return self.folder / "site" / "node.yaml"


def work_folder(out: Path) -> Path:
    """A new folder in ``out``, absolute: the PACS takes a relative path from a folder of its own.

    Nobody else's, whatever lies in ``out``: so it may be deleted afterwards.

    Raises:
        Misconfigured: ``out`` cannot be made or written.
    """
    try:
        durable.make_folder(out)
        return Path(tempfile.mkdtemp(prefix="work-", dir=out)).resolve()
    except OSError as error:
        raise Misconfigured(f"{out}: cannot be written: {error.strerror}") from None


def set_up(folder: Path) -> Stage:
    """A stage with free ports on loopback; nothing is started yet."""
    return Stage(
        folder=folder,
        pacs=Peer("demo PACS", "DEMOPACS", _LOOPBACK, _free_port(), "DICOMNODE"),
        node=Peer("node", "DICOMNODE", _LOOPBACK, _free_port(), "DEMOPACS"),
    )


@contextmanager
def pacs(stage: Stage) -> Iterator[Program]:
    """The PACS, pynetdicom's ``qrscp``; it may not answer yet."""
    folder = stage.folder / "pacs"
    folder.mkdir()
    settings = folder / "qrscp.ini"
    settings.write_text(
        f"[DEFAULT]\nae_title: {stage.pacs.ae_title}\nport: {stage.pacs.port}\nmax_pdu: 262144\n"
        "acse_timeout: 30\ndimse_timeout: 30\nnetwork_timeout: 30\n"
        f"bind_address: {_LOOPBACK}\ninstance_location: {folder / 'instances'}\n"
        f"database_location: {folder / 'instances.sqlite'}\nlog_identifier: False\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "pynetdicom", "qrscp", "--quiet", "--config", str(settings)]
    with program(command, stage.folder / "pacs.log") as started:
        yield started


@contextmanager
def node(stage: Stage) -> Iterator[Program]:
    """The node as ``dicom-node run`` starts it; it may not answer yet."""
    folder = stage.config.parent
    folder.mkdir()
    for source in resources.files("config").iterdir():
        if source.name.endswith(".yaml"):
            (folder / source.name).write_text(source.read_text("utf-8"), encoding="utf-8")
    stage.config.write_text(yaml.safe_dump(_settings(stage), sort_keys=False), encoding="utf-8")
    command = [sys.executable, "-m", "workers", "run", "--config", str(stage.config)]
    with program(command, stage.folder / "node.log") as started:
        yield started


@contextmanager
def program(
    command: Sequence[str], log: Path, stop_seconds: float = _STOP_SECONDS
) -> Iterator[Program]:
    """A program that has ended afterwards; what it prints goes into a file.

    One that does not end within ``stop_seconds`` of being asked to is killed.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)  # noqa: S603 - our own
        try:
            yield Program(process, log)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(stop_seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(peer: Peer, started: Program) -> None:
    """Return when the program answers a C-ECHO as this peer.

    Raises:
        Unreachable: it has ended, or does not answer in time.
    """
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            echo(peer)
        except Unreachable as absence:
            status = started.process.poll()
            if status is not None or time.monotonic() > deadline:
                told = f"was waited for {_START_SECONDS:.0f} s and is still starting"
                ended = f"has ended with status {status}"
                what = told if status is None else ended
                text = f"{absence}: it {what}; what it printed is in {started.log}"
                raise Unreachable(text) from None
            time.sleep(0.2)
        else:
            return


def _settings(stage: Stage) -> dict[str, object]:
    archive = {
        "ae_title": stage.pacs.ae_title,
        "host": stage.pacs.host,
        "port": stage.pacs.port,
        "timeout_seconds": 10,
    }
    return {
        "node": {
            "ae_title": stage.node.ae_title,
            "host": stage.node.host,
            "port": stage.node.port,
            "data": "data",
        },
        "completion": {"quiet_seconds": 2},
        "archive": archive | {"protocol": "dimse", "retrieve": "c-get"},
        "destinations": [archive | {"name": "demo-pacs", "test": True}],
        "engine": {"name": "demonstration"},
        "limits": {"sweep_seconds": 0.5},
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port
