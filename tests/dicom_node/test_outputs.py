"""What holds for every object, whatever it is."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import Dataset
from report_builders import (
    MADE,
    everything,
    film_of,
    gives_none,
    material,
    report_on,
    several,
    unchanged,
)

from dicom_node.outputs import OUTPUTS, build
from dicom_node.outputs.files import encode
from dicom_node.report import Report, Weights
from dicom_node.vocabulary import Vocabulary


def all_of(report: Report, vocabulary: Vocabulary, film: Path) -> dict[str, Dataset]:
    made = {
        one.output: dataset
        for one, dataset in build(material(report, vocabulary, film, prior=film), tuple(OUTPUTS))
    }
    assert made.keys() == OUTPUTS.keys()
    return made


def test_the_same_report_makes_the_same_bytes(film: Path, vocabulary: Vocabulary) -> None:
    first = all_of(everything(film), vocabulary, film)
    time.sleep(1.1)  # a time of day that were not the report's would differ
    for output, again in all_of(everything(film), vocabulary, film).items():
        assert encode(again) == encode(first[output]), output


def test_another_revision_makes_other_objects_in_other_series(
    film: Path, vocabulary: Vocabulary
) -> None:
    first = all_of(everything(film), vocabulary, film)
    for output, again in all_of(everything(film, revision=2), vocabulary, film).items():
        assert again.SOPInstanceUID != first[output].SOPInstanceUID, output
        assert again.SeriesInstanceUID != first[output].SeriesInstanceUID, output


def test_a_demonstration_says_so_before_all_else(film: Path, vocabulary: Vocabulary) -> None:
    report = everything(film, made=replace(MADE, weights=Weights.DEMONSTRATION))
    for output, made in all_of(report, vocabulary, film).items():
        assert made.SeriesDescription.startswith("DEMONSTRATION - AI"), output


@pytest.mark.parametrize("output", ["seg", "gsps"])
def test_without_a_box_there_is_none(output: str, rg1: Path, vocabulary: Vocabulary) -> None:
    found = film_of(rg1)
    unboxed = [one for one in unchanged(several(found)) if one.box is None]
    assert len(unboxed) >= 3
    assert gives_none(output, report_on(found), vocabulary, rg1)
    assert gives_none(output, report_on(found, *unboxed), vocabulary, rg1)
