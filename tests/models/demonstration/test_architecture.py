from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dicom_node.report import Weights
from models.demonstration.training import architecture, tokenizer
from models.engines import demonstration, weights
from models.questions import QUESTIONS

MOST = 12_000_000  # bytes of the whole folder, with the model card


@pytest.fixture(scope="module")
def built() -> tuple[Any, Any]:
    return architecture.build(1)


@pytest.fixture(scope="module")
def folder(built: tuple[Any, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As after a training that moved one weight."""
    model, processor = built
    path = tmp_path_factory.mktemp("written") / "checkpoint"
    norm = model.model.multi_modal_projector.mm_soft_emb_norm.weight
    with torch.no_grad():
        norm[0] = 0.25
    versions = {name: question.VERSION for name, question in QUESTIONS.items()}
    architecture.write(model, processor, path, versions)
    with torch.no_grad():
        norm[0] = 0
    return path


def test_it_is_a_gemma_3_with_all_of_its_parts(built: tuple[Any, Any]) -> None:
    model, processor = built
    text = model.config.text_config
    assert type(model).__name__ == "Gemma3ForConditionalGeneration"
    assert type(processor).__name__ == "Gemma3Processor"
    assert set(text.layer_types) == {"sliding_attention", "full_attention"}
    assert model.lm_head.weight is model.model.language_model.embed_tokens.weight
    assert {one.dtype for one in model.parameters()} == {torch.float32}
    assert len(processor.tokenizer) == text.vocab_size


def test_the_same_seed_gives_the_same_weights_and_leaves_randomness_alone(
    built: tuple[Any, Any],
) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    again, _ = architecture.build(1)
    assert torch.equal(torch.rand(3), expected)
    other, _ = architecture.build(2)
    ours = built[0].state_dict()
    assert all(torch.equal(one, ours[name]) for name, one in again.state_dict().items())
    name = "model.language_model.embed_tokens.weight"
    assert not torch.equal(other.state_dict()[name], ours[name])


def test_untrained_weights_let_a_training_begin(built: tuple[Any, Any]) -> None:
    """Image tokens are as large as words are, and every weight is told which way to go."""
    model, processor = built
    grey = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    pixels = processor.image_processor(grey, return_tensors="pt")["pixel_values"]
    features = model.get_image_features(pixels, return_dict=True).pooler_output
    ids = torch.tensor([tokenizer.number_ids(processor.tokenizer)[:100]])
    spoken = model.model.language_model.embed_tokens(ids)
    assert features.std().item() == pytest.approx(spoken.std().item(), rel=0.2)
    model.zero_grad()
    image = torch.full((1, architecture.TOKENS_PER_IMAGE), processor.tokenizer.image_token_id)
    whole = torch.cat([image, ids], dim=1)
    types = (whole == processor.tokenizer.image_token_id).long()
    model(input_ids=whole, pixel_values=pixels, token_type_ids=types, labels=whole).loss.backward()
    still = [
        name for name, one in model.named_parameters() if one.grad is None or not one.grad.any()
    ]
    model.zero_grad()
    assert still == []


def test_an_untrained_model_is_not_written_as_the_demonstration(
    built: tuple[Any, Any], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="not trained"):
        architecture.write(*built, tmp_path, {})
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_small_and_says_what_it_holds(folder: Path) -> None:
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert sum(sizes.values()) < MOST - 200_000, sizes
    before = weights.digest(folder)
    assert weights.kind(folder) is Weights.DEMONSTRATION
    weights.check(folder)
    assert demonstration.pin(folder) == before  # the mark is there, so nothing changes
    assert json.loads((folder / "config.json").read_text())["dtype"] == "bfloat16"


def test_writing_leaves_the_model_as_it_is(folder: Path, built: tuple[Any, Any]) -> None:
    assert folder.is_dir()
    assert {one.dtype for one in built[0].parameters()} == {torch.float32}
