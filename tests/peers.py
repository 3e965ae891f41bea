"""Real peers for the tests: Orthanc, DCMTK, dicom3tools, Redis, PostgreSQL, pynetdicom's ``qrscp``.

Each is started by the test that needs it, on free ports of this machine and with a folder of its
own, and ended by its process id. Nothing that runs here already is used or disturbed. Where a
program is not installed the test skips and says which package brings it; with ``CI=true`` it fails.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from orthanc_api_client import OrthancApiClient  # type: ignore[import-untyped]
from pydicom import Dataset, dcmread
from pynetdicom import AE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

HOST = "127.0.0.1"
_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
_CALL_SECONDS = 120.0
_DICOMWEB = (
    Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so"),
    Path("/usr/lib/orthanc/libOrthancDicomWeb.so"),
)
_POSTGRESQL = Path("/usr/lib/postgresql")  # where Debian puts each version


def need(program: str, package: str) -> str:
    """Where a program is; ``package`` is the Debian package that brings it.

    Not what pynetdicom installs beside this Python under the names of DCMTK's programs.
    """
    beside = Path(sys.executable).parent
    folders = [one for one in os.get_exec_path() if Path(one) != beside]
    found = shutil.which(program, path=os.pathsep.join([*folders, "/usr/sbin", "/usr/local/sbin"]))
    if found is not None:
        return found
    message = f"{program} is not installed; on Debian: apt install {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def forward_everything(modality: str) -> str:
    """A Lua script by which Orthanc sends every study that has become stable to a modality.

    By a job of the REST API: ``SendToModality`` takes single instances only.
    """
    return (
        "function OnStableStudy(study, tags, metadata)\n"
        f"  RestApiPost('/modalities/{modality}/store',"
        """ '{"Resources": ["' .. study .. '"], "Asynchronous": true}')\n"""
        "end\n"
    )


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def wait_until(true: Callable[[], bool], what: str, seconds: float = _START_SECONDS) -> None:
    """Wait until something is the case; fail the test when it takes too long."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {what}")
        time.sleep(0.1)


def echo(port: int, aec: str, aet: str = "TEST") -> bool:
    """Whether the peer on this port answers C-ECHO with success."""
    ae = AE(ae_title=aet)
    ae.connection_timeout = ae.acse_timeout = ae.dimse_timeout = 5
    ae.add_requested_context(Verification)
    association = ae.associate(HOST, port, ae_title=aec)
    if not association.is_established:
        return False
    status = association.send_c_echo()
    association.release()
    return bool(status) and status.Status == 0x0000


