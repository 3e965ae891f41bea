"""Shared by all tests: real films, real peers, and nothing of this machine's configuration."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import peers
import pytest
from builders import IDENTITY, chest


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine reaches a test."""
    for name in os.environ:
        if name.startswith("DICOM_NODE_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def rg1() -> Path:
    r"""The real chest film RG1_UNCI.dcm: CR, PA, MONOCHROME1, Patient Orientation L\F."""
    import data_store  # type: ignore[import-untyped]  # the PyPI package pydicom-data

    return Path(data_store.__file__).parent / "data" / "RG1_UNCI.dcm"


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A drawn chest film of somebody."""
    return chest(tmp_path / "film.dcm", **IDENTITY)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real DICOM files beside the checkout; tests that use it skip without it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data beside this checkout")
    return folder


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[peers.Orthanc]:
    """An empty Orthanc; see its class for what can be asked of it."""
    with peers.Orthanc(tmp_path / "orthanc") as server:
        yield server


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[peers.Redis]:
    """An empty Redis."""
    with peers.Redis(tmp_path / "redis") as server:
        yield server


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.PostgreSQL]:
    """A server of databases; what needs it is skipped where it is not installed."""
    with peers.PostgreSQL(tmp_path_factory.mktemp("postgresql")) as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=peers.PostgreSQL.MARKS)])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a ledger that is empty, in each kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.sqlite3"
    server: peers.PostgreSQL = request.getfixturevalue("postgresql")
    return server.new_database()
