"""A report beside the truth: what was drawn, what was read, and how far the boxes overlap."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import chest
from report_builders import film_of, report_on, vocabulary
from rich.console import Console

from dicom_node.geometry import Box
from dicom_node.report import BoxShows, ChangeKind, Finding, Presence, Report, Unread
from models.demonstration.truth import FINDINGS, Phantom, Sign
from workers import beside

BOX = Box(10, 10, 30, 20)
EFFUSION = Sign("pleural effusion", "left pleural space", BOX, 80)
PHANTOM = Phantom(np.zeros((96, 80), np.uint8), 1.0, signs=(EFFUSION,))
CHANGES = {"pleural effusion": ChangeKind.WORSENED, "nodule": ChangeKind.RESOLVED}
READ = Finding(
    "pleural effusion",
    Presence.PRESENT,
    site="left pleural space",
    box=Box(10, 10, 20, 20),
    box_shows=BoxShows.FINDING,
    change=ChangeKind.IMPROVED,
)


@pytest.fixture
def report(tmp_path: Path) -> Report:
    absent = Finding("pneumothorax", Presence.ABSENT)
    other = Finding("fracture", Presence.PRESENT, site="spine")
    opacity = Finding("lung opacity", Presence.ABSENT)
    made = report_on(film_of(chest(tmp_path / "film.dcm")), READ, absent, other, opacity)
    gap = Unread("presence", "cardiomegaly", "the answer does not parse")
    return replace(made, unread=(gap,))


def rows(report: Report) -> dict[str, list[str]]:
    table = beside.table(PHANTOM, CHANGES, report, vocabulary())
    cells = [list(column.cells) for column in table.columns]
    return {str(name): [str(one) for one in rest] for name, *rest in zip(*cells, strict=True)}


def test_each_finding_has_its_truth_and_what_was_read(report: Report) -> None:
    told = rows(report)
    assert told["pleural effusion"] == [
        "present, left pleural space, worsened",
        "present, left pleural space, improved",
        "0.50",
    ]
    assert told["nodule"] == ["absent, resolved", "not asked", ""]
    assert told["pneumothorax"] == ["absent", "absent", ""]
    assert told["cardiomegaly"] == ["absent", "not read", ""]
    assert told["fracture"] == ["-", "present, spine", ""]
    assert told["lung opacity"] == ["absent, resolved", "absent", ""]  # for the nodule was one
    assert set(told) == {*FINDINGS, "fracture", "lung opacity"}


def test_a_box_without_a_counterpart_has_no_overlap() -> None:
    assert beside.overlap(EFFUSION, None) == ""
    assert beside.overlap(None, READ) == ""
    assert beside.overlap(EFFUSION, replace(READ, box=None)) == ""
    assert beside.overlap(EFFUSION, replace(READ, box=BOX)) == "1.00"
    assert beside.overlap(EFFUSION, replace(READ, box=Box(40, 40, 50, 50))) == "0.00"


def test_it_fits_the_width_that_the_demo_prints(report: Report) -> None:
    console = Console(width=160, record=True, force_terminal=False)
    console.print(beside.table(PHANTOM, CHANGES, report, vocabulary()))
    assert "…" not in console.export_text()
