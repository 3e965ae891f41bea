"""The film bench: what becomes of every film of the shared data, as it is kept in a file.

The same films are read by the rules that ship, and by rules that let in what those refuse for
missing attributes. Where the outcome of a film changes on purpose, write the table anew::

    python tests/whole/test_film_bench.py
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydicom import dcmread

from dicom_node import report
from dicom_node.report import Finding, Report
from dicom_node.vocabulary import Laterality

TABLE = Path(__file__).parent / "data" / "film-bench.csv"
_CATEGORIES = (
    "cxr-dicom",
    "cxr-png",
    "cxr-jpeg",
    "radiograph-other",
    "broken",
    "charset",
    "transfer-syntax",
    "other-modality",
    "enhanced",
    "us",
)
_COLUMNS = ("rules", "file", "outcome", "view", "stored", "why")
#: What the shipped rules refuse for want of an attribute, these read.
_LENIENT = {"unknown_view": "read as frontal", "unknown_age": "read"}


def films(shared: Path) -> list[Path]:
    with (shared / "manifest.csv").open(encoding="utf-8") as manifest:
        rows = list(csv.DictReader(manifest))
    return [shared / row["file"] for row in rows if row["category"] in _CATEGORIES]


def configure(folder: Path, changes: dict[str, Any]) -> Path:
    """The shipped configuration with the first rule changed."""
    folder.mkdir(parents=True)
    for name in ("node.yaml", "findings.yaml"):
        (folder / name).write_text((resources.files("config") / name).read_text("utf-8"), "utf-8")
    shipped = yaml.safe_load((resources.files("config") / "rules.yaml").read_text("utf-8"))
    shipped["rules"][0] |= changes
    (folder / "rules.yaml").write_text(yaml.safe_dump(shipped, sort_keys=False), "utf-8")
    return folder / "node.yaml"


def bench(paths: list[Path], config: Path, out: Path) -> tuple[list[dict[str, Any]], str]:
    """The rows of `dicom-node read --each`, and all that it told beside them."""
    done = subprocess.run(
        [sys.executable, "-m", "workers", "read", "--each", *map(str, paths),
         "--out", str(out), "--config", str(config), "--profile", "air", "--json"],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def both(shared: Path, folder: Path) -> tuple[list[dict[str, Any]], str]:
    """The table with the shipped rules, then with the lenient ones."""
    told, rows = "", []
    for name, changes in (("shipped", {}), ("lenient", _LENIENT)):
        config = configure(folder / name, changes)
        found, said = bench(films(shared), config, folder / f"{name}-out")
        told += said
        rows += [row | {"rules": name, "file": _below(row["file"], shared)} for row in found]
    return rows, told


def _below(path: str, shared: Path) -> str:
    return str(Path(path).relative_to(shared))


def as_kept(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    return [{column: row[column] for column in _COLUMNS} for row in rows]


@pytest.fixture(scope="module")
def result(
    shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[dict[str, Any]], str]:
    return both(shared_data, tmp_path_factory.mktemp("bench"))


def test_every_film_ends_as_it_is_written_down(result: tuple[list[dict[str, Any]], str]) -> None:
    with TABLE.open(encoding="utf-8", newline="") as kept:
        expected = list(csv.DictReader(kept))
    assert as_kept(result[0]) == expected


def test_nothing_is_skipped_and_no_traceback_is_shown(
    result: tuple[list[dict[str, Any]], str], shared_data: Path
) -> None:
    rows, told = result
    given = [_below(str(path), shared_data) for path in films(shared_data)]
    for name in ("shipped", "lenient"):
        assert [row["file"] for row in rows if row["rules"] == name] == given
    assert all(row["why"] for row in rows)
    assert {row["outcome"] for row in rows} == {"read", "refused", "failed"}
    assert "Traceback" not in told
    assert "should not happen" not in told


def test_no_finding_is_on_the_wrong_side(result: tuple[list[dict[str, Any]], str]) -> None:
    read = [row for row in result[0] if row["outcome"] == "read"]
    assert len(read) >= 5
    sided = 0
    for row in read:
        written = report.from_json((Path(row["folder"]) / "report.json").read_text("utf-8"))
        for finding in written.findings:
            sided += _on_its_side(finding, written)
        assert dcmread(Path(row["folder"]) / "sr.dcm").SOPClassUID
    assert sided > 0, "some finding has a side and a box"


def _on_its_side(finding: Finding, written: Report) -> bool:
    """Whether it has a side and a box; fails where the middle of the box is on the other side.

    Worked out from the letters of Patient Orientation alone, not by the code that turns films.
    """
    if finding.box is None or finding.laterality not in (Laterality.LEFT, Laterality.RIGHT):
        return False
    film = written.film
    row, column = film.orientation or ("L", "F")
    x, y = finding.box.centre
    along, size = (x, film.columns) if row in "LR" else (y, film.rows)
    towards_left = (row if row in "LR" else column) == "L"
    part = along / size if towards_left else 1 - along / size
    left = part - 0.5  # more than nought: on the patient's left
    side = left if finding.laterality is Laterality.LEFT else -left
    assert side > -0.08, f"{finding.name}: {finding.laterality}, middle at {part:.2f} to the left"
    return True


if __name__ == "__main__":
    shared_folder = Path(__file__).resolve().parents[3] / "shared" / "data"
    with tempfile.TemporaryDirectory() as temporary:
        found_rows, _ = both(shared_folder, Path(temporary))
    with TABLE.open("w", encoding="utf-8", newline="") as new:
        writer = csv.DictWriter(new, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(as_kept(found_rows))
