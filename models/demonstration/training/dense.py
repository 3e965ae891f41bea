"""What the vision tower is taught directly: which part of each small cell every region covers.

The answers alone teach a tower that knows nothing too little: one number for a whole picture. These
heads look at its patches and at the tokens that the language model is given, and are thrown away
after the training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.demonstration.training.architecture import IMAGE_SIDE
from models.demonstration.training.pool import CELL, REGIONS

if TYPE_CHECKING:
    from torch import Tensor

#: How much each region counts; what is small and rare would not count at all otherwise.
_WEIGHTS = {
    "right lung": 0.5,
    "left lung": 0.5,
    "cardiac silhouette": 1.0,
    "nodule": 3.0,
    "mass": 2.0,
    "consolidation": 2.0,
    "pleural effusion": 1.5,
    "pneumothorax": 1.5,
}
#: A covered cell of a finding counts so many times an uncovered one.
_COVERED = {"nodule": 12.0, "mass": 4.0, "consolidation": 4.0}
#: How much the overlap of a whole region counts beside its single cells. It is there for the small
#: ones, whose cells are few among those that are right without them; a little is enough for that.
_OVERLAP = 0.15
_CELLS = IMAGE_SIDE // CELL


def heads(width: int, hidden: int, patches: int, tokens: int) -> Any:
    """Two linear maps: from ``patches`` by ``patches`` of the tower, and from the tokens."""
    import torch

    per_patch, per_token = (_CELLS // patches) ** 2, (_CELLS // tokens) ** 2
    return torch.nn.ModuleDict(
        {
            "patch": torch.nn.Linear(width, len(REGIONS) * per_patch),
            "token": torch.nn.Linear(hidden, len(REGIONS) * per_token),
        }
    )


def loss(heads_: Any, patches: Tensor, tokens: Tensor, covered: Tensor) -> Tensor:
    """How far both heads are from the truth.

    ``patches`` (n, patches, width) and ``tokens`` (n, tokens, hidden) in reading order,
    ``covered`` (n, regions, cells, cells) from 0 to 1.
    """
    return _loss(heads_["patch"](patches), covered) + _loss(heads_["token"](tokens), covered)


def _loss(said: Tensor, covered: Tensor) -> Tensor:
    import torch

    logits = as_map(said).float()
    often = logits.new_tensor([_COVERED.get(name, 1.0) for name in REGIONS])[:, None, None]
    each = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, covered, pos_weight=often, reduction="none"
    ).mean(dim=(0, 2, 3))
    chance = torch.sigmoid(logits)
    shared = (chance * covered).sum(dim=(2, 3))
    there = covered.sum(dim=(2, 3))
    overlap = 1 - (2 * shared + 1) / (chance.sum(dim=(2, 3)) + there + 1)
    seen = (there > 0).float()
    missed = (overlap * seen).sum(0) / seen.sum(0).clamp(min=1)
    weights = logits.new_tensor([_WEIGHTS[name] for name in REGIONS])
    return ((each + _OVERLAP * missed) * weights).sum() / weights.sum()


def as_map(said: Tensor) -> Tensor:
    """(n, places, regions * part * part) in reading order as (n, regions, cells, cells)."""
    number, places, _ = said.shape
    grid = round(places**0.5)
    part = _CELLS // grid
    parts = said.view(number, grid, grid, len(REGIONS), part, part)
    return parts.permute(0, 3, 1, 4, 2, 5).reshape(number, len(REGIONS), _CELLS, _CELLS)
