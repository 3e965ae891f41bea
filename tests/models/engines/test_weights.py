from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from dicom_node.errors import Misconfigured
from models.engines import LOOKS
from models.engines.base import EngineOptions

HUB_ID = "google/medgemma-1.5-4b-it"
REVISION = "0123456789abcdef0123456789abcdef01234567"
_PROGRAM = f"""
from dicom_node.errors import Misconfigured
from models.engines import weights
try:
    weights.locate("{HUB_ID}", "{REVISION}")
except Misconfigured as error:
    print(error)
"""


@contextmanager
def hub(status: int, code: str) -> Iterator[str]:
    """A hub that answers every question so, as huggingface.co does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "code", "why"),
    [
        (403, "GatedRepo", "terms are not accepted"),
        (401, "RepoNotFound", "does not show it"),
        (404, "RevisionNotFound", f"has no commit {REVISION}"),
        (403, "", "hub"),
    ],
)
def test_what_the_hub_refuses_is_one_clear_line(
    tmp_path: Path, status: int, code: str, why: str
) -> None:
    with hub(status, code) as address:
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM],
            env=os.environ
            | {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert HUB_ID in line
    assert why in line
    assert f"https://huggingface.co/{HUB_ID}" in line


def test_a_look_finds_what_is_missing_and_loads_and_fetches_nothing(tmp_path: Path) -> None:
    def look(model: str, revision: str | None = None) -> None:
        LOOKS["transformers"](EngineOptions(model, revision, "auto"))

    with pytest.raises(Misconfigured, match="there is no folder"):
        look(str(tmp_path / "gone"))
    with pytest.raises(Misconfigured, match=r"holds no config\.json"):
        look(str(tmp_path))
    with pytest.raises(Misconfigured, match="must be pinned"):
        look(HUB_ID)
    with hub(403, "GatedRepo") as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", address)
        look(HUB_ID, REVISION)
    LOOKS["demonstration"](EngineOptions(None, None, "auto"))
