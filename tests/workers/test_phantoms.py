"""``dicom-node phantom``: films, truth and picture of a seed agree, and overwrite nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nodes import dicom_node
from PIL import Image
from pydicom import dcmread

from dicom_node import rules
from dicom_node.canvas import MARGIN, PANEL
from dicom_node.errors import Misconfigured
from dicom_node.findings_file import shipped
from dicom_node.geometry import STANDING, Box, Fit
from dicom_node.headers import read_study
from dicom_node.phantom_films import Modality, Photometric
from dicom_node.pixels import read_frame
from dicom_node.priors import compare_files
from dicom_node.report import ChangeKind, PriorOutcome
from models.demonstration.drawing import phantoms as generator
from models.demonstration.truth import ANATOMY, FINDINGS
from workers import phantoms, truth
from workers.drawn import PRIOR_DAYS, Drawn, Kind, Wanted, draw
from workers.site import configure

CONFIG = Path(__file__).resolve().parents[2] / "config"
SIDE = 256
#: Seeds looked through where a test needs one that shows something.
SEEDS = range(20)


def drawn(seed: int, kind: Kind = Kind.CHEST, **wishes: Any) -> Drawn:
    return draw(seed, Wanted(kind, SIDE, **wishes))


@pytest.fixture(scope="module")
def pair() -> Drawn:
    """The first pair in which a finding of both films changed, and that shows nothing in grey."""
    for seed in SEEDS:
        found = drawn(seed, Kind.PAIR)
        if {ChangeKind.WORSENED, ChangeKind.IMPROVED} & set(found.changes.values()):
            return found
    raise AssertionError("no such pair")


def test_the_command_writes_film_truth_and_picture_of_each_seed(tmp_path: Path) -> None:
    out = tmp_path / "new" / "films"
    done = dicom_node("phantom", "--seed", 5, "--count", 2, "--side", SIDE, "--out", out)
    assert done.returncode == 0, done.stderr
    names = [f"phantom-{seed}.{kind}" for seed in (5, 6) for kind in ("dcm", "json", "png")]
    assert sorted(one.name for one in out.iterdir()) == names
    assert "seed 6: phantom-6.dcm, phantom-6.json, phantom-6.png" in done.stdout
    for seed in (5, 6):
        film = dcmread(out / f"phantom-{seed}.dcm")
        told = json.loads((out / f"phantom-{seed}.json").read_text("utf-8"))
        assert (film.Modality, film.PhotometricInterpretation) == ("CR", "MONOCHROME2")
        assert max(film.Rows, film.Columns) == SIDE
        assert told["sop_instance_uid"] == film.SOPInstanceUID
        assert (told["rows"], told["columns"]) == (film.Rows, film.Columns)
        assert told["pixel_spacing_mm"] == pytest.approx(film.ImagerPixelSpacing[0], abs=1e-4)
        assert (told["seed"], told["dicom"]) == (seed, f"phantom-{seed}.dcm")


def test_the_command_writes_the_same_again_and_leaves_what_is_there(tmp_path: Path) -> None:
    options = ("--seed", 3, "--pair", "--side", SIDE, "--modality", "DX")
    first = dicom_node("phantom", *options, "--out", tmp_path / "one")
    assert first.returncode == 0, first.stderr
    before = {one.name: one.stat().st_mtime_ns for one in (tmp_path / "one").iterdir()}
    again = dicom_node("phantom", *options, "--out", tmp_path / "one")
    assert again.returncode == 0, again.stderr
    assert {one.name: one.stat().st_mtime_ns for one in (tmp_path / "one").iterdir()} == before
    made = phantoms.files(drawn(3, Kind.PAIR, modality=Modality.DX))
    assert {one.name: one.read_bytes() for one in (tmp_path / "one").iterdir()} == made


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--seed", -1), "--seed"),
        (("--seed", 1, "--count", 0), "--count"),
        (("--seed", 1, "--pair", "--other"), "--pair and --other exclude each other"),
        (("--seed", 1, "--modality", "CT"), "CT"),
    ],
)
def test_a_senseless_wish_is_refused(
    tmp_path: Path, options: tuple[object, ...], told: str
) -> None:
    done = dicom_node("phantom", *options, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    out = tmp_path / "file" / "films"
    done = dicom_node("phantom", "--seed", 1, "--side", SIDE, "--out", out)
    assert done.returncode == 2
    assert done.stderr == f"dicom-node: {out}: cannot be written: Not a directory\n"


@pytest.mark.parametrize("name", ["phantom-1.dcm", "phantom-1.json", "phantom-1.png"])
@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_a_file_in_the_way_is_left_and_nothing_is_written(
    tmp_path: Path, name: str, kind: str
) -> None:
    path = tmp_path / name
    if kind == "file":
        path.write_text("mine", encoding="utf-8")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Misconfigured, match=f"{name} is there already and is another file"):
        phantoms.write(phantoms.files(drawn(1)), tmp_path)
    assert list(tmp_path.iterdir()) == [path]
    assert kind != "file" or path.read_text("utf-8") == "mine"
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("photometric", Photometric)
@pytest.mark.parametrize("modality", Modality)
def test_the_file_shows_what_was_drawn(
    tmp_path: Path, modality: Modality, photometric: Photometric
) -> None:
    one = drawn(2, modality=modality, photometric=photometric)
    phantoms.write(phantoms.files(one), tmp_path)
    (instance,) = read_study([tmp_path / "phantom-2.dcm"]).instances
    shown = read_frame(instance).grey.astype(int)
    assert np.abs(shown - generator.chest(2, side=SIDE).grey).max() <= 1


def test_the_truth_is_that_of_the_generator() -> None:
    vocabulary = shipped()
    seen: set[str] = set()
    for seed in SEEDS:
        one = drawn(seed)
        told: Any = truth.of_film(one, one.films[0])
        phantom = one.films[0].phantom
        for finding in told["findings"]:
            assert Box(**finding["box"]) == bounds(phantom.regions[finding["name"]])
            assert finding["site"] in vocabulary.findings[finding["name"]].sites
        assert set(told["anatomy"]) == set(ANATOMY)
        named = [finding["name"] for finding in told["findings"]]
        assert sorted([*named, *told["absent"]]) == sorted(FINDINGS)
        seen.update(named)
    assert seen == set(FINDINGS)


def bounds(region: np.ndarray[Any, np.dtype[np.bool_]]) -> Box:
    rows, columns = np.nonzero(region)
    return Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def test_a_pair_is_two_studies_of_one_person(pair: Drawn, tmp_path: Path) -> None:
    phantoms.write(phantoms.files(pair), tmp_path)
    prior, current = (tmp_path / f"pair-{pair.seed}-{when}.dcm" for when in ("prior", "current"))
    study = read_study([current])
    plan = rules.plan(study, configure(CONFIG / "node.yaml").rules)
    assert plan.rule.priors is not None
    found = compare_files(
        study=study, film=plan.choice.film, rule=plan.rule.priors, earlier=[read_study([prior])]
    )
    assert (found.prior.outcome, found.prior.days) == (PriorOutcome.USED, PRIOR_DAYS)
    assert found.path == prior
    alone = drawn(pair.seed).films[0].film  # another phantom, for the seed is used otherwise
    assert alone.person.id != study.patient.id


def test_the_truth_of_a_pair_tells_what_became_of_each_finding(pair: Drawn) -> None:
    prior, current = pair.films
    told: Any = truth.of_film(pair, current)
    assert told["prior"]["changes"] == {name: str(kind) for name, kind in pair.changes.items()}
    assert told["prior"]["sop_instance_uid"] == truth.of_film(pair, prior)["sop_instance_uid"]
    assert told["prior"]["days_earlier"] == PRIOR_DAYS
    assert "prior" not in truth.of_film(pair, prior)
    assert (truth.of_film(pair, prior)["film"], told["film"]) == ("prior", "current")


def test_no_chest_film_has_a_header_that_the_node_would_read(tmp_path: Path) -> None:
    one = drawn(4, Kind.OTHER)
    phantoms.write(phantoms.files(one), tmp_path)
    study = read_study([tmp_path / "other-4.dcm"])
    assert rules.plan(study, configure(CONFIG / "node.yaml").rules).choice.film
    told = json.loads((tmp_path / "other-4.json").read_text("utf-8"))
    assert told["frontal_chest"] is False
    assert (told["findings"], told["absent"], told["anatomy"]) == ([], [], {})


def test_the_picture_has_each_true_box_at_its_place(pair: Drawn, tmp_path: Path) -> None:
    path = tmp_path / "pair.png"
    path.write_bytes(truth.picture(pair))
    image = np.asarray(Image.open(path))
    assert image.shape[1] == 2 * (PANEL + MARGIN) + MARGIN
    signs = 0
    for number, film in enumerate(pair.films):
        rows, columns = film.phantom.grey.shape
        fit = Fit.standing(rows, columns, STANDING)
        left, top = MARGIN + number * (PANEL + MARGIN), 30 + 2 * MARGIN + 30 + MARGIN // 2
        for sign in film.phantom.signs:
            colour = shipped().findings[sign.name].colour
            box = fit.to_square(sign.box)
            # A label may lie on one side of the box, never on three.
            middle_x, middle_y = box.centre
            ends = [(box.left, middle_y), (box.right, middle_y), (middle_x, box.bottom)]
            found = 0
            for x, y in ends:
                at_x, at_y = (round(start + place * PANEL / fit.side)
                              for start, place in ((left, x), (top, y)))  # fmt: skip
                near = image[at_y - 4 : at_y + 5, at_x - 4 : at_x + 5].reshape(-1, 3)
                found += bool((near == colour).all(axis=1).any())
            assert found >= 2, (film.name, sign)
            signs += 1
    assert signs >= 2
