"""A header is read within a bound, whatever the file claims."""

from __future__ import annotations

import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.uid import generate_uid
from receiving import BIG_ENDIAN, DEFLATED, DEFLATING, EXPLICIT, IMPLICIT, dataset, encoded, part10

from dicom_node.errors import BadStudy
from dicom_node.partial import AT_THE_DOOR, data_set_sha256, first_part
from dicom_node.receive.header import read_header

KEYWORDS = ("SOPInstanceUID", "PatientID", "StudyInstanceUID")


def read(path: Path) -> Dataset:
    return first_part(path, KEYWORDS, needed=KEYWORDS)


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG_ENDIAN, *DEFLATING])
def test_the_header_of_each_encoding_is_read(tmp_path: Path, syntax: str) -> None:
    made = dataset()
    found = read(part10(tmp_path / "film.dcm", made, encoded(made, syntax), syntax))
    assert found.StudyInstanceUID == made.StudyInstanceUID
    assert found.PatientID == "TEST-1"
    assert "PixelData" not in found


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
def test_what_is_large_and_not_asked_for_is_passed_over(tmp_path: Path, syntax: str) -> None:
    """A private element of 20 MiB before the study's UID, and pixels in it."""
    made = dataset()
    made.add(DataElement(0x00190010, "LO", "TESTS"))
    made.add(DataElement(0x00191001, "OB", bytes(20 * 1024**2)))
    found = read(part10(tmp_path / "film.dcm", made, encoded(made, syntax), syntax))
    assert found.StudyInstanceUID == made.StudyInstanceUID


@pytest.mark.parametrize("syntax", [EXPLICIT, DEFLATED])
def test_a_header_that_would_have_to_be_held_is_refused(tmp_path: Path, syntax: str) -> None:
    """A sequence, or something deflated, cannot be passed over without being read."""
    made = dataset()
    item = Dataset()
    item.add(DataElement(0x00190010, "LO", "TESTS"))
    item.add(DataElement(0x00191001, "OB", bytes(AT_THE_DOOR.bytes)))
    made.DerivationCodeSequence = [item]
    made["DerivationCodeSequence"].is_undefined_length = True
    path = part10(tmp_path / "film.dcm", made, encoded(made, syntax), syntax)
    with pytest.raises(BadStudy, match="larger than 4 MiB"):
        read(path)


def test_a_deflated_bomb_is_not_inflated(tmp_path: Path) -> None:
    """One megabyte that inflates to a gigabyte. In a process of its own, to see what it takes."""
    made = dataset()
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    plain = encoded(made, EXPLICIT)
    content = bytearray(deflate.compress(plain))
    for _ in range(1000):
        content += deflate.compress(bytes(1024**2))
    content += deflate.flush()
    assert len(content) < 1.5 * 1024**2
    path = part10(tmp_path / "bomb.dcm", made, bytes(content), DEFLATED)
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from dicom_node.receive.header import read_header\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "header = read_header(Path(sys.argv[1]))\n"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(header.sop_instance_uid, after - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    uid, grown_kib = done.stdout.split()
    assert uid == made.SOPInstanceUID
    assert int(grown_kib) < 30 * 1024


def test_a_file_that_ends_within_its_header_names_no_study(tmp_path: Path) -> None:
    """Else the first half of a UID would be taken for one."""
    made = dataset(StudyInstanceUID=f"1.2.826.{'7' * 40}")
    content = encoded(made, EXPLICIT)
    half = content[: content.index(b"1.2.826.7") + 20]
    with pytest.raises(BadStudy, match="ends within an element"):
        read_header(part10(tmp_path / "film.dcm", made, half, EXPLICIT))


def test_the_digest_is_of_the_data_set_and_its_syntax(tmp_path: Path) -> None:
    made = dataset(SOPInstanceUID=generate_uid())
    content = encoded(made, EXPLICIT)
    digests = [
        data_set_sha256(part10(tmp_path / f"{n}.dcm", made, *what, ImplementationVersionName=name))
        for n, (what, name) in enumerate(
            [
                ((content, EXPLICIT), "PYNETDICOM_1"),
                ((content, EXPLICIT), "PYNETDICOM_2"),
                ((content, IMPLICIT), "PYNETDICOM_1"),
                ((content + b"\0", EXPLICIT), "PYNETDICOM_1"),
            ]
        )
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
