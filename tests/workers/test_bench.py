"""`read --each`: a file that cannot be read is a row, and the files after it are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from dicom_node.errors import BadStudy, Misconfigured, NotForUs
from dicom_node.report import Report
from workers import bench, local, site

CONFIG = Path(__file__).parents[2] / "config" / "node.yaml"


class Failing(local.Reader):
    """Cannot read any file, for another reason each time."""

    def __init__(self, *reasons: Exception) -> None:
        super().__init__(site.configure(CONFIG), Console())
        self._reasons = iter(reasons)

    def read(self, current: Sequence[Path], prior: Sequence[Path], out: Path) -> Report:
        raise next(self._reasons)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    found = [tmp_path / name for name in ("a.dcm", "b.dcm", "c.dcm")]
    for path in found:
        path.touch()
    return found


def test_a_fault_of_this_program_in_one_file_ends_no_other(
    paths: list[Path], tmp_path: Path
) -> None:
    reader = Failing(NotForUs("CT"), ValueError("of Doe^Jane"), BadStudy("b.dcm: no pixels"))
    rows = list(bench.each(reader, paths, tmp_path / "out"))
    assert [(row.outcome, row.why) for row in rows] == [
        ("refused", "CT"),
        ("failed", "error in this program: ValueError"),
        ("failed", "b.dcm: no pixels"),
    ]


def test_what_is_wrong_for_every_file_is_told_once(paths: list[Path], tmp_path: Path) -> None:
    with pytest.raises(Misconfigured):
        list(bench.each(Failing(Misconfigured("no weights")), paths, tmp_path / "out"))
