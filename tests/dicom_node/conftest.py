"""What the tests of the DICOM side share."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
import report_builders

from dicom_node.ledger.database import Database
from dicom_node.vocabulary import Vocabulary


@pytest.fixture
def database(ledger_url: str) -> Iterator[Database]:
    """A ledger that is empty."""
    opened = Database(ledger_url)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    """Of config/findings.yaml."""
    return report_builders.vocabulary()


@pytest.fixture(scope="session")
def real_films(rg1: Path, shared_data: Path) -> list[Path]:
    """RG1 and every chest film of the shared data that is DICOM."""
    with (shared_data / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["category"] == "cxr-dicom"]
    assert len(rows) >= 9
    return [rg1, *(shared_data / row["file"] for row in rows)]
