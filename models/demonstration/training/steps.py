"""What is shown and asked in one step of a training, and how far the model is from the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dicom_node.vocabulary import Vocabulary
from models.demonstration.training import dense
from models.demonstration.training.asking import held, known, looked_at, loss
from models.demonstration.training.batches import Writer
from models.demonstration.training.lessons import Lesson, of_film, of_pair
from models.demonstration.training.plan import Part
from models.demonstration.training.pool import CELL, Pool

if TYPE_CHECKING:
    from torch import Tensor

#: How far pictures are moved at most, in cells of the regions.
_SHIFT = 3


def losses(
    rng: np.random.Generator,
    part: Part,
    films: Pool,
    *,
    model: Any,
    heads: Any,
    writer: Writer,
    vocabulary: Vocabulary,
) -> dict[str, Tensor]:
    """What a step is to make smaller, by name; ``rng`` decides what it shows and asks."""
    import torch

    chosen = _chosen(rng, part, films)
    flat = [film for group in chosen for film in group]
    pictures, covered = _tensors(rng, films, flat, shifted=not part.asks, dull=part.dull)
    off: dict[str, Tensor] = {}
    device = model.device
    with torch.autocast(device.type, torch.bfloat16):
        with torch.set_grad_enabled(part.looks):
            patches, tokens = looked_at(model, pictures.to(device))
        if part.looks:
            off["dense"] = dense.loss(heads, patches, tokens, covered.to(device))
        if part.asks:
            scenes = _lessons(rng, films, chosen, vocabulary)
            off |= _taught(model, heads if part.holds else None, tokens, writer, scenes)
    return off


def _taught(
    model: Any, heads: Any | None, tokens: Tensor, writer: Writer, scenes: list[list[Lesson]]
) -> dict[str, Tensor]:
    """The loss of all lessons: those on one picture, and those on two."""
    off: dict[str, Tensor] = {}
    for pictures in (1, 2):
        some = [scene for scene in scenes if len(scene[0].pictures) == pictures]
        if some:
            batch = writer.batch(some)
            hidden = held(model, tokens, batch)
            apart = loss(model.lm_head(hidden).float(), batch, writer.numbers)
            if heads is not None:
                apart |= known(heads, hidden, batch)
            off |= {f"{name}{pictures}": value for name, value in apart.items()}
    return off


def _lessons(
    rng: np.random.Generator,
    films: Pool,
    chosen: list[tuple[int, ...]],
    vocabulary: Vocabulary,
) -> list[list[Lesson]]:
    """Of each film or pair its lessons; pictures are numbered as they were shown."""
    scenes, number = [], 0
    for group in chosen:
        if len(group) == 1:
            scenes.append(of_film(rng, number, films.shown[group[0]], vocabulary))
        else:
            shown = films.shown[group[0]], films.shown[group[1]]
            scenes.append(of_pair(number, shown, films.changes[group], vocabulary))
        number += len(group)
    return [scene for scene in scenes if scene]


def _chosen(rng: np.random.Generator, part: Part, films: Pool) -> list[tuple[int, ...]]:
    """The films of a step, by number: single ones, then pairs."""
    singles = rng.integers(len(films.shown), size=part.films)
    pairs = rng.integers(len(films.pairs), size=part.pairs)
    return [(int(i),) for i in singles] + [films.pairs[int(i)] for i in pairs]


def _tensors(
    rng: np.random.Generator,
    films: Pool,
    flat: list[int],
    *,
    shifted: bool,
    dull: float,
) -> tuple[Tensor, Tensor]:
    """Pictures as the image processor makes them, shown a little brighter or darker each time.

    With ``shifted`` each is also moved by some cells, with the regions in it; ``dull`` is the part
    of them that is shown between two greys near each other.
    """
    import torch

    pictures, covered = films.pictures[flat], films.covered[flat]
    if shifted:
        for place, (down, right) in enumerate(rng.integers(-_SHIFT, _SHIFT + 1, (len(flat), 2))):
            pictures[place] = _moved(pictures[place], down * CELL, right * CELL)
            covered[place] = _moved(covered[place], down, right)
    bend = np.exp(rng.uniform(-0.25, 0.25, (len(flat), 1, 1))).astype(np.float32)
    gain = rng.uniform(0.85, 1.0, (len(flat), 1, 1)).astype(np.float32)
    grey = (pictures.astype(np.float32) / 255) ** bend * gain
    for place in np.flatnonzero(rng.random(len(flat)) < dull).tolist():
        inside = pictures[place] > 0  # the padding stays black
        grey[place] = inside * (rng.uniform(0, 0.3) + rng.uniform(0.3, 0.7) * grey[place])
    shown = torch.from_numpy(grey * 2 - 1)[:, None].expand(-1, 3, -1, -1)
    return shown, torch.from_numpy(covered.astype(np.float32) / 255)


def _moved(plane: NDArray[np.uint8], down: int, right: int) -> NDArray[np.uint8]:
    """(..., rows, columns), moved; zeros come in."""
    moved = np.zeros_like(plane)
    rows, columns = plane.shape[-2:]
    moved[..., max(down, 0) : rows + min(down, 0), max(right, 0) : columns + min(right, 0)] = plane[
        ..., max(-down, 0) : rows - max(down, 0), max(-right, 0) : columns - max(right, 0)
    ]
    return moved
