"""What fuzzing found, one by one: a corrupt object is a bad study, never a disk that is away.

The difference matters: what is away is tried again, by the sender or by a worker, for ever.
"""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import receiving
from receiving import EXPLICIT, dataset, encoded, part10, status

from dicom_node.errors import BadStudy
from dicom_node.headers import read_study
from dicom_node.pixels.decoding import decode
from dicom_node.receive.assessment import is_assessment
from dicom_node.receive.header import read_header

#: Not items, where a sequence of a defined length and one of an undefined length should have them.
DEFINED = struct.pack("<HH2s2xL", 0x0018, 0xA001, b"SQ", 2) + b"no"
UNDEFINED = struct.pack("<HH2s2xL", 0x0018, 0xA001, b"SQ", 0xFFFFFFFF) + b"\xfe"
CODES = struct.pack("<HH2s2xL", 0x0040, 0xA043, b"SQ", 2) + b"no"


def with_sequence(path: Path, sequence: bytes) -> Path:
    """Of it pydicom raises OSError, without a number."""
    made = dataset()
    plain = encoded(made, EXPLICIT)
    at = plain.index(struct.pack("<HH", 0x0020, 0x000D))
    content = plain[:at] + sequence + (plain[at:] if sequence is DEFINED else b"")
    return part10(path, made, content, EXPLICIT)


@pytest.mark.parametrize("sequence", [DEFINED, UNDEFINED], ids=["defined", "undefined"])
def test_a_corrupt_sequence_is_not_sent_again_for_ever(tmp_path: Path, sequence: bytes) -> None:
    path = with_sequence(tmp_path / "a.dcm", sequence)
    with pytest.raises(BadStudy):
        read_header(path)
    with (
        receiving.node(tmp_path / "node") as node,
        receiving.associated(node, [(dataset().SOPClassUID, [EXPLICIT])]) as opened,
    ):
        assert status(opened, path) == 0xC000


def test_a_corrupt_sequence_does_not_have_a_worker_try_again(tmp_path: Path) -> None:
    path = with_sequence(tmp_path / "a.dcm", UNDEFINED)
    for read in (lambda: read_study([path]), lambda: decode(path)):
        with pytest.raises(BadStudy):
            read()


def test_a_corrupt_title_is_no_assessment(tmp_path: Path) -> None:
    report = "1.2.840.10008.5.1.4.1.1.88.33"
    made = dataset(report)
    path = part10(tmp_path / "a.dcm", made, encoded(made, EXPLICIT)[:-8000] + CODES, EXPLICIT)
    assert not is_assessment(path, report)


def test_two_heights_are_none(tmp_path: Path) -> None:
    made = dataset()
    plain = encoded(made, EXPLICIT)
    one = struct.pack("<HH2sH", 0x0028, 0x0010, b"US", 2)
    assert one in plain
    two = struct.pack("<HH2sH", 0x0028, 0x0010, b"US", 4) + b"\x01\x00"
    path = part10(tmp_path / "a.dcm", made, plain.replace(one, two), EXPLICIT)
    with pytest.raises(BadStudy, match="makes no sense"):
        read_study([path])
