"""A received bomb ends its study as failed, with the reason, and is not tried again."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import nodes
import pytest
from builders import chest
from peers import StoreScp
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import RLELossless
from stages import Node, destination

from dicom_node.ledger.jobs import State
from dicom_node.partial import OF_A_HEADER


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(nodes.Site(tmp_path / "site"))


def test_a_header_of_items_without_end(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound itself is tried in tests/dicom_node/test_bombs.py."""
    monkeypatch.setattr("dicom_node.headers.files.OF_A_HEADER", replace(OF_A_HEADER, reads=2000))
    film = dcmread(chest(tmp_path / "film.dcm", None))
    film.ReferencedStudySequence = [Dataset() for _ in range(3000)]
    film["ReferencedStudySequence"].is_undefined_length = True
    film.save_as(tmp_path / "film.dcm")
    job = node.receive(tmp_path / "film.dcm")
    assert node.fetch()
    assert node.job(job).state is State.FAILED
    assert "more than 1000 elements and items" in node.job(job).reason
    assert not node.fetch()


def test_pixels_that_would_be_gigabytes(node: Node, tmp_path: Path) -> None:
    film = dcmread(chest(tmp_path / "film.dcm", None))
    film.file_meta.TransferSyntaxUID = RLELossless
    runs = b"\x81\x00" * 2_000_000
    film.PixelData = encapsulate([struct.pack("<16L", 2, 64, 64 + len(runs), *[0] * 13) + runs * 2])
    film["PixelData"].is_undefined_length = True
    film.save_as(tmp_path / "film.dcm")
    with StoreScp(tmp_path / "pacs") as pacs:
        node.open(destinations=[destination(pacs)])
        job = node.receive(tmp_path / "film.dcm")
        assert node.fetch()
        assert node.read()
        assert node.deliver()
    assert node.job(job).state is State.FAILED
    assert "the RLE stream is corrupt" in node.job(job).reason