class Server:
    """A program that is started, answers, and is stopped. What it prints is in :attr:`log`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.log = folder / "log.txt"
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """The program and its arguments; what it needs in :attr:`folder` is written here."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether it can be used."""
        raise NotImplementedError

    @property
    def pid(self) -> int:
        """Its process id, while it runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it answers."""
        assert self._process is None, "it runs already"
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command(), stdout=output, stderr=subprocess.STDOUT, cwd=self.folder
            )
        wait_until(self._answers_or_ended, f"{type(self).__name__} answers (see {self.log})")

    def stop(self) -> None:
        """End it; what it has stored stays, and :meth:`start` starts it again."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """End it as a loss of power does: nothing is finished, nobody is told."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    @property
    def said(self) -> str:
        """The end of what it printed."""
        return self.log.read_text("utf-8", "replace")[-3000:] if self.log.exists() else ""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _answers_or_ended(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            pytest.fail(f"{type(self).__name__} ended by itself; it says:\n{self.said}")
        return self.answers()


class Orthanc(Server):
    """Debian's Orthanc as a PACS without passwords.

    ``modalities`` are the applications it may move and send to: name to AE title, host and port.
    ``lua`` is a script that it loads, ``settings`` go over its other settings.
    """

    def __init__(
        self,
        folder: Path,
        *,
        aet: str = "ORTHANC",
        modalities: Mapping[str, tuple[str, str, int]] | None = None,
        lua: str = "",
        settings: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(folder)
        self.aet = aet
        self.dicom_port = free_port()
        self.http_port = free_port()
        self.url = f"http://{HOST}:{self.http_port}"
        self.client = OrthancApiClient(self.url)
        self._modalities = {name: _modality(*where) for name, where in (modalities or {}).items()}
        self._lua = lua
        self._settings = dict(settings or {})
        self._program = need("Orthanc", "orthanc")

    @property
    def dicomweb_url(self) -> str:
        """The root of its DICOMweb service (package orthanc-dicomweb)."""
        return f"{self.url}/dicom-web"

    def command(self) -> list[str]:
        script = self.folder / "script.lua"
        script.write_text(self._lua, encoding="utf-8")
        settings: dict[str, object] = {
            "Name": self.aet,
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "storage"),
            "HttpPort": self.http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "ExecuteLuaEnabled": True,
            "LuaScripts": [str(script)],
            "Plugins": [str(one) for one in _DICOMWEB if one.exists()][:1],
            "DicomWeb": {"Enable": True},
            "DicomAet": self.aet,
            "DicomPort": self.dicom_port,
            "DicomCheckCalledAet": False,
            "DicomAlwaysAllowEcho": True,
            "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
            "DicomAlwaysAllowMove": True,
            "DicomModalities": self._modalities,
            "StableAge": 1,
        }
        settings.update(self._settings)
        (self.folder / "orthanc.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")
        return [self._program, "--verbose", str(self.folder / "orthanc.json")]

    def __exit__(self, *_: object) -> None:
        """What it stored is stored; the end that it would make takes it three idle seconds."""
        self.kill()

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/system", timeout=5) as answer:
                ready: bool = answer.status == 200
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return False
        return ready and echo(self.dicom_port, self.aet)

    def add_modality(self, name: str, aet: str, host: str, port: int) -> None:
        """Make another application known, now and after a restart."""
        self._modalities[name] = _modality(aet, host, port)
        self._call("PUT", f"/modalities/{name}", json.dumps(self._modalities[name]))

    def set_lua(self, text: str) -> None:
        """Run a script, now and after a restart; functions such as OnStableStudy stay."""
        self._lua = text
        self._call("POST", "/tools/execute-script", text)

    def upload(self, path: Path) -> None:
        """Put a file into it by REST."""
        self.client.upload_file(str(path))

    def sop_instance_uids(self) -> set[str]:
        """Of all that it holds, by REST."""
        found: set[str] = set()
        for identifier in self.client.instances.get_all_ids():
            found.add(str(self.client.instances.get_tags(identifier)["SOPInstanceUID"]))
        return found

    def is_stable(self) -> bool:
        """Whether it holds studies, and has told its scripts of all of them."""
        studies = [self.client.studies.get_json(one) for one in self.client.studies.get_all_ids()]
        return bool(studies) and all(one["IsStable"] for one in studies)

    def _call(self, method: str, path: str, body: str) -> None:
        request = urllib.request.Request(f"{self.url}{path}", body.encode(), method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200


class Redis(Server):
    """A Redis that keeps nothing; ``more`` are its options, which may ask for a password."""

    def __init__(self, folder: Path, *more: str) -> None:
        super().__init__(folder)
        self.port = free_port()
        self.url = f"redis://{HOST}:{self.port}/0"
        self._more = more
        self._program = need("redis-server", "redis-server")

    def command(self) -> list[str]:
        options = ["--bind", HOST, "--port", str(self.port), "--save", "", "--appendonly", "no"]
        return [self._program, *options, *self._more]

    def answers(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port), timeout=5) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False


class PostgreSQL(Server):
    """A PostgreSQL without passwords; :meth:`new_database` gives the URL of an empty database.

    Its tests carry :data:`MARKS`, so that without it they are skipped, but not in CI.
    """

    MARKS = (
        ()
        if os.environ.get("CI") == "true" or any(_POSTGRESQL.glob("*/bin"))
        else pytest.mark.skip("PostgreSQL is not installed; on Debian: apt install postgresql")
    )

    def __init__(self, folder: Path, *, fsync: bool = False) -> None:
        """``fsync``: whether what is committed is on the disk, as at a site."""
        super().__init__(folder)
        self.port = free_port()
        self._fsync = "on" if fsync else "off"
        self._programs = max(_POSTGRESQL.glob("*/bin"))
        # It refuses to be root, and its own user may not enter a folder of root's.
        self._user = "postgres" if os.geteuid() == 0 else None
        self._data = Path(tempfile.mkdtemp(prefix="dicom-node-postgresql-"))
        if self._user:
            shutil.chown(self._data, self._user)
        self._run("initdb", "--auth=trust", "--username=node", "--pgdata", self._data, "--no-sync")

    def command(self) -> list[str]:
        settings = {"listen_addresses": HOST, "unix_socket_directories": "", "fsync": self._fsync}
        options = [f"-c{name}={value}" for name, value in settings.items()]
        server = [str(self._programs / "postgres"), "-D", str(self._data), f"-p{self.port}"]
        as_user = ["setpriv", "--init-groups", f"--reuid={self._user}", f"--regid={self._user}"]
        return [*(as_user if self._user else []), *server, *options]

    def answers(self) -> bool:
        return call(str(self._programs / "pg_isready"), *self._where, check=False).returncode == 0

    def stop(self) -> None:
        """End it, without waiting for who is connected, and delete what it has stored."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
        super().stop()
        shutil.rmtree(self._data, ignore_errors=True)

    def new_database(self) -> str:
        """The SQLAlchemy URL of a database that is empty."""
        name = f"node_{uuid.uuid4().hex}"
        self._run("createdb", *self._where, "--username=node", name)
        return f"postgresql+psycopg://node@{HOST}:{self.port}/{name}"

    @property
    def _where(self) -> list[str]:
        return [f"--host={HOST}", f"--port={self.port}"]

    def _run(self, program: str, *arguments: object) -> None:
        subprocess.run(
            [str(self._programs / program), *map(str, arguments)],
            user=self._user, cwd=self._data, check=True, capture_output=True,
        )  # fmt: skip


class Qrscp(Server):
    """pynetdicom's small PACS: C-STORE, C-FIND, C-GET, C-MOVE. Needs nothing installed.

    ``destinations`` are the applications it may move to: AE title to host and port.
    """

    def __init__(
        self,
        folder: Path,
        *,
        aet: str = "QRSCP",
        destinations: Mapping[str, tuple[str, int]] | None = None,
    ) -> None:
        super().__init__(folder)
        self.aet = aet
        self.dicom_port = free_port()
        self._destinations = dict(destinations or {})

    def command(self) -> list[str]:
        settings = self.folder / "qrscp.ini"
        lines = [
            "[DEFAULT]",
            f"ae_title: {self.aet}",
            f"port: {self.dicom_port}",
            f"bind_address: {HOST}",
            "max_pdu: 262144",
            "acse_timeout: 30",
            "dimse_timeout: 30",
            "network_timeout: 30",
            f"instance_location: {self.folder / 'instances'}",
            f"database_location: {self.folder / 'instances.sqlite'}",
            "log_identifier: False",
        ]
        for aet, (host, port) in self._destinations.items():
            lines += [f"[{aet}]", f"address: {host}", f"port: {port}"]
        settings.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return [sys.executable, "-m", "pynetdicom", "qrscp", "--quiet", "--config", str(settings)]

    def answers(self) -> bool:
        return echo(self.dicom_port, self.aet)


class StoreScp(Server):
    """DCMTK's ``storescp``: takes everything, and puts it into :attr:`received`."""

    def __init__(self, folder: Path, *, aet: str = "STORESCP", options: Sequence[str] = ()) -> None:
        super().__init__(folder)
        self.aet = aet
        self.dicom_port = free_port()
        self.received = folder / "received"
        self.received.mkdir(exist_ok=True)
        self._options = list(options)
        self._program = need("storescp", "dcmtk")

    def command(self) -> list[str]:
        where = ["--aetitle", self.aet, "--output-directory", str(self.received)]
        every = ["+xa", "--promiscuous"]
        return [self._program, "-v", *where, *every, *self._options, str(self.dicom_port)]

    def answers(self) -> bool:
        return echo(self.dicom_port, self.aet)

    def files(self) -> list[Path]:
        """What has come."""
        return sorted(self.received.iterdir())


def call(program: str, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; unless ``check`` is False, its failure is the test's."""
    done = subprocess.run(
        [program, *map(str, arguments)],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_CALL_SECONDS,
        check=False,
    )
    if check and done.returncode != 0:
        pytest.fail(
            f"{Path(program).name} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
    return done


def dcmsend(
    files: Sequence[Path],
    port: int,
    *options: object,
    aec: str,
    aet: str = "DCMSEND",
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Send files as a PACS would: one association, each file in the syntax that it has.

    It ends with a failure when a file was rejected.
    """
    where = ["-v", "--decompress-never", "-aet", aet, "-aec", aec]
    return call(need("dcmsend", "dcmtk"), *where, *options, HOST, port, *files, check=check)


def storescu(
    files: Sequence[Path],
    port: int,
    *options: object,
    aec: str,
    aet: str = "STORESCU",
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Send files; ``options`` choose the syntaxes offered, for example ``-xs``."""
    where = ["-v", "-aet", aet, "-aec", aec]
    return call(need("storescu", "dcmtk"), *where, *options, HOST, port, *files, check=check)


def findscu(
    keys: Mapping[str, str], port: int, folder: Path, *, aec: str, aet: str = "FINDSCU"
) -> list[Dataset]:
    """Ask by C-FIND (Study Root); ``keys`` include QueryRetrieveLevel, an empty value asks for it.

    The answers are written into ``folder``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.glob("rsp*.dcm"))
    assert not before, "the folder holds the answers of another query"
    wanted = [part for key, value in keys.items() for part in ("-k", f"{key}={value}")]
    where = ["-v", "-S", "-aet", aet, "-aec", aec, "-X", "-od", folder]
    call(need("findscu", "dcmtk"), *where, *wanted, HOST, port)
    return [dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]


def dciodvfy(path: Path) -> list[str]:
    """What dicom3tools says of a file, line by line. It exits 0 on errors: read the lines."""
    done = call(need("dciodvfy", "dicom3tools"), path, check=False)
    return (done.stdout + done.stderr).splitlines()


def dcmpschk(path: Path) -> list[str]:
    """What DCMTK finds wrong in a presentation state, line by line.

    DCMTK 3.6.7 takes every offset from UTC in a DT but +0000; a copy without them is looked at.
    """
    state, copy = dcmread(path), path.with_suffix(".without-offsets")
    for item in state.get("ContributingEquipmentSequence") or ():
        item.ContributionDateTime = str(item.ContributionDateTime).removesuffix("+0000")
    state.save_as(copy)
    done = call(need("dcmpschk", "dcmtk"), copy, check=False)
    said = (done.stdout + done.stderr).splitlines()
    verdict = said.pop()
    told = [line for line in said if line != f"W: Testing: {copy}"]
    return told if told or verdict == "W: Test passed." else [verdict]


def dsrdump(path: Path, *options: object) -> str:
    """A Structured Report as DCMTK reads it."""
    return call(need("dsrdump", "dcmtk"), *options, path).stdout


@contextmanager
def running(*servers: Server) -> Iterator[None]:
    """Start several servers, and stop all of them."""
    with ExitStack() as stack:
        for server in servers:
            stack.enter_context(server)
        yield


def _modality(aet: str, host: str, port: int) -> dict[str, Any]:
    return {"AET": aet, "Host": host, "Port": port}
