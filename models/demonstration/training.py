"""The training: phantoms in, the checkpoint out. On the CPU or on one GPU, by the same code.

First the vision tower alone is shown where things are, then both towers learn the questions. Each
step draws its films and lessons from the seed and its own number, so a run that was stopped goes
on as if it had not been.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dicom_node.vocabulary import Vocabulary
from models.demonstration import architecture, dense, pool
from models.demonstration.asking import looked_at, loss, said
from models.demonstration.batches import Writer
from models.demonstration.lessons import Lesson, of_film, of_pair

if TYPE_CHECKING:
    from torch import Tensor

#: Of the training: where it stands, in its folder.
_STATE, _LOG = "state.pt", "log.jsonl"
_SAVED_EVERY = 100  # steps
#: How much whole boxes count; an error is in parts of the picture.
_BOXES = 0.4
#: How far pictures are moved at most, in cells of the regions.
_SHIFT = 3
_WARM_STEPS = 120
#: Of the average of the weights over the last steps, which is what is kept in the end.
_DECAY = 0.998


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the training: its steps, its highest and its last learning rate.

    ``films`` are shown in each step, and ``pairs`` of films besides, with questions on all of them
    if ``asks``. With ``looks`` the vision tower is trained, by its own heads too, with ``boxes``
    also by that of whole boxes. ``dull`` is the
    part of the pictures that are shown with little contrast, as films with a wide window are.
    """

    steps: int
    rate: float
    last_rate: float
    films: int
    pairs: int
    asks: bool
    looks: bool
    boxes: bool = False
    dull: float = 0.0


