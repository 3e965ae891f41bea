"""What a model says to the lessons of a batch, and how far that is from their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.demonstration.training.architecture import WINDOW
from models.demonstration.training.batches import Batch

if TYPE_CHECKING:
    from torch import Tensor

#: Neighbouring numbers are nearly right: the target is spread over them, in thousandths.
_SPREAD = 5.0
#: How much it counts to know number and growth before they are put into words.
_KNOWN, _GROWN = 1.0, 0.4
#: From here on an error pulls with full force: 20 thousandths of a picture, a tenth of a doubling.
#: Below, it pulls less the smaller it is: there the words decide.
_NEAR, _NEAR_GROWN = 0.02, 0.1


def looked_at(model: Any, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Patches (n, patches, width) of the tower, and the tokens that the language model is given."""
    patches = model.model.vision_tower(pixel_values=pictures).last_hidden_state
    return patches, model.model.multi_modal_projector(patches)


def heads(hidden: int) -> Any:
    """Two linear maps from what the model holds before it speaks: a number's part of 1, a growth.

    A thousand words for a number teach a model slowly that knows none of them; how far off it is
    teaches it at once. They are thrown away after the training.
    """
    import torch

    return torch.nn.ModuleDict(
        {"number": torch.nn.Linear(hidden, 1), "growth": torch.nn.Linear(hidden, 1)}
    )


def held(model: Any, tokens: Tensor, batch: Batch) -> Tensor:
    """What the model holds at the taught places, (places, hidden).

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
    at: Tensor = hidden[batch.at]
    return at


def known(heads_: Any, hidden: Tensor, batch: Batch) -> dict[str, Tensor]:
    """How far what the model holds is from the numbers and growths that it is about to say."""
    import torch

    device = hidden.device
    truth = {"number": batch.number.to(device) / 1000, "growth": batch.growth.to(device)}
    asked = {"number": batch.number.to(device) >= 0, "growth": ~truth["growth"].isnan()}
    weight, near = {"number": _KNOWN, "growth": _GROWN}, {"number": _NEAR, "growth": _NEAR_GROWN}
    return {
        f"held {name}": weight[name]
        * torch.nn.functional.smooth_l1_loss(
            heads_[name](hidden[asked[name]]).float()[:, 0],
            truth[name][asked[name]].float(),
            beta=near[name],
        )
        for name in truth
        if asked[name].any()
    }


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
