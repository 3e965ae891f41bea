"""The phantoms of a training, drawn once and kept in files, as the model sees them. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dicom_node.geometry import Fit
from models.demonstration.drawing.phantoms import chest, other, pair
from models.demonstration.ranges import FIRST_TRAINING_SEED
from models.demonstration.training.architecture import IMAGE_SIDE
from models.demonstration.truth import Phantom
from models.questions.location import Box2d

#: Side of a cell of a region, in pixels.
CELL = 4
#: The areas that the vision tower is shown directly: all that is not the heart's size.
REGIONS = (
    "right lung",
    "left lung",
    "cardiac silhouette",
    "nodule",
    "mass",
    "consolidation",
    "pleural effusion",
    "pneumothorax",
)
#: What one file holds: single films, pairs, films of something else.
_SINGLES, _PAIRS, _OTHERS = 280, 100, 20
#: Part of each file's name: raise it whenever what is drawn changes.
VERSION = 1


@dataclass(frozen=True, slots=True)
class Shown:
    """The truth about one picture: each finding with its site and box in thousandths
    [y0, x0, y1, x1], and the boxes of the anatomy. Both are empty where it is no chest.
    """

    chest: bool
    findings: dict[str, tuple[str, Box2d]]
    anatomy: dict[str, Box2d]


@dataclass(frozen=True, slots=True)
class Pool:
    """Pictures uint8 (n, IMAGE_SIDE, IMAGE_SIDE), the covered part of each cell uint8 (n, regions,
    cells, cells) of 255, the truth of each, pairs as (prior, current), and their changes.
    """

    pictures: NDArray[np.uint8] = field(repr=False)
    covered: NDArray[np.uint8] = field(repr=False)
    shown: tuple[Shown, ...] = field(repr=False)
    pairs: tuple[tuple[int, ...], ...] = field(repr=False)
    changes: dict[tuple[int, ...], dict[str, str]] = field(repr=False)


def draw(folder: Path, files: int, processes: int) -> Iterator[int]:
    """Draw what is not there yet; says how many files are, each time there is one more."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [number for number in range(files) if not _path(folder, number).exists()]
    done = files - len(missing)
    yield done
    with ProcessPoolExecutor(processes) as workers:
        for _ in workers.map(_draw_file, [folder] * len(missing), missing):
            done += 1
            yield done


def load(folder: Path, files: int) -> Pool:
    """Everything that was drawn, in memory: about 50 MB a file."""
    pictures, covered = [], []
    shown: list[Shown] = []
    changes: dict[tuple[int, ...], dict[str, str]] = {}
    for number in range(files):
        with np.load(_path(folder, number)) as file:
            before = len(shown)
            pictures.append(file["pictures"])
            covered.append(file["covered"])
            truth = json.loads(str(file["truth"]))
            shown += [_shown(one) for one in truth["shown"]]
            changes |= {(a + before, b + before): became for a, b, became in truth["pairs"]}
    return Pool(
        pictures=np.concatenate(pictures),
        covered=np.concatenate(covered),
        shown=tuple(shown),
        pairs=tuple(changes),
        changes=changes,
    )


def _path(folder: Path, number: int) -> Path:
    return folder / f"phantoms-{VERSION}-{number:04}.npz"


def _draw_file(folder: Path, number: int) -> None:
    first = FIRST_TRAINING_SEED + number * 1000
    films: list[Phantom] = [chest(first + i, side=IMAGE_SIDE) for i in range(_SINGLES)]
    pairs: list[tuple[int, int, dict[str, str]]] = []
    for i in range(_PAIRS):
        both = pair(first + i, side=IMAGE_SIDE)
        pairs.append((len(films), len(films) + 1, {k: str(v) for k, v in both.changes.items()}))
        films += [both.prior, both.current]
    films += [other(first + i, side=IMAGE_SIDE) for i in range(_OTHERS)]
    prepared = [_prepared(film) for film in films]
    truth = {"shown": [one[2] for one in prepared], "pairs": pairs}
    aside = folder / f".{number:04}.npz"
    np.savez(
        aside,
        pictures=np.stack([one[0] for one in prepared]),
        covered=np.stack([one[1] for one in prepared]),
        truth=np.array(json.dumps(truth)),
    )
    aside.replace(_path(folder, number))  # also what a killed run has left


def _prepared(film: Phantom) -> tuple[NDArray[np.uint8], NDArray[np.uint8], dict[str, object]]:
    fit = Fit(*film.grey.shape)
    picture = _scaled(fit.picture(film.grey))
    cells = IMAGE_SIDE // CELL
    covered = np.zeros((len(REGIONS), cells, cells), np.uint8)
    for number, name in enumerate(REGIONS):
        if name in film.regions:
            area = _scaled(fit.picture(film.regions[name].astype(np.uint8) * np.uint8(255)))
            covered[number] = area.reshape(cells, CELL, cells, CELL).mean(axis=(1, 3)).round()
    shown = {
        "chest": film.chest,
        "findings": {sign.name: (sign.site, fit.to_model(sign.box)) for sign in film.signs},
        "anatomy": {name: fit.to_model(box) for name, box in film.anatomy.items()},
    }
    return picture, covered, shown


def _scaled(square: NDArray[np.uint8]) -> NDArray[np.uint8]:
    image = Image.fromarray(square)
    return np.asarray(image.resize((IMAGE_SIDE, IMAGE_SIDE), Image.Resampling.BILINEAR))


def _shown(stored: dict[str, dict[str, list[int]]]) -> Shown:
    return Shown(
        chest=bool(stored["chest"]),
        findings={name: (site, _box(box)) for name, (site, box) in stored["findings"].items()},  # type: ignore[misc,arg-type]
        anatomy={name: _box(box) for name, box in stored["anatomy"].items()},
    )


def _box(stored: list[int]) -> Box2d:
    y0, x0, y1, x1 = stored
    return y0, x0, y1, x1
