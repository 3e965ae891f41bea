"""How urgent an image says that its study is, and that the door listens to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import chest
from pydicom import Dataset, dcmread

from dicom_node.receive.header import read_header
from dicom_node.receive.priority import priority_of
from dicom_node.study import Priority


def stating(root: str | None, *items: str) -> Dataset:
    dataset = Dataset()
    if root is not None:
        dataset.RequestedProcedurePriority = root
    if items:
        dataset.RequestAttributesSequence = [stating(item) for item in items]
    return dataset


@pytest.mark.parametrize(
    ("dataset", "priority"),
    [
        (stating(None), Priority.ROUTINE),
        (stating("STAT"), Priority.STAT),
        (stating("stat "), Priority.STAT),
        (stating("HIGH"), Priority.HIGH),
        (stating("MEDIUM"), Priority.ROUTINE),
        (stating("LOW"), Priority.LOW),
        (stating("SOON"), Priority.ROUTINE),
        (stating(""), Priority.ROUTINE),
        (stating(None, "LOW", "STAT"), Priority.STAT),
        (stating("LOW", "HIGH"), Priority.HIGH),
    ],
)
def test_the_highest_that_is_stated_counts(dataset: Dataset, priority: Priority) -> None:
    assert priority_of(dataset) is priority


def test_it_is_read_from_the_file_that_came(tmp_path: Path) -> None:
    film = chest(tmp_path / "film.dcm", RequestAttributesSequence=[stating("STAT")])
    assert read_header(film).priority is Priority.STAT


def test_a_sequence_that_is_none_sets_no_image_aside(tmp_path: Path) -> None:
    film = dcmread(chest(tmp_path / "film.dcm"))
    of_no_vr = b"\xfe\xff\x00\xe0\x08\x00\x00\x00\x40\x00\x03\x10XX\xff\xff"
    film.add_new(0x00400270, "OB", of_no_vr)  # which the file then calls 0040,0275
    film.save_as(tmp_path / "film.dcm")
    named, misnamed = b"\x40\x00\x75\x02SQ", b"\x40\x00\x70\x02OB"
    data = (tmp_path / "film.dcm").read_bytes()
    assert data.count(misnamed) == 1
    (tmp_path / "film.dcm").write_bytes(data.replace(misnamed, named))
    assert read_header(tmp_path / "film.dcm").priority is Priority.ROUTINE
