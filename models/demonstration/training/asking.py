"""What a model says to the lessons of a batch, and how far that is from their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.demonstration.training.architecture import WINDOW
from models.demonstration.training.batches import Batch

if TYPE_CHECKING:
    from torch import Tensor

#: Neighbouring numbers are nearly right: the target is spread over them, in thousandths.
_SPREAD = 5.0


def looked_at(model: Any, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Patches (n, patches, width) of the tower, and the tokens that the language model is given."""
    patches = model.model.vision_tower(pixel_values=pictures).last_hidden_state
    return patches, model.model.multi_modal_projector(patches)


def said(model: Any, tokens: Tensor, batch: Batch) -> Tensor:
    """The logits at the taught places, float32 (places, words).

    ``tokens`` (n, tokens, hidden) are those of all pictures that the batch names by number.
    """
    device = tokens.device
    ids = batch.ids.to(device)
    embedded = model.get_input_embeddings()(ids)
    is_image = (batch.picture > 0).to(device)[:, :, None].expand_as(embedded)
    shown = tokens[batch.pictures.flatten().to(device)].to(embedded.dtype)
    hidden = model.model.language_model(
        inputs_embeds=embedded.masked_scatter(is_image, shown),
        attention_mask={name: mask.to(device) for name, mask in batch.masks(WINDOW).items()},
        position_ids=batch.places.to(device),
        use_cache=False,
    ).last_hidden_state
    logits: Tensor = model.lm_head(hidden[batch.at]).float()
    return logits


def loss(logits: Tensor, batch: Batch, numbers: list[int]) -> dict[str, Tensor]:
    """Of the words, summed over each answer, and of the numbers, each with its neighbours.

    ``numbers`` are the tokens of the numbers from 0 on. Most words of an answer are always the
    same; what decides is one of them, so they are not averaged over the answer.
    """
    import torch

    device = logits.device
    chances = torch.log_softmax(logits, dim=-1)
    number, following = batch.number.to(device), batch.next.to(device)
    is_number = number >= 0
    words = chances[~is_number].gather(1, following[~is_number, None])
    off = {"words": -words.sum() / batch.lessons}
    if is_number.any():
        at = torch.arange(len(numbers), device=device)[None]
        near = torch.exp(-((at - number[is_number, None]) ** 2) / (2 * _SPREAD**2))
        near /= near.sum(dim=1, keepdim=True)
        written = chances[is_number][:, torch.tensor(numbers, device=device)]
        off["numbers"] = -(near * written).sum(dim=1).mean()
    return off
