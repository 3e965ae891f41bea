"""An untrained Gemma 3, made once; the real film and its prior; the vocabulary that ships."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from untrained import write_untrained

from dicom_node import findings_file
from dicom_node.demo_films import make_prior
from dicom_node.headers import read_study
from dicom_node.pixels import read_frame
from dicom_node.study import Frame
from dicom_node.vocabulary import Vocabulary
from models.engines import transformers
from models.engines.base import EngineOptions
from models.engines.gemma import Gemma


@pytest.fixture(scope="session")
def options() -> EngineOptions:
    """Of the CPU; one thread, as matrices so small want."""
    return EngineOptions("", "", "cpu", max_new_tokens=24, threads=1)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small untrained Gemma3ForConditionalGeneration and its processor."""
    return write_untrained(tmp_path_factory.mktemp("untrained") / "tiny")


@pytest.fixture(scope="session")
def tiny(options: EngineOptions, tiny_folder: Path) -> Gemma:
    """That folder, loaded by the same code as MedGemma."""
    return transformers.open_folder("transformers", tiny_folder, options)


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    """Of config/findings.yaml."""
    with resources.as_file(resources.files("config") / "findings.yaml") as path:
        return findings_file.load(path)


@pytest.fixture(scope="session")
def current(rg1: Path) -> Frame:
    """The real film."""
    return _frame(rg1)


@pytest.fixture(scope="session")
def prior(rg1: Path, tmp_path_factory: pytest.TempPathFactory) -> Frame:
    """The earlier film of the demonstration, made from the real one."""
    path = tmp_path_factory.mktemp("prior") / "prior.dcm"
    make_prior(rg1, path)
    return _frame(path)


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    """A picture with structure in it, uint8 (300, 300)."""
    coarse = np.random.default_rng(1).integers(0, 256, (10, 10), dtype=np.uint8)
    return np.kron(coarse, np.ones((30, 30), np.uint8))


def _frame(path: Path) -> Frame:
    (instance,) = read_study([path]).instances
    return read_frame(instance)
