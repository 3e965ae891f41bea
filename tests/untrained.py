"""A small Gemma 3 that nobody trained, for tests of what must hold of any weights."""

from __future__ import annotations

from pathlib import Path

import torch

from models.demonstration.training import architecture


def write_untrained(folder: Path, seed: int = 52) -> Path:
    """Write such a model. It has no note: it identifies itself as a model that a site chose.

    Its weights are much larger than those that a training begins with, so that its noise differs
    from picture to picture. Only its words stay small: else each would be followed by itself.
    """
    model, processor = architecture.build(seed)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for name, weight in sorted(model.named_parameters()):
            if weight.dim() > 1 and "embed_tokens" not in name:
                torch.nn.init.normal_(weight, std=weight.shape[-1] ** -0.5)
    architecture.write_plain(model, processor, folder)
    return folder
