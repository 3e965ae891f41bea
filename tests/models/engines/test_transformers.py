from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from dicom_node.errors import Misconfigured
from dicom_node.report import Weights
from models.engines import ENGINES, transformers, weights
from models.engines.base import Choices, EngineOptions, FreeText, Identity, Numbers, Request
from models.engines.gemma import Gemma

HUB_ID = "google/medgemma-1.5-4b-it"
REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def copy(tiny_folder: Path, tmp_path: Path) -> Path:
    """A folder of its own, to be spoilt."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "some-model"))


def load(options: EngineOptions, model: object, revision: str = "") -> Gemma:
    chosen = replace(options, model=str(model), revision=revision, max_new_tokens=8)
    engine = ENGINES["transformers"](chosen)
    assert isinstance(engine, Gemma)
    return engine


def refused(options: EngineOptions, model: object, revision: str = "") -> str:
    with pytest.raises(Misconfigured) as caught:
        load(options, model, revision)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_folder_is_loaded_and_named_without_its_path(options: EngineOptions, copy: Path) -> None:
    identity = load(options, copy).identity
    assert identity.name == "transformers"
    assert identity.model == "some-model"
    assert identity.weights is Weights.MODEL
    assert identity.digest == weights.digest(copy)


def test_nothing_is_assumed_when_no_model_is_named(options: EngineOptions) -> None:
    assert "engine.model is empty" in refused(options, "")


def test_a_missing_folder_says_how_to_get_the_weights(options: EngineOptions) -> None:
    text = refused(options, "/nowhere/medgemma")
    assert "/nowhere/medgemma" in text
    assert f"https://huggingface.co/{HUB_ID}" in text
    assert "hf auth login" in text
    assert "Health AI Developer Foundations" in text


@pytest.mark.parametrize("revision", ["", "main", REVISION[:-1]])
def test_a_hub_id_must_be_pinned(options: EngineOptions, revision: str) -> None:
    text = refused(options, HUB_ID, revision)
    assert "engine.revision" in text
    assert f"https://huggingface.co/{HUB_ID}/commits/main" in text


def test_weights_that_the_hub_does_not_give_are_explained(
    options: EngineOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    text = refused(options, HUB_ID, REVISION)
    assert "the hub cannot be reached" in text
    assert "hf auth login" in text
    assert "Health AI Developer Foundations" in text


@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"]
)
def test_a_folder_that_lacks_a_file_says_which(
    options: EngineOptions, copy: Path, name: str
) -> None:
    (copy / name).unlink()
    assert name.removeprefix("model") in refused(options, copy)


def test_a_folder_without_chat_template_is_refused(options: EngineOptions, copy: Path) -> None:
    (copy / "chat_template.jinja").unlink()
    assert "chat template" in refused(options, copy)


def test_another_architecture_is_refused(options: EngineOptions, copy: Path) -> None:
    (copy / "config.json").write_text(json.dumps({"model_type": "llama"}))
    assert "model_type is llama" in refused(options, copy)


def test_missing_weights_are_not_filled_with_random_ones(
    options: EngineOptions, copy: Path
) -> None:
    path = copy / "model.safetensors"
    state = load_file(path)
    lost = next(name for name in state if "layers.0" in name)
    save_file({name: one for name, one in state.items() if name != lost}, path, {"format": "pt"})
    assert "1 weights are missing" in refused(options, copy)


def test_cut_off_weights_are_refused(options: EngineOptions, copy: Path) -> None:
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])
    assert "cannot be loaded" in refused(options, copy)


_DAMAGE = [
    ("config.json", {"text_config": {"hidden_size": 128}}, "cannot be loaded: .*hidden size"),
    ("config.json", {"text_config": {"num_hidden_layers": 6}}, "cannot be loaded: .*layer_types"),
    ("config.json", {"text_config": {"hidden_size": "big"}}, "cannot be loaded: .*expected int"),
    ("config.json", {"text_config": {"hidden_activation": "foo"}}, "cannot be loaded: .*foo"),
    ("config.json", {"text_config": {"vocab_size": 3000}}, "another shape than config.json says"),
    ("config.json", {"text_config": None}, "config.json: holds no text_config"),
    ("config.json", {"text_config": {"sliding_window": 0}}, "do not answer"),
    ("config.json", {"image_token_index": 5}, "do not answer"),
    ("config.json", {"mm_tokens_per_image": 16}, "do not answer"),
    ("config.json", {"text_config": {"num_hidden_layers": 1, "layer_types": ["full_attention"]}},
     "39 weights have no place in the model"),
    ("processor_config.json", {"image_seq_length": 16}, "do not answer"),
    ("processor_config.json", {"image_processor": {"size": {"height": 128, "width": 128}}},
     "do not answer"),
    ("tokenizer.json", "{}", "processor cannot be loaded"),
    ("tokenizer.json", "[]", "processor cannot be loaded"),
    ("tokenizer_config.json", "{}", "processor cannot be loaded|do not answer"),
    ("chat_template.jinja", "{% if", "do not answer"),
    ("chat_template.jinja", "{{ raise_exception('no') }}", "do not answer: TemplateError"),
    ("chat_template.jinja", "hello", "do not answer: .*the template none"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change", "reason"), _DAMAGE)
def test_a_damaged_folder_is_one_line_when_it_is_opened(
    options: EngineOptions, copy: Path, name: str, change: str | dict[str, Any], reason: str
) -> None:
    """And no traceback, nor an error of the first study."""
    path = copy / name
    if isinstance(change, str):
        path.write_text(change)
    else:
        path.write_text(json.dumps(_changed(json.loads(path.read_text()), change)))
    text = refused(options, copy)
    assert re.search(reason, text), text
    assert str(copy) in text
    assert "ignore_mismatched_sizes" not in text
    assert len(text) < 500


def _changed(stated: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """With these values, at any depth; None takes one out."""
    made = dict(stated)
    for key, value in change.items():
        if value is None:
            del made[key]
        else:
            made[key] = _changed(made[key], value) if isinstance(value, dict) else value
    return made


@pytest.mark.parametrize("part", ["vision_tower", "embed_tokens", "layers.3.mlp"])
def test_weights_that_are_no_numbers_are_refused(
    options: EngineOptions, copy: Path, part: str
) -> None:
    path = copy / "model.safetensors"
    state = load_file(path)
    for name, weight in state.items():
        if part in name:
            weight.fill_(torch.nan)
    save_file(state, path, {"format": "pt"})
    assert "do not answer: BadAnswer: what the model computes is no number" in refused(
        options, copy
    )


def test_fp16_is_never_used_whatever_the_folder_says(options: EngineOptions, copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    config["dtype"] = "float16"
    (copy / "config.json").write_text(json.dumps(config))
    engine = load(options, copy)
    assert {one.dtype for one in engine._model.parameters()} == {torch.float32}


def test_sampling_of_the_folder_is_switched_off(
    options: EngineOptions, copy: Path, picture: NDArray[np.uint8]
) -> None:
    request = Request((picture,), "Is there a fracture?")
    expected = load(options, copy).answer([request])
    sampling = {"do_sample": True, "temperature": 50.0, "top_k": 500, "repetition_penalty": 9.0}
    (copy / "generation_config.json").write_text(json.dumps(sampling))
    assert load(options, copy).answer([request]) == expected


def test_the_image_processor_is_the_one_of_pil(tiny: Gemma) -> None:
    assert type(tiny._processor.image_processor).__name__ == "Gemma3ImageProcessorPil"


def test_cuda_is_not_replaced_by_the_cpu_in_silence(
    options: EngineOptions, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "no CUDA device" in refused(replace(options, device="cuda"), copy)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_the_digest_sees_every_byte_and_every_name(copy: Path, name: str) -> None:
    before = weights.digest(copy)
    assert weights.digest(copy) == before
    path = copy / name
    original = path.read_bytes()
    path.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
    assert weights.digest(copy) != before
    path.write_bytes(original)
    assert weights.digest(copy) == before
    path.rename(copy / f"{path.stem}2{path.suffix}")  # in the same place of the alphabet
    assert weights.digest(copy) != before


def test_the_note_says_what_the_weights_are(copy: Path) -> None:
    note = copy / weights.NOTE
    assert weights.kind(copy) is Weights.MODEL
    note.write_text('{"weights": "demonstration"}')
    assert weights.kind(copy) is Weights.DEMONSTRATION
    assert weights.questions(copy) == {}
    note.write_text('{"weights": "demonstration", "questions": {"site": "3"}}')
    assert weights.questions(copy) == {"site": "3"}
    more = '{"weights": "demonstration", "more": 1}'
    for wrong in ('{"weights": "model"}', '{"weights": "random"}', "{}", more, "demonstration"):
        note.write_text(wrong)
        with pytest.raises(Misconfigured, match=weights.NOTE):
            weights.kind(copy)
    note.unlink()
    assert weights.kind(copy) is Weights.MODEL


def test_bf16_goes_all_the_way(tiny_folder: Path, picture: NDArray[np.uint8]) -> None:
    """The arithmetic of a GPU, as far as a CPU has it."""
    engine = Gemma(
        identity=Identity("test", "tiny", Weights.MODEL, ""),
        model=transformers._model(tiny_folder, torch.bfloat16, "cpu"),
        processor=transformers._processor(tiny_folder),
        max_new_tokens=8,
    )
    forms = (FreeText(), Choices(("yes", "no")), Numbers(4, 0, 1000, apart=10))
    free, chosen, numbers = engine.answer(
        [Request((picture, picture), "Is there?", form) for form in forms]
    )
    assert free.text
    assert sum(chosen.scores or ()) == pytest.approx(1)
    assert len(json.loads(numbers.text)) == 4


@pytest.mark.gpu
def test_on_a_gpu_it_is_bf16(
    options: EngineOptions, tiny_folder: Path, picture: NDArray[np.uint8]
) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    engine = transformers.open_folder("transformers", tiny_folder, replace(options, device="cuda"))
    assert {one.dtype for one in engine._model.parameters()} == {torch.bfloat16}
    assert engine._model.device.type == "cuda"
    form = Choices(("Final Answer: yes", "Final Answer: no"))
    free, chosen = engine.answer(
        [Request((picture,), "Is there?"), Request((picture, picture), "Is there?", form)]
    )
    assert free.text
    assert sum(chosen.scores or ()) == pytest.approx(1)
    assert all(np.isfinite(chosen.scores or ()))
