"""`dicom-node demo`, as the README calls it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydicom import dcmread

from dicom_node import report
from dicom_node.findings_file import shipped
from dicom_node.geometry import Box
from dicom_node.report import Presence
from models.demonstration.truth import FINDINGS
from workers.demo import PAIR_SEED
from workers.drawn import PRIOR_DAYS

#: From so much overlap with the true box on a box counts as at the right place.
RIGHT_PLACE = 0.3
#: Lies in the folder of the results before the demo begins.
SOMEBODYS = "demo-out/work/thesis.txt"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a run of the demo printed, and where it wrote."""

    text: str
    out: Path

    def truth(self) -> Any:
        return json.loads((self.out / "truth.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    folder = tmp_path_factory.mktemp("demo")
    somebodys = folder / SOMEBODYS
    somebodys.parent.mkdir(parents=True)
    somebodys.write_text("a year's work", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "workers", "demo", "--out", "demo-out"],
        capture_output=True,
        text=True,
        timeout=180,
        cwd=folder,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Shown(done.stdout, folder / "demo-out")


def test_the_demo_shows_the_main_job_in_the_folder_where_one_stands(shown: Shown) -> None:
    for told in (
        "reading: prior used",
        f"Compared with a film of {PRIOR_DAYS} days earlier",
        "the archive has none of it: no more is waited for",
        "sr at demo-pacs there: found by a query",
        "AI made this; nobody verified it",
    ):
        assert told in shown.text
    assert "  demo-out/sr.dcm" in shown.text.splitlines()
    assert dcmread(shown.out / "sr.dcm").Modality == "SR"
    assert dcmread(shown.out / "seg.dcm").Modality == "SEG"
    assert Image.open(shown.out / "picture.png").width >= 1000


def test_it_leaves_what_is_not_its_own_and_nothing_but_the_results(shown: Shown) -> None:
    """`--out .` and `--out ~` are asked for too."""
    assert (shown.out.parent / SOMEBODYS).read_text("utf-8") == "a year's work"
    named = shown.text.split("written to")[1].splitlines()[1:]
    there = {one.name for one in shown.out.iterdir()}
    assert there - {"work"} == {Path(line).name for line in named}


def test_where_it_fails_it_says_where_the_logs_are(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workers", "demo", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=180,
        env=os.environ | {"DICOM_NODE_ENGINE__NAME": "nobody"},
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    (work,) = tmp_path.iterdir()
    assert done.stdout.endswith(f" are in {work}\n")
    assert str(work / "node.log") in done.stderr
    assert "engine.name" in (work / "node.log").read_text("utf-8")


def test_both_results_are_in_the_pacs_beside_the_earlier_study(shown: Shown) -> None:
    part = shown.text.split("in the PACS now")[1].split("written to")[0]
    held = re.findall(r"^\d{4}-\d\d-\d\d  (\w+) +[\d.]+  (.+)$", part, re.MULTILINE)
    assert sorted(held) == [("CR", "earlier study"), ("SEG", "result"), ("SR", "result")]
    for name in ("sr", "seg"):
        result = dcmread(shown.out / f"{name}.dcm")
        assert f"PHANTOM^PAIR SEED {PAIR_SEED}" == result.PatientName
        assert result.SeriesInstanceUID in part


def test_every_finding_is_told_beside_the_truth(shown: Shown) -> None:
    table = shown.text.split("beside the truth")[1].split("in the PACS now")[0]
    rows = {
        cells[0]: cells[1:]
        for line in table.splitlines()
        if len(cells := re.split(r" {2,}", line.strip())) >= 3
    }
    asked = {one.name for one in report.from_json(_report(shown)).findings}
    assert set(FINDINGS) | asked <= set(rows)
    told = shown.truth()
    assert told["film"] == "current"
    for finding in told["findings"]:
        name, site = finding["name"], finding["site"]
        change = told["prior"]["changes"][name]
        assert rows[name][0] == f"present, {site}, {change}"
    assert set(told["prior"]["changes"].values()) - {"stable"}, "nothing changed in this pair"
    assert Image.open(shown.out / "truth.png").width >= 1000


def test_what_changed_is_read_with_its_change_at_its_place(shown: Shown) -> None:
    told = shown.truth()
    read = {one.name: one for one in report.from_json(_report(shown)).findings}
    changes = told["prior"]["changes"]
    changed = [
        one for one in told["findings"] if one["name"] in read and changes[one["name"]] != "stable"
    ]
    assert changed, "choose a pair in which something changed that is asked about"
    sites = shipped().sites
    for true in changed:
        found = read[true["name"]]
        assert found.presence is Presence.PRESENT
        assert found.change == changes[true["name"]]
        assert found.box is not None
        assert found.box.iou(Box(**true["box"])) >= RIGHT_PLACE, true["name"]
        side = sites[true["site"]].laterality
        if side is not None:
            assert found.site is not None
            assert sites[found.site].laterality is side
            lung = Box(**told["anatomy"][f"{side} lung"])
            assert lung.left <= found.box.centre[0] <= lung.right


def _report(shown: Shown) -> str:
    return (shown.out / "report.json").read_text("utf-8")
