"""Two films of one patient, whose identity can be recognised wherever it must not be."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import IDENTITY, variant
from earlier import make_prior


@pytest.fixture
def current(rg1: Path, tmp_path: Path) -> Path:
    """The real film, as one of that patient."""
    return variant(rg1, tmp_path / "films" / "current.dcm", **IDENTITY)


@pytest.fixture
def prior(current: Path, tmp_path: Path) -> Path:
    """An earlier film of that patient, made from the real one."""
    make_prior(current, tmp_path / "films" / "prior.dcm")
    return tmp_path / "films" / "prior.dcm"
