"""docs/air-conformance.md: each statement has tests that exist; some of them are here."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import proof
import pytest
from pydicom import Dataset
from report_builders import MADE

from dicom_node import equipment
from dicom_node.outputs import OUTPUTS, build
from dicom_node.profiles import PROFILES
from dicom_node.report import Weights

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "air-conformance.md").read_text("utf-8")
ROWS = [line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("| ")][1:]


@pytest.fixture
def objects(rg1: Path, tmp_path: Path) -> dict[str, Dataset]:
    """Every object of a report with boxes, by its name."""
    case = next(proof.kinds(rg1, tmp_path))
    profile = replace(PROFILES["weasis"], outputs=tuple(OUTPUTS))
    material = replace(case.material("weasis"), profile=profile)
    return {reference.output: made for reference, made in build(material, tuple(OUTPUTS))}


@pytest.mark.parametrize("row", ROWS, ids=[row[0].strip()[:60] for row in ROWS])
def test_each_statement_names_tests_that_exist(row: list[str]) -> None:
    _, strength, written, shown = row
    assert strength.strip()
    assert written.strip()
    named = re.findall(r"`(tests/[^`]+\.py)::(\w+)`", shown)
    assert named
    for path, test in named:
        assert re.search(rf"^def {test}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE), test
    for path in re.findall(r"`(tests/[^`:]+)`", shown):
        assert (ROOT / path).exists(), path


def test_the_algorithm_is_contributing_equipment_of_every_object(
    objects: dict[str, Dataset],
) -> None:
    assert set(objects) == set(OUTPUTS)
    for output, made in objects.items():
        item = made.ContributingEquipmentSequence[0]
        purpose = item.PurposeOfReferenceCodeSequence[0]
        assert (purpose.CodeValue, purpose.CodingSchemeDesignator) == ("109102", "DCM"), output
        assert item.Manufacturer == made.Manufacturer == equipment.MANUFACTURER
        assert item.ManufacturerModelName == made.ManufacturerModelName == MADE.model
        assert item.SoftwareVersions == made.SoftwareVersions
        assert item.DeviceUID == made.DeviceSerialNumber == equipment.device_uid(MADE)


def test_the_algorithm_of_the_segments_agrees_with_the_equipment(
    objects: dict[str, Dataset],
) -> None:
    item = objects["seg"].ContributingEquipmentSequence[0]
    for segment in objects["seg"].SegmentSequence:
        (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
        assert algorithm.AlgorithmFamilyCodeSequence
        assert algorithm.AlgorithmName == item.ManufacturerModelName
        assert algorithm.AlgorithmVersion == item.SoftwareVersions
        assert algorithm.AlgorithmSource == item.Manufacturer


def test_another_model_or_other_weights_are_another_device() -> None:
    others = (
        replace(MADE, software_version="9.9.9"),
        replace(MADE, model="another"),
        replace(MADE, weights_digest="sha256:ff"),
        replace(MADE, weights=Weights.DEMONSTRATION),
        replace(MADE, questions=(("presence", "2"),)),
        replace(MADE, vocabulary_digest="sha256:ff"),
    )
    uids = {equipment.device_uid(made) for made in (MADE, *others)}
    assert len(uids) == 1 + len(others)
