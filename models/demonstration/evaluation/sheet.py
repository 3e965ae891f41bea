"""A sheet of phantoms with their true boxes, beside a real film: for the reader to judge."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dicom_node.geometry import Box
from models.demonstration.drawing.phantoms import chest, other
from models.demonstration.evaluation.film import prepared
from models.demonstration.ranges import FIRST_TRAINING_SEED
from models.demonstration.truth import FINDINGS, Phantom

#: Seeds of the sheet are from here on, below FIRST_TRAINING_SEED; the evaluation has others.
FIRST_SEED = 40_000
_TRIED = 128  # side of phantoms that are only looked through, pixels
_TILE, _GAP, _LINE = 360, 8, 26  # pixels
_COLUMNS = 4
_FONT = ImageFont.load_default(size=18)
_GROUND, _WORDS = (18, 18, 18), (235, 235, 235)
_FINDING, _ANATOMY = (255, 204, 0), (90, 160, 210)


@dataclass(frozen=True, slots=True)
class _Tile:
    """A square picture, uint8 (side, side), and boxes [left, top, right, bottom] in parts of it."""

    title: str
    picture: NDArray[np.uint8] = field(repr=False)
    findings: tuple[tuple[float, ...], ...] = ()
    anatomy: tuple[tuple[float, ...], ...] = ()


def draw(out: Path, beside: Path | None) -> None:
    """Write the sheet as PNG. ``beside`` is a picture of a real film, standing, bright is dense."""
    tiles = [_showing(name) for name in FINDINGS]
    tiles += [_showing(None), _showing(None, FIRST_SEED + 500)]
    tiles += [_tile("no chest film", other(FIRST_SEED + i)) for i in range(3)]
    if beside is not None:
        with Image.open(beside) as image:
            grey = np.asarray(image.convert("L"))
        tiles.insert(0, _Tile("a real film, no phantom", prepared(grey).picture))
    rows = -(-len(tiles) // _COLUMNS)
    size = (_COLUMNS * (_TILE + _GAP) + _GAP, rows * (_TILE + _LINE + _GAP) + _GAP)
    canvas = Image.new("RGB", size, _GROUND)
    for place, tile in enumerate(tiles):
        row, column = divmod(place, _COLUMNS)
        _paint(canvas, tile, _GAP + column * (_TILE + _GAP), _GAP + row * (_TILE + _LINE + _GAP))
    canvas.save(out, format="PNG")


def _showing(name: str | None, first: int = FIRST_SEED) -> _Tile:
    """The first phantom that shows this finding alone; None: nothing."""
    wanted = () if name is None else (name,)
    for seed in range(first, FIRST_TRAINING_SEED):
        if tuple(sign.name for sign in chest(seed, side=_TRIED).signs) == wanted:
            return _tile(name or "nothing", chest(seed))
    raise AssertionError(f"no phantom shows {name or 'nothing'} alone")


def _tile(title: str, phantom: Phantom) -> _Tile:
    film = prepared(phantom.grey)

    def part(box: Box) -> tuple[float, ...]:
        square = film.fit.to_square(box)
        edges = (square.left, square.top, square.right, square.bottom)
        return tuple(edge / film.fit.side for edge in edges)

    findings = tuple(part(sign.box) for sign in phantom.signs)
    anatomy = tuple(part(box) for box in phantom.anatomy.values())
    return _Tile(title, film.picture, findings, anatomy)


def _paint(canvas: Image.Image, tile: _Tile, left: int, top: int) -> None:
    square = Image.fromarray(tile.picture).resize((_TILE, _TILE), Image.Resampling.LANCZOS)
    canvas.paste(square.convert("RGB"), (left, top + _LINE))
    pen = ImageDraw.Draw(canvas)
    pen.text((left, top), tile.title, _WORDS, font=_FONT)
    layers = ((tile.anatomy, _ANATOMY, 1), (tile.findings, _FINDING, 2))
    for boxes, colour, width in layers:
        for x0, y0, x1, y1 in boxes:
            edges = [left + x0 * _TILE, top + _LINE + y0 * _TILE]
            edges += [left + x1 * _TILE, top + _LINE + y1 * _TILE]
            pen.rectangle(edges, outline=colour, width=width)
