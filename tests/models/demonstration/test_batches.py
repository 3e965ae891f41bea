"""A training's sequence of several questions teaches what the engine is asked one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dicom_node.findings_file import shipped
from models.demonstration.training import architecture
from models.demonstration.training.asking import held, looked_at, loss
from models.demonstration.training.batches import Writer
from models.demonstration.training.lessons import Lesson, of_film, of_pair
from models.demonstration.training.pool import Shown
from models.engines.base import Identity, Request
from models.engines.gemma import Gemma

SHOWN = Shown(
    chest=True,
    findings={"nodule": ("left upper lung zone", (200, 600, 260, 660))},
    anatomy={"right lung": (100, 100, 700, 450), "left lung": (100, 550, 700, 900)},
)


@pytest.fixture(scope="module")
def untrained() -> tuple[Any, Any]:
    import torch

    model, processor = architecture.build(3)
    with torch.no_grad():  # far from even, so that a wrong mask changes what is said
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(3)
    return model.eval(), processor


@pytest.mark.parametrize("pictures", [1, 2])
def test_each_question_of_a_sequence_is_answered_as_if_it_were_alone(
    untrained: tuple[Any, Any], pictures: int
) -> None:
    import torch

    model, processor = untrained
    shown = [np.random.default_rng(n).integers(0, 256, (256, 256), np.uint8) for n in range(2)]
    numbers = tuple(range(pictures))
    lessons = _lessons(numbers)
    writer = Writer(processor)
    pixels = torch.from_numpy(np.stack(shown)).float()[:, None].expand(-1, 3, -1, -1) / 127.5 - 1
    with torch.inference_mode():
        _, tokens = looked_at(model, pixels)
        batch = writer.batch([lessons, lessons[:1]])
        together = model.lm_head(held(model, tokens, batch)).float()
        place = 0
        for lesson in lessons:
            alone = _alone(model, processor, lesson, tuple(shown[n] for n in numbers))
            torch.testing.assert_close(
                together[place : place + len(alone)], alone, rtol=1e-3, atol=1e-3
            )
            place += len(alone)


def _lessons(numbers: tuple[int, ...]) -> list[Lesson]:
    if len(numbers) == 1:
        return of_film(np.random.default_rng(2), 0, SHOWN, shipped())
    return of_pair(0, (SHOWN, SHOWN), {"nodule": "improved", "mass": "new"}, shipped())


def _alone(model: Any, processor: Any, lesson: Lesson, shown: tuple[np.ndarray, ...]) -> Any:
    """By the engine's own way of putting a question."""
    import torch

    engine = Gemma(
        identity=Identity("", "", "model", ""), model=model, processor=processor, max_new_tokens=1
    )
    given = engine.inputs(Request(shown, lesson.prompt), lesson.answer)
    answer = processor.tokenizer(lesson.answer, add_special_tokens=False)["input_ids"]
    logits = model(**given, use_cache=False, logits_to_keep=len(answer) + 1).logits[0]
    return logits.float() if isinstance(logits, torch.Tensor) else None


def test_the_growth_is_taught_where_the_letter_of_the_change_is_said(
    untrained: tuple[Any, Any],
) -> None:
    """Of each finding its own, and nowhere else: at no other word, question or film."""
    import torch

    _, processor = untrained
    before = _with(nodule=(200, 600, 260, 660), mass=(400, 600, 500, 700))
    now = _with(nodule=(200, 600, 230, 630), mass=(400, 600, 500, 800))
    pair = of_pair(0, (before, now), {"nodule": "improved", "mass": "worsened"}, shipped())
    one = of_pair(2, (before, now), {"mass": "worsened"}, shipped())
    batch = Writer(processor).batch([pair, one])
    grown = ~batch.growth.isnan()
    torch.testing.assert_close(batch.growth[grown], torch.tensor([-1.0, 0.5, 0.5]))
    letters = processor.tokenizer.convert_ids_to_tokens(batch.next[grown].tolist())
    assert [one.strip("\u2581") for one in letters] == ["A", "C", "C"]
    scene, token = (at[grown] for at in batch.at)
    assert scene.tolist() == [0, 0, 1]
    assert batch.question[scene, token].tolist() == [1, 2, 1]
    alone = Writer(processor).batch([_lessons((0,))])
    assert alone.growth.isnan().all()


def _with(**boxes: tuple[int, int, int, int]) -> Shown:
    return Shown(chest=True, findings={n: ("", box) for n, box in boxes.items()}, anatomy={})


def test_a_near_number_costs_less_than_a_far_one(untrained: tuple[Any, Any]) -> None:
    import torch

    _, processor = untrained
    writer = Writer(processor)
    lesson = next(one for one in _lessons((0,)) if "box_2d" in one.answer)
    batch = writer.batch([[lesson]])
    costs = []
    for off in (0, 3, 300):
        logits = torch.zeros((len(batch.next), len(processor.tokenizer)))
        for place, number in enumerate(batch.number.tolist()):
            if number >= 0:
                logits[place, writer.numbers[(number + off) % 1001]] = 10
        costs.append(loss(logits, batch, writer.numbers)["numbers"].item())
    assert costs[0] < costs[1] < costs[2]
