"""Lungs and heart on real films, which no training has seen: boxes against those drawn by hand.

The boxes are in thousandths of the standing, zero-padded square, [y0, x0, y1, x1]. A lung is all
of it that is seen, from apex to costophrenic angle; the heart reaches from its right to its left
border, and from where the great vessels leave it to the diaphragm. One film's heart has no borders
to be seen, and it has no box.
"""

from __future__ import annotations

import csv
import logging
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from dicom_node.headers import read_study
from dicom_node.pixels import read_frame
from dicom_node.report import About
from models.asking import Ask, Asking
from models.demonstration.drawing.phantoms import chest
from models.demonstration.evaluation.baselines import Known, learn
from models.demonstration.evaluation.figures import iou
from models.demonstration.evaluation.film import prepared
from models.demonstration.ranges import FIRST_TRAINING_SEED
from models.demonstration.truth import ANATOMY
from models.engines import ENGINES
from models.engines.base import Engine, EngineOptions
from models.prepare import chest_radiograph
from models.questions.asked import Asked
from models.questions.location import Box2d

#: Mean IoU of the three structures that is not to be lost again: on RG1, and over all films.
FLOOR_RG1 = 0.5
FLOOR = 0.5
#: Phantoms of the training whose mean box is what a model can say that looks at no film.
_LEARNT, _SIDE = 40, 128

log = logging.getLogger(__name__)

_TABLE = Path(__file__).parent / "data" / "real_boxes.csv"
_RG1 = "RG1_UNCI.dcm"
_Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def engine() -> Engine:
    """The demonstration, as the shipped node.yaml names it."""
    return ENGINES["demonstration"](EngineOptions(None, None, "cpu", threads=1))


def _drawn() -> dict[str, dict[str, Box2d]]:
    """The boxes of the table: for each film those of its structures."""
    boxes: dict[str, dict[str, Box2d]] = defaultdict(dict)
    with _TABLE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            y0, x0, y1, x1 = (int(row[name]) for name in ("y0", "x0", "y1", "x1"))
            boxes[row["film"]][row["structure"]] = (y0, x0, y1, x1)
    return dict(boxes)


DRAWN = _drawn()


def _picture(path: Path) -> NDArray[np.uint8]:
    """The standing square of a film, of DICOM or of a picture as data sets have them."""
    if path.suffix in (".png", ".jpg"):
        with Image.open(path) as image:
            return prepared(np.asarray(image.convert("L"))).picture
    (instance,) = read_study([path]).instances
    return chest_radiograph(read_frame(instance)).picture


def _overlaps(engine: Engine, film: str, path: Path) -> dict[str, float]:
    """IoU of each structure of a film; 0 where the answer cannot be used."""
    picture = _picture(path)
    asks = [Ask("location", name, About.CURRENT, Asked(name), (picture,)) for name in DRAWN[film]]
    overlaps = {}
    for ask, outcome in zip(asks, Asking(engine, None).ask(asks), strict=True):
        box: object = outcome.value
        overlaps[ask.finding] = (
            iou(box, DRAWN[film][ask.finding])  # type: ignore[arg-type] # what `location` parses
            if box is not None
            else 0.0
        )
    return overlaps


def _mean_boxes() -> dict[str, Box2d]:
    """Where each structure is on phantoms, on average."""
    known: list[Known] = []
    for seed in range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + _LEARNT):
        phantom = chest(seed, side=_SIDE)
        fit = prepared(phantom.grey).fit
        known += [("location", name, fit.to_model(box)) for name, box in phantom.anatomy.items()]
    boxes = {about: guess for (_, about), guess in learn(known).items()}
    return {name: box for name, box in boxes.items() if not isinstance(box, str)}


def _tell(record: _Record, title: str, overlaps: list[dict[str, float]]) -> float:
    """Log and record the mean of each structure; their mean."""
    means = {}
    for name in ANATOMY:
        values = [one[name] for one in overlaps if name in one]
        means[name] = sum(values) / len(values)
        record(f"{title}: IoU of {name}", round(means[name], 3))
        log.info("%s: IoU of %s %.3f (%d films)", title, name, means[name], len(values))
    return sum(means.values()) / len(means)


def test_lungs_and_heart_are_found_on_rg1(
    engine: Engine, rg1: Path, record_property: _Record
) -> None:
    assert _tell(record_property, "RG1", [_overlaps(engine, _RG1, rg1)]) >= FLOOR_RG1


def test_lungs_and_heart_are_found_on_real_films(
    engine: Engine, rg1: Path, shared_data: Path, record_property: _Record
) -> None:
    overlaps = [
        _overlaps(engine, film, rg1 if film == _RG1 else shared_data / film) for film in DRAWN
    ]
    boxes = _mean_boxes()
    unseen = [
        {name: iou(boxes[name], box) for name, box in drawn.items()} for drawn in DRAWN.values()
    ]
    blind = _tell(record_property, "the mean box of phantoms on the same films", unseen)
    reached = _tell(record_property, f"{len(DRAWN)} real films", overlaps)
    assert reached >= FLOOR
    assert reached > blind, "who looks at no film is as good"


def test_every_box_that_was_drawn_can_be_a_place() -> None:
    """A slip of the pen would count against the model."""
    assert len(DRAWN) == 18
    hearts = [film for film, boxes in DRAWN.items() if "cardiac silhouette" in boxes]
    assert len(hearts) == 17
    for film, boxes in DRAWN.items():
        right, left = boxes["right lung"], boxes["left lung"]
        assert right[3] < left[1], film  # between them is the mediastinum
        for y0, x0, y1, x1 in boxes.values():
            assert 0 <= y0 < y1 <= 1000, film
            assert 0 <= x0 < x1 <= 1000, film
    for film in hearts:
        y0, x0, y1, x1 = DRAWN[film]["cardiac silhouette"]
        right, left = DRAWN[film]["right lung"], DRAWN[film]["left lung"]
        assert right[1] < x0 < right[3], film  # its borders lie before the lungs
        assert left[1] < x1 < left[3], film
        assert min(right[0], left[0]) < y0, film
        assert y1 < max(right[2], left[2]) + 10, film
        assert 500 - x0 < x1 - 500, film  # two thirds of it are on the patient's left
