"""The training: phantoms in, the checkpoint out. On the CPU or on one GPU, by the same code.

What is learnt when is said in the plan. Each step draws its films and lessons from the seed and its
own number, so a run that was stopped goes on as if it had not been.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import numpy as np

from dicom_node.errors import Misconfigured
from dicom_node.vocabulary import Vocabulary
from models.demonstration.training import architecture, asking, basis, dense, pool
from models.demonstration.training.batches import Writer
from models.demonstration.training.plan import Plan
from models.demonstration.training.steps import losses

if TYPE_CHECKING:
    from torch import Tensor

#: Of the training: where it stands, in its folder.
_STATE, _LOG = "state.pt", "log.jsonl"
#: Of the average of the weights over the last steps, which is what is kept in the end.
_DECAY = 0.998
#: Of AdamW. It averages squares of the gradient over about 50 steps: its own 0.999 would look back
#: over 1000, much of a part. Each step takes this part of its rate from a weight: in a whole
#: training less than a tenth of one that nothing holds up.
_SQUARES, _WEIGHT_DECAY = 0.98, 0.03
#: The numbers begin as sine and cosine of so many waves, 48 of the 192 directions of a vector. In
#: half turns over the whole scale: the slowest tells low from high, the fastest turns once in 33
#: numbers, so that neighbours differ, but little.
_WAVES, _SLOWEST, _FASTEST = 24, 0.5, 60


@dataclass(slots=True)
class _Run:
    """Everything that a step changes."""

    model: Any
    heads: Any
    optimizer: Any
    average: dict[str, Tensor]
    before: dict[str, Tensor]  # the average with which the present part began; empty in the first
    step: int = 0


def main(
    folder: Path, vocabulary: Vocabulary, plan: Plan, *, device: str = "cpu", processes: int = 2
) -> Iterator[dict[str, float]]:
    """Train in ``folder`` until the plan is done; yields the figures of each step.

    The checkpoint is written to ``folder/checkpoint`` at the end. The state is kept now and then,
    so that a run that was stopped goes on.

    Raises:
        Misconfigured: what is in the folder was trained on something else or is damaged, or there
            is no such device; nothing was done yet.
    """
    _must_have(device)
    stands_on = basis.now(plan, vocabulary)
    if (folder / _STATE).exists():
        basis.check(folder / _STATE, _load(folder / _STATE, "cpu").get("basis"), stands_on)
    for done in pool.draw(folder / "pool", plan.files, processes):
        yield {"drawn": done, "of": plan.files}
    films = pool.load(folder / "pool", plan.files)
    run, processor = _begin(plan, device)
    if (folder / _STATE).exists():
        _restore(run, folder / _STATE)
    _cut(folder / _LOG, run.step)
    writer = Writer(processor)
    while run.step < plan.steps:
        began = time.perf_counter()
        figures = _step(run, plan, films, writer, vocabulary)
        run.step += 1
        figures |= {"step": run.step, "seconds": time.perf_counter() - began}
        with (folder / _LOG).open("a", encoding="utf-8") as log:
            log.write(json.dumps({k: round(v, 5) for k, v in figures.items()}) + "\n")
        if run.step % plan.saved_every == 0 or run.step == plan.steps:
            _save(run, stands_on, folder / _STATE)
        yield figures
    before = run.before or run.average
    kept = {name: before[name].lerp(last, plan.last) for name, last in run.average.items()}
    run.model.load_state_dict(kept)
    written = folder / "checkpoint"
    architecture.write(run.model.eval(), processor, written, stands_on.questions)


def _must_have(device: str) -> None:
    import torch

    if device != "cpu" and not torch.cuda.is_available():
        raise Misconfigured(f"PyTorch finds no GPU here: --device {device} cannot be used")


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
        heads.update(asking.heads(architecture.HIDDEN))
    model.to(device).train()
    heads.to(device)
    weights = [*model.parameters(), *heads.parameters()]
    decayed = [weight for weight in weights if weight.dim() > 1]
    plain = [weight for weight in weights if weight.dim() <= 1]
    groups = [
        {"params": decayed, "weight_decay": _WEIGHT_DECAY},
        {"params": plain, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, _SQUARES))
    average = {name: value.detach().clone() for name, value in model.state_dict().items()}
    return _Run(model, heads, optimizer, average, {}), processor


def _smooth_numbers(model: Any, tokenizer: Any, seed: int) -> None:
    """Numbers that are near have vectors that are near, before anything is learnt."""
    import torch

    from models.demonstration.training.tokenizer import number_ids

    ids = number_ids(tokenizer)
    rng = np.random.default_rng(seed)
    embedding = model.get_input_embeddings().weight
    frequency = np.geomspace(_SLOWEST, _FASTEST, _WAVES)[None, :] * np.pi
    at = np.linspace(0, 1, len(ids))[:, None] * frequency
    shape = np.concatenate([np.sin(at), np.cos(at)], axis=1) / np.sqrt(_WAVES)
    mixed = shape @ rng.standard_normal((2 * _WAVES, embedding.shape[1]))
    with torch.no_grad():
        embedding[ids] = torch.tensor(mixed * architecture.INITIAL_STD, dtype=embedding.dtype)


def _step(
    run: _Run, plan: Plan, films: pool.Pool, writer: Writer, vocabulary: Vocabulary
) -> dict[str, float]:
    import torch

    part, place = plan.at(run.step)
    if place == 0 and run.step:  # the next part goes on from the average, which is better
        run.model.load_state_dict(run.average)
        run.before = {name: value.clone() for name, value in run.average.items()}
    for group in run.optimizer.param_groups:
        group["lr"] = part.rate_at(place)
    rng = np.random.default_rng([plan.seed, run.step])
    off = losses(
        rng,
        part,
        films,
        model=run.model,
        heads=run.heads,
        writer=writer,
        vocabulary=vocabulary,
    )
    total = torch.stack(list(off.values())).sum()
    torch.autograd.backward(total)
    weights = [weight for group in run.optimizer.param_groups for weight in group["params"]]
    norm = torch.nn.utils.clip_grad_norm_(weights, 1.0)
    run.optimizer.step()
    run.optimizer.zero_grad(set_to_none=True)
    decay = min(_DECAY, (run.step + 1) / (run.step + 10))
    with torch.no_grad():
        for name, value in run.model.state_dict().items():
            run.average[name].lerp_(value, 1 - decay)
    figures = off | {"loss": total, "norm": norm}
    return {name: value.item() for name, value in figures.items()}


def _cut(log: Path, step: int) -> None:
    """Of the log only the lines of the first steps are left: those after will be logged again."""
    if log.exists():
        with log.open(encoding="utf-8") as lines:
            kept = list(islice(lines, step))
        aside = log.with_suffix(".new")
        aside.write_text("".join(kept), encoding="utf-8")
        aside.replace(log)


def _save(run: _Run, stands_on: basis.Basis, path: Path) -> None:
    import torch

    state = {
        "basis": asdict(stands_on),
        "model": run.model.state_dict(),
        "heads": run.heads.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "average": run.average,
        "before": run.before,
        "step": run.step,
    }
    aside = path.with_suffix(".new")
    torch.save(state, aside)
    aside.replace(path)


def _load(path: Path, device: Any) -> dict[str, Any]:
    import torch

    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except (RuntimeError, UnpicklingError, EOFError) as error:
        raise Misconfigured(
            f"{path}: is damaged ({type(error).__name__}): delete it to begin again"
        ) from None
    return state


def _restore(run: _Run, path: Path) -> None:
    state = _load(path, run.model.device)
    run.model.load_state_dict(state["model"])
    run.heads.load_state_dict(state["heads"])
    run.optimizer.load_state_dict(state["optimizer"])
    run.average = state["average"]
    run.before = state["before"]
    run.step = state["step"]