#: First the tower alone is shown where things are, then the questions are learnt from what it
#: sees, in the end both together.
PARTS = (
    Part(2400, 1.0e-3, 1.5e-4, films=32, pairs=0, asks=False, looks=True),
    Part(300, 1.5e-3, 6.0e-4, films=20, pairs=14, asks=True, looks=False, dull=0.3),
    Part(1000, 7.0e-4, 5.0e-6, films=20, pairs=14, asks=True, looks=True, boxes=True, dull=0.3),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and on what is trained; ``files`` of the pool hold 500 films each."""

    files: int = 50
    parts: tuple[Part, ...] = PARTS
    seed: int = 1

    @property
    def steps(self) -> int:
        """Of all parts."""
        return sum(part.steps for part in self.parts)

    def at(self, step: int) -> tuple[Part, int]:
        """The part that a step (from 0) belongs to, and its place in it."""
        for part in self.parts:
            if step < part.steps:
                return part, step
            step -= part.steps
        raise ValueError("the plan is done")


@dataclass(slots=True)
class _Run:
    """Everything that a step changes."""

    model: Any
    heads: Any
    optimizer: Any
    average: dict[str, Tensor]
    step: int = 0


def main(
    folder: Path, vocabulary: Vocabulary, plan: Plan, *, device: str = "cpu", processes: int = 2
) -> Iterator[dict[str, float]]:
    """Train in ``folder`` until the plan is done; yields the figures of each step.

    The checkpoint is written to ``folder/checkpoint`` at the end, and the state every 100 steps.
    """
    for done in pool.draw(folder / "pool", plan.files, processes):
        yield {"drawn": done, "of": plan.files}
    films = pool.load(folder / "pool", plan.files)
    run, processor = _begin(plan, device)
    if (folder / _STATE).exists():
        _restore(run, folder / _STATE)
    writer = Writer(processor)
    while run.step < plan.steps:
        began = time.perf_counter()
        figures = _step(run, plan, films, writer, vocabulary)
        run.step += 1
        figures |= {"step": run.step, "seconds": time.perf_counter() - began}
        with (folder / _LOG).open("a", encoding="utf-8") as log:
            log.write(json.dumps({k: round(v, 5) for k, v in figures.items()}) + "\n")
        if run.step % _SAVED_EVERY == 0 or run.step == plan.steps:
            _save(run, folder / _STATE)
        yield figures
    _write(run, processor, folder / "checkpoint")


def _begin(plan: Plan, device: str) -> tuple[_Run, Any]:
    import torch

    model, processor = architecture.build(plan.seed)
    _smooth_numbers(model, processor.tokenizer, plan.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        heads = dense.heads(
            architecture.VISION_HIDDEN,
            architecture.HIDDEN,
            architecture.IMAGE_SIDE // architecture.PATCH,
            round(architecture.TOKENS_PER_IMAGE**0.5),
        )
    model.to(device).train()
    heads.to(device)
    weights = [*model.parameters(), *heads.parameters()]
    decayed = [weight for weight in weights if weight.dim() > 1]
    plain = [weight for weight in weights if weight.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": 0.03}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.98))
    average = {name: value.detach().clone() for name, value in model.state_dict().items()}
    return _Run(model, heads, optimizer, average), processor


def _smooth_numbers(model: Any, tokenizer: Any, seed: int) -> None:
    """Numbers that are near have vectors that are near, before anything is learnt."""
    import torch

    from models.demonstration.tokenizer import number_ids

    ids = number_ids(tokenizer)
    rng = np.random.default_rng(seed)
    embedding = model.get_input_embeddings().weight
    waves = 24
    frequency = np.geomspace(0.5, 60, waves)[None, :] * np.pi
    at = np.linspace(0, 1, len(ids))[:, None] * frequency
    shape = np.concatenate([np.sin(at), np.cos(at)], axis=1) / np.sqrt(waves)
    mixed = shape @ rng.standard_normal((2 * waves, embedding.shape[1]))
    with torch.no_grad():
        embedding[ids] = torch.tensor(mixed * architecture.INITIAL_STD, dtype=embedding.dtype)


def _step(
    run: _Run, plan: Plan, films: pool.Pool, writer: Writer, vocabulary: Vocabulary
) -> dict[str, float]:
    import torch

    part, place = plan.at(run.step)
    rng = np.random.default_rng([plan.seed, run.step])
    for group in run.optimizer.param_groups:
        group["lr"] = _rate(part, place)
    chosen = _chosen(rng, part, films)
    pictures, covered = _tensors(rng, films, chosen, shifted=not part.asks, dull=part.dull)
    device = run.model.device
    figures: dict[str, float] = {}
    total = torch.zeros((), device=device)
    with torch.autocast(device.type, torch.bfloat16):
        with torch.set_grad_enabled(part.looks):
            patches, tokens = looked_at(run.model, pictures.to(device))
        if part.looks:
            seen = dense.loss(run.heads, patches, tokens, covered.to(device))
            total = total + seen
            figures["dense"] = seen.item()
        if part.boxes:
            where = torch.from_numpy(films.boxes[[film for group in chosen for film in group]])
            apart = dense.box_loss(run.heads, tokens, covered.to(device), where.to(device))
            total = total + _BOXES * apart
            figures["boxes"] = apart.item()
        if part.asks:
            scenes = _lessons(rng, films, chosen, vocabulary)
            more, told = _taught(run, tokens, writer, scenes)
            total = total + more
            figures |= told
    torch.autograd.backward(total)
    weights = [weight for group in run.optimizer.param_groups for weight in group["params"]]
    norm = torch.nn.utils.clip_grad_norm_(weights, 1.0)
    run.optimizer.step()
    run.optimizer.zero_grad(set_to_none=True)
    decay = min(_DECAY, (run.step + 1) / (run.step + 10))
    with torch.no_grad():
        for name, value in run.model.state_dict().items():
            run.average[name].lerp_(value, 1 - decay)
    return figures | {"loss": total.item(), "norm": norm.item()}


def _taught(
    run: _Run, tokens: Tensor, writer: Writer, scenes: list[list[Lesson]]
) -> tuple[Tensor, dict[str, float]]:
    """The loss of all lessons: those on one picture, and those on two."""
    import torch

    total = torch.zeros((), device=tokens.device)
    figures: dict[str, float] = {}
    for pictures in (1, 2):
        some = [scene for scene in scenes if len(scene[0].pictures) == pictures]
        if some:
            batch = writer.batch(some)
            for name, off in loss(said(run.model, tokens, batch), batch, writer.numbers).items():
                total = total + off
                figures[f"{name}{pictures}"] = off.item()
    return total, figures


def _lessons(
    rng: np.random.Generator,
    films: pool.Pool,
    chosen: list[tuple[int, ...]],
    vocabulary: Vocabulary,
) -> list[list[Lesson]]:
    """Of each film or pair its lessons; pictures are numbered as they were shown."""
    scenes, number = [], 0
    for group in chosen:
        if len(group) == 1:
            scenes.append(of_film(rng, number, films.shown[group[0]], vocabulary))
        else:
            scenes.append(of_pair(number, number + 1, films.changes[group], vocabulary))
        number += len(group)
    return [scene for scene in scenes if scene]


def _chosen(rng: np.random.Generator, part: Part, films: pool.Pool) -> list[tuple[int, ...]]:
    """The films of a step, by number: single ones, then pairs."""
    singles = rng.integers(len(films.shown), size=part.films)
    pairs = rng.integers(len(films.pairs), size=part.pairs)
    return [(int(i),) for i in singles] + [films.pairs[int(i)] for i in pairs]


def _tensors(
    rng: np.random.Generator,
    films: pool.Pool,
    chosen: list[tuple[int, ...]],
    *,
    shifted: bool,
    dull: float,
) -> tuple[Tensor, Tensor]:
    """Pictures as the image processor makes them, shown a little brighter or darker each time.

    With ``shifted`` each is also moved by some cells, with the regions in it; ``dull`` is the part
    of them that is shown between two greys near each other.
    """
    import torch

    flat = [film for group in chosen for film in group]
    pictures, covered = films.pictures[flat], films.covered[flat]
    if shifted:
        for place, (down, right) in enumerate(rng.integers(-_SHIFT, _SHIFT + 1, (len(flat), 2))):
            pictures[place] = _moved(pictures[place], down * pool.CELL, right * pool.CELL)
            covered[place] = _moved(covered[place], down, right)
    bend = np.exp(rng.uniform(-0.25, 0.25, (len(flat), 1, 1))).astype(np.float32)
    gain = rng.uniform(0.85, 1.0, (len(flat), 1, 1)).astype(np.float32)
    grey = (pictures.astype(np.float32) / 255) ** bend * gain
    for place in np.flatnonzero(rng.random(len(flat)) < dull):
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


def _rate(part: Part, place: int) -> float:
    """Up in the first steps, then down along a cosine."""
    warm = min(1.0, (place + 1) / _WARM_STEPS)
    fall = 0.5 * (1 + math.cos(math.pi * place / part.steps))
    return warm * (part.last_rate + (part.rate - part.last_rate) * fall)


def _save(run: _Run, path: Path) -> None:
    import torch

    state = {
        "model": run.model.state_dict(),
        "heads": run.heads.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "average": run.average,
        "step": run.step,
    }
    aside = path.with_suffix(".new")
    torch.save(state, aside)
    aside.replace(path)


def _restore(run: _Run, path: Path) -> None:
    import torch

    state = torch.load(path, map_location=run.model.device, weights_only=True)
    run.model.load_state_dict(state["model"])
    run.heads.load_state_dict(state["heads"])
    run.optimizer.load_state_dict(state["optimizer"])
    run.average = state["average"]
    run.step = state["step"]


def _write(run: _Run, processor: Any, folder: Path) -> None:
    run.model.load_state_dict(run.average)
    architecture.write(run.model.eval(), processor, folder)
