from __future__ import annotations

import gc
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dicom_node.errors import BadAnswer
from models.demonstration.training.architecture import WINDOW
from models.engines.base import Choices, FreeText, Numbers, Request
from models.engines.gemma import Gemma

YES_OR_NO = Choices(("Final Answer: yes", "Final Answer: no"))


def blocks(seed: int) -> NDArray[np.uint8]:
    """Random blocks, so that pictures of different seeds differ at every scale."""
    coarse = np.random.default_rng(seed).integers(0, 256, (10, 10), dtype=np.uint8)
    return np.kron(coarse, np.ones((30, 30), np.uint8))


def plain_inputs(engine: Gemma, request: Request) -> Any:
    """What the processor of transformers itself makes of a request, pixels included."""
    images = [np.repeat(image[:, :, None], 3, axis=2) for image in request.images]
    content: list[dict[str, Any]] = [{"type": "image", "image": image} for image in images]
    content.append({"type": "text", "text": request.prompt})
    return engine._processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )


@pytest.mark.parametrize("count", [1, 2])
def test_encoding_images_once_changes_no_token(tiny: Gemma, count: int) -> None:
    images = tuple(blocks(seed) for seed in range(count))
    request = Request(images, "How has the pleural effusion changed?")
    plain = plain_inputs(tiny, request)
    assert "pixel_values" in plain
    ours = tiny.inputs(request)
    for name in ("input_ids", "attention_mask", "token_type_ids"):
        assert torch.equal(ours[name], plain[name]), name
    # Before the last new token what is attended to is longer than the window.
    assert ours["input_ids"].shape[1] + (0 if count == 2 else 40) > WINDOW

    expected = tiny._model.generate(**plain, do_sample=False, max_new_tokens=40)
    expected = expected[0, plain["input_ids"].shape[1] :].tolist()

    assert tiny._generated(ours, max_new_tokens=40) == expected
    assert len(set(expected)) > 3  # else the noise says too little to compare


def test_the_answer_depends_on_which_image_is_earlier(tiny: Gemma) -> None:
    first, second = blocks(1), blocks(2)
    one, other = tiny.answer(
        [Request(pair, "Changed?", YES_OR_NO) for pair in ((first, second), (second, first))]
    )
    assert one.scores != other.scores


def test_each_picture_is_encoded_once_as_long_as_it_lives(tiny: Gemma) -> None:
    seen: list[int] = []
    tower = tiny._model.model.vision_tower
    hook = tower.register_forward_hook(lambda *_: seen.append(1))
    try:
        first, second = blocks(1), blocks(2)
        asks = [Request((first,), "a"), Request((first, second), "b"), Request((second,), "c")]
        tiny.answer([replace(ask, form=form) for ask in asks for form in (FreeText(), YES_OR_NO)])
        tiny.answer(asks)
        assert len(seen) == 2
        known = len(tiny._features)
        del first, second, asks
        gc.collect()
        assert len(tiny._features) == known - 2
    finally:
        hook.remove()


def test_scores_of_choices_are_the_likelihoods_of_whole_options(
    tiny: Gemma, picture: NDArray[np.uint8]
) -> None:
    """Against the plain way: one forward pass with pixels for each whole option."""
    options = ("Final Answer: yes", "Final Answer: no", "I see nothing.")
    request = Request((picture,), "Is there a fracture?", Choices(options))
    plain = plain_inputs(tiny, request)
    start = plain["input_ids"].shape[1]
    sums = []
    for option in options:
        ids = tiny._tokenizer(option, add_special_tokens=False, return_tensors="pt")["input_ids"]
        whole = torch.cat([plain["input_ids"], ids], dim=1)
        types = torch.cat([plain["token_type_ids"], torch.zeros_like(ids)], dim=1)
        with torch.inference_mode():
            logits = tiny._model(
                input_ids=whole, pixel_values=plain["pixel_values"], token_type_ids=types
            ).logits[0]
        steps = torch.log_softmax(logits.float(), -1)[start - 1 : -1]
        sums.append(steps.gather(1, ids[0][:, None]).sum())
    expected = torch.softmax(torch.stack(sums), 0).tolist()

    (answer,) = tiny.answer([request])

    assert answer.scores == pytest.approx(expected, rel=1e-4)
    assert sum(answer.scores or ()) == pytest.approx(1)
    assert answer.text == options[int(np.argmax(expected))]


def test_scores_change_with_the_image(tiny: Gemma) -> None:
    answers = tiny.answer([Request((blocks(seed),), "Is there?", YES_OR_NO) for seed in range(3)])
    scores = [answer.scores for answer in answers]
    assert len(set(scores)) == 3


@pytest.mark.parametrize("form", [Numbers(4, 0, 1000), Numbers(4, 0, 1000, "Final: ", apart=10)])
def test_constrained_numbers_always_parse(tiny: Gemma, form: Numbers) -> None:
    requests = [
        Request((blocks(seed),), f"Where is the {what}?", form)
        for seed in range(4)
        for what in ("heart", "left lung", "mass")
    ]
    for answer in tiny.answer(requests):
        numbers = json.loads(answer.text)
        assert len(numbers) == 4
        assert all(type(number) is int and 0 <= number <= 1000 for number in numbers)
        if form.apart:
            assert numbers[2] - numbers[0] >= form.apart
            assert numbers[3] - numbers[1] >= form.apart


def ids_of(engine: Gemma, *parts: str) -> list[int]:
    ids: list[int] = []
    for part in parts:
        ids += engine._tokenizer(part, add_special_tokens=False)["input_ids"]
    return ids


def test_the_thinking_trace_is_removed(tiny: Gemma) -> None:
    thought = [tiny._tokenizer.convert_tokens_to_ids("<unused94>")]
    thought += ids_of(tiny, "thought\nno? Final Answer: no")
    thought += [tiny._tokenizer.convert_tokens_to_ids("<unused95>")]
    end = [tiny._tokenizer.convert_tokens_to_ids("<end_of_turn>")]
    assert tiny.spoken(thought + ids_of(tiny, "Final Answer: yes") + end) == "Final Answer: yes"
    assert tiny.spoken(ids_of(tiny, "Final Answer: yes")) == "Final Answer: yes"
    with pytest.raises(BadAnswer, match="still thinking"):
        tiny.spoken(thought[:-1])
    with pytest.raises(BadAnswer, match="still thinking"):
        tiny.spoken(thought + thought[:-1])


def test_a_model_that_only_thinks_gives_a_broken_answer(
    tiny: Gemma, picture: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = tiny._tokenizer.convert_tokens_to_ids("<unused94>")
    monkeypatch.setattr(tiny, "_generated", lambda *_, **__: [opened, opened + 5])
    (answer,) = tiny.answer([Request((picture,), "Is there?")])
    assert answer.text == ""
    assert "still thinking" in answer.broken


def test_a_prompt_cannot_smuggle_an_image_in(tiny: Gemma, picture: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="stands for an image"):
        tiny.inputs(Request((picture,), "Is there <start_of_image> in it?"))
