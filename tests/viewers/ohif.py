"""OHIF over an Orthanc, in a headless Chromium: see :class:`Viewer`."""

from __future__ import annotations

import json
import mimetypes
import os
import subprocess
import threading
import urllib.error
import urllib.request
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import peers
import pytest

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache" / "viewers"


class _Pages(BaseHTTPRequestHandler):
    """OHIF's files and Orthanc's DICOMweb, from one origin."""

    protocol_version = "HTTP/1.1"
    upstream: str

    def do_GET(self) -> None:
        if self.path.startswith("/dicom-web/"):
            self._pass_on()
        else:
            self._file(self.path.split("?")[0].lstrip("/"))

    def _pass_on(self) -> None:
        wanted = {name: self.headers[name] for name in ("Accept",) if name in self.headers}
        # Orthanc names its bulk data by the host that it was asked as.
        wanted["Host"] = self.headers["Host"]
        request = urllib.request.Request(self.upstream + self.path, headers=wanted)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                self._answer(answer.status, answer.headers["Content-Type"], answer.read())
        except urllib.error.HTTPError as error:
            self._answer(error.code, "text/plain", error.read())

    def _file(self, name: str) -> None:
        path = HERE / name if name == "app-config.js" else CACHE / "ohif" / "dist" / name
        if not path.is_file():  # an address within the page
            path = CACHE / "ohif" / "dist" / "index.html"
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        self._answer(200, kind, path.read_bytes())

    def _answer(self, status: int, kind: str | None, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind or "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def fetched(name: str) -> Path:
    """A package that ``fetch.sh`` has brought; else skip, or fail in CI."""
    folder = CACHE / name
    if not folder.is_dir():
        message = f"{name} is not there; run tests/viewers/fetch.sh"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return folder


class Viewer:
    """A browser with OHIF, over an Orthanc that is empty at first."""

    def __init__(self, folder: Path) -> None:
        fetched("ohif")
        self._driver = [
            peers.need("node", "nodejs"),
            str(HERE / "ohif.js"),
            str(fetched("playwright-core")),
            peers.need("chromium", "chromium"),
        ]
        self.orthanc = peers.Orthanc(folder / "orthanc")
        self._folder = folder
        self._stack = ExitStack()
        self.errors: list[str] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.orthanc)
            pages = type("Pages", (_Pages,), {"upstream": self.orthanc.url})
            server = stack.enter_context(ThreadingHTTPServer((peers.HOST, 0), pages))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
            origin = f"http://{peers.HOST}:{server.server_port}"
            log = stack.enter_context((self._folder / "driver.log").open("wb"))
            self._process = stack.enter_context(
                subprocess.Popen(
                    [*self._driver, origin],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                )
            )  # fmt: skip
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def do(self, command: str, **how: object) -> Any:
        """Have the driver do something; what the page complained of is in :attr:`errors`."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"command": command, **how}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, (self._folder / "driver.log").read_text()
        answer = json.loads(line)
        self.errors += answer["errors"]
        assert "failed" not in answer, (answer["failed"], self.errors)
        return answer["value"]
