"""From films to SR with an engine whose every answer is known; and into Orthanc and back."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import sr_text
from fake_engine import FakeEngine, Known
from nodes import AE_TITLE
from peers import Orthanc, call, need
from pydicom import dcmread
from report_builders import gives_none, object_of

from dicom_node import findings_file, outputs
from dicom_node.deliver import Verdict, send
from dicom_node.geometry import Fit
from dicom_node.headers import read_study
from dicom_node.peer import Peer
from dicom_node.report import Report
from dicom_node.vocabulary import Vocabulary
from workers import local
from workers.site import configure

CONFIG = Path(__file__).resolve().parents[2] / "config"

#: Each answer differs from all others: a mix-up cannot go unseen.
KNOWN = {
    "atelectasis": Known(
        score=0.91, site="right lower lung zone", box=(610, 120, 730, 260), change="Improved"
    ),
    "cardiomegaly": Known(score=0.82, before=True, box=(500, 400, 800, 750), change="Worsened"),
    "consolidation": Known(
        score=0.73, before=True, site="left upper lung zone", box=(150, 610, 330, 790)
    ),
    "pleural effusion": Known(
        score=0.64, before=True, site="left pleural space", box=(700, 700, 860, 900),
        change="Improved",
    ),
    "pneumothorax": Known(present=False, before=True, score=0.15),
    "fracture": Known(score=0.55, site="right clavicle", box=(60, 150, 130, 380)),
}  # fmt: skip
CODES = {
    "atelectasis": "46621007",
    "cardiomegaly": "8186001",
    "consolidation": "95436008",
    "pleural effusion": "60046008",
    "fracture": "125605004",
}
CHANGES = {
    "atelectasis": "New",
    "cardiomegaly": "Worsening",
    "consolidation": "Stable",
    "pleural effusion": "Improved",
    "fracture": "New",
}
SIDES = {
    "atelectasis": "Right",
    "consolidation": "Left",
    "pleural effusion": "Left",
    "fracture": "Right",
}


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return findings_file.load(CONFIG / "findings.yaml")


def read(
    current: Path,
    prior: Path | None,
    vocabulary: Vocabulary,
    known: dict[str, Known],
    **rule: object,
) -> Report:
    """The whole of reading, but for the engine."""
    shipped = configure(CONFIG / "node.yaml")
    used = tuple(one.model_copy(update=rule) for one in shipped.rules)
    changed = replace(shipped, rules=used, vocabulary=vocabulary)
    engine = FakeEngine(vocabulary, known)
    return local.read_files(changed, [current], [prior] if prior else [], lambda: engine).report


def write(report: Report, vocabulary: Vocabulary, film: Path, folder: Path) -> dict[str, Path]:
    paths = {}
    for output in outputs.OUTPUTS:
        if not gives_none(output, report, vocabulary, film):
            dataset = object_of(output, report, vocabulary, film)
            paths[output] = folder / f"{output}.dcm"
            outputs.write(dataset, paths[output])
    return paths


def by_finding(path: Path) -> dict[str, sr_text.Item]:
    """The groups of an SR by the Code Value of their finding."""
    groups = sr_text.read(path).groups
    return {group.one("Finding").code()[0]: group for group in groups if group.all("Finding")}


def corners(known: Known, film: Path) -> set[tuple[int, int]]:
    """Where the four corners of a known box lie in the stored film, rounded."""
    header = dcmread(film, stop_before_pixels=True)
    box = Fit.standing(header.Rows, header.Columns, ("L", "F")).from_model(known.box)
    return {(round(x), round(y)) for x in (box.left, box.right) for y in (box.top, box.bottom)}


def rounded(group: sr_text.Item) -> set[tuple[int, int]]:
    kind, points = group.one("Image Region").graphic()
    assert kind == "POLYLINE"
    assert points[0] == points[-1]
    return {(round(x), round(y)) for x, y in points}


def test_each_known_answer_is_found_again_at_its_place(
    current: Path, prior: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    report = read(current, prior, vocabulary, KNOWN)
    assert report.unread == ()
    groups = by_finding(write(report, vocabulary, current, tmp_path)["sr"])
    for name, code in CODES.items():
        group, known = groups[code], KNOWN[name]
        assert rounded(group) == corners(known, current), name
        assert group.one("Certainty of Finding").number() == (
            round(100 * (known.score or 0), 1),
            "%",
        )
        assert group.one("Qualitative Difference").value.endswith(f'"{CHANGES[name]}")'), name
        side = group.one("Finding Site").all("Laterality")
        assert [one.value.split('"')[1] for one in side] == ([SIDES[name]] if name in SIDES else [])
    resolved = groups["36118008"]
    assert resolved.all("Image Region") == []
    assert "resolved" in resolved.one("Qualitative Difference").value


def test_swapping_two_answers_changes_exactly_those(
    current: Path, prior: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    one, other = "consolidation", "fracture"
    swapped = KNOWN | {
        one: replace(KNOWN[one], box=KNOWN[other].box, site="right upper lung zone"),
        other: replace(KNOWN[other], box=KNOWN[one].box, site="left clavicle"),
    }
    made = []
    for name, known in (("before", KNOWN), ("after", swapped)):
        report = read(current, prior, vocabulary, known)
        path = write(report, vocabulary, current, tmp_path / name)["sr"]
        made.append({code: (rounded(group), group.one("Finding Site").one("Laterality").value)
                     for code, group in by_finding(path).items()
                     if group.all("Image Region") and code != CODES["cardiomegaly"]})  # fmt: skip
    before, after = made
    changed = {code for code in before if before[code] != after[code]}
    assert changed == {CODES[one], CODES[other]}
    assert after[CODES[one]][0] == before[CODES[other]][0]


def chest_films(shared_data: Path) -> list[Path]:
    """Those that the shipped rule may read; the others are there to be refused."""
    with (shared_data / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["category"] == "cxr-dicom"]
    films = [shared_data / row["file"] for row in rows]
    kinds = {path: read_study([path]).instances[0] for path in films}
    return [
        path
        for path, film in kinds.items()
        if film.modality in ("CR", "DX")
        and film.body_part in ("CHEST", "THORAX")
        and not film.doubt  # the dog
    ]


def test_real_frontal_films_make_objects_without_error(
    shared_data: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    """SR and SEG of every chest film that is there, whatever its view is called."""
    films = chest_films(shared_data)
    assert len(films) >= 5
    for number, film in enumerate(films):
        report = read(film, None, vocabulary, KNOWN, unknown_age="read", minimum_age_years=0,
                      unknown_view="read as frontal")  # fmt: skip
        paths = write(report, vocabulary, film, tmp_path / str(number))
        assert paths.keys() == set(outputs.OUTPUTS), film.name
        for path in paths.values():
            told = call(need("dciodvfy", "dicom3tools"), path, check=False)
            lines = (told.stdout + told.stderr).splitlines()
            assert [line for line in lines if line.startswith("Error")] == [], film.name


def test_objects_come_back_from_orthanc_as_equal_data_sets(
    current: Path, prior: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    report = read(current, prior, vocabulary, KNOWN)
    paths = list(write(report, vocabulary, current, tmp_path / "made").values())
    with Orthanc(tmp_path / "orthanc") as orthanc:
        peer = Peer("pacs", orthanc.aet, "127.0.0.1", orthanc.dicom_port, AE_TITLE)
        assert [one.verdict for one in send(paths, peer)] == [Verdict.ACCEPTED] * len(paths)
        for path in paths:
            made = dcmread(path)
            identifier = orthanc.client.instances.lookup(made.SOPInstanceUID)
            back = tmp_path / f"back-{path.name}"
            back.write_bytes(orthanc.client.instances.get_file(identifier))
            assert dcmread(back) == made
