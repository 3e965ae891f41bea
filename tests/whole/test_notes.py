"""What had to be assumed of the pixels is said in the report that a radiologist reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import IDENTITY, chest, chest_picture, identities_in
from fake_engine import FakeEngine
from pydicom import Dataset
from report_builders import object_of

from dicom_node import findings_file
from dicom_node.report import Report
from dicom_node.vocabulary import Vocabulary
from workers import local
from workers.site import configure

CONFIG = Path(__file__).resolve().parents[2] / "config"
RANGE = "it is shown over the range of its own values"


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return findings_file.load(CONFIG / "findings.yaml")


def read(film: Path, earlier: Path | None, vocabulary: Vocabulary) -> Report:
    priors = [earlier] if earlier else []
    engine = FakeEngine(vocabulary)
    return local.read_files(configure(CONFIG / "node.yaml"), [film], priors, lambda: engine).report


def texts(dataset: Dataset) -> str:
    return "\n".join(str(one.value) for one in dataset.iterall() if one.keyword == "TextValue")


def test_a_window_that_cannot_be_used_is_told_in_the_structured_report(
    tmp_path: Path, vocabulary: Vocabulary
) -> None:
    film = chest(tmp_path / "film.dcm", WindowWidth=0, **IDENTITY)
    made = object_of("sr", read(film, None, vocabulary), vocabulary, film)
    told = texts(made)
    assert "The film's window is ignored: its width is less than its function allows." in told
    assert f"The film has no window that can be used: {RANGE}" in told
    assert identities_in(told) == []


def test_what_is_assumed_of_the_prior_is_said_of_the_prior(
    tmp_path: Path, vocabulary: Vocabulary
) -> None:
    film = chest(tmp_path / "film.dcm", StudyDate="20210102", AcquisitionDate="20210102")
    before = chest(
        tmp_path / "prior.dcm", chest_picture(seed=1), WindowCenter=None, WindowWidth=None
    )
    report = read(film, before, vocabulary)
    assert report.prior.film is not None
    assert len(report.notes) == 1
    assert report.notes[0].startswith(f"On the prior: The film states no window: {RANGE}")
