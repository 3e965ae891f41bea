"""What holds for every object, whatever it is."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
import validators
from peers import dciodvfy
from pydicom import Dataset
from report_builders import (
    MADE,
    everything,
    film_of,
    gives_none,
    material,
    object_of,
    report_on,
    several,
    unchanged,
)

from dicom_node.outputs import OUTPUTS, build, write
from dicom_node.outputs.files import encode
from dicom_node.report import Report, Weights
from dicom_node.vocabulary import Vocabulary

#: What dciodvfy takes each of them for; of the others more is asked in their own tests.
IODS = {"sc": "SCImage", "pdf": "EncapsulatedPDF", "kos": "KeyObjectSelectionDocument"}


def all_of(report: Report, vocabulary: Vocabulary, film: Path) -> dict[str, Dataset]:
    made = {
        one.output: dataset
        for one, dataset in build(material(report, vocabulary, film, prior=film), tuple(OUTPUTS))
    }
    assert made.keys() == OUTPUTS.keys()
    return made


@pytest.mark.parametrize("output", IODS)
def test_dciodvfy_says_nothing_of_it_on_any_real_film(
    output: str, real_films: list[Path], vocabulary: Vocabulary, tmp_path: Path
) -> None:
    for film in real_films:
        path = tmp_path / f"{output}.dcm"
        write(object_of(output, everything(film), vocabulary, film, prior=film), path)
        assert any(line.strip() == IODS[output] for line in dciodvfy(path)), dciodvfy(path)
        assert validators.complaints(path, film, output) == [], film.name


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
