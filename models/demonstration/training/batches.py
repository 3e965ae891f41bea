"""From lessons to tensors: the same tokens as the engine makes of a request, and what follows.

All questions about the same pictures share one sequence, in which none of them sees another: the
pictures' tokens, most of every sequence, are computed once. What the model says to each is what
it would say to that question alone; a test holds it to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from models.demonstration.training.lessons import Lesson
from models.demonstration.training.tokenizer import number_ids

if TYPE_CHECKING:
    from torch import Tensor

#: In a sequence: of the pictures' tokens, and of what only fills it up.
_SHARED, _FILLING = 0, -1


@dataclass(frozen=True, slots=True)
class Batch:
    """Scenes of the same number of pictures, padded on the right; all int64 (scenes, tokens).

    ``places`` count each question as if it followed the pictures directly. ``question`` is the
    number of the question that a token belongs to, from 1; 0 for what all share, -1 for filling.
    ``picture`` is the number of the picture that a token is of, from 1, or 0. ``pictures`` int64
    (scenes, pictures). ``at`` are the (scene, token) whose next token is taught, ``next`` that
    token, ``number`` the number it stands for, or -1; ``growth`` float32, of what follows there the
    lesson's growth, else NaN. ``lessons`` is how many there are.
    """

    ids: Tensor
    places: Tensor
    question: Tensor
    picture: Tensor
    pictures: Tensor
    at: tuple[Tensor, Tensor]
    next: Tensor
    number: Tensor
    growth: Tensor
    lessons: int

    def masks(self, window: int) -> dict[str, Tensor]:
        """Who sees whom: bool (scenes, 1, tokens, tokens) for each kind of layer.

        As Gemma 3 has it: forwards nobody, but in a picture each its whole picture; in a sliding
        layer only what is less than ``window`` places behind.
        """
        import torch

        length = self.ids.shape[1]
        behind = torch.ones((length, length), dtype=torch.bool).tril()
        asks, told = self.question[:, :, None], self.question[:, None, :]
        together = ((told == asks) | (told == _SHARED)) & behind
        shown = self.picture[:, :, None]
        seen = together | ((shown > 0) & (shown == self.picture[:, None, :]))
        # What fills up sees itself, for an empty row has no softmax.
        seen &= (told != _FILLING) | torch.eye(length, dtype=torch.bool)
        near = self.places[:, :, None] - self.places[:, None, :] < window
        return {"full_attention": seen[:, None], "sliding_attention": (seen & near)[:, None]}


class Writer:
    """Writes lessons as token ids, each prompt only once."""

    def __init__(self, processor: Any) -> None:
        """Of this Gemma3Processor."""
        self._processor = processor
        self._tokenizer = processor.tokenizer
        self._image = self._tokenizer.image_token_id
        self.numbers = number_ids(self._tokenizer)
        self._value = {id_: number for number, id_ in enumerate(self.numbers)}
        self._asked = lru_cache(maxsize=None)(self._prompt)
        self._ends = [self._tokenizer.end_of_turn_token_id]

    def batch(self, scenes: Sequence[Sequence[Lesson]]) -> Batch:
        """One batch; the lessons of a scene are about the same pictures."""
        import torch

        rows = [self._scene(lessons) for lessons in scenes]
        longest = max(len(row.ids) for row in rows)
        filled = [row.filled(longest, self._tokenizer.pad_token_id) for row in rows]
        ids, places, question = (torch.tensor(column) for column in zip(*filled, strict=True))
        is_image = ids == self._image
        begins = is_image & ~is_image.roll(1, dims=1)
        taught = [(number, *one) for number, row in enumerate(rows) for one in row.taught]
        scene, token, following, growth = zip(*taught, strict=True)
        return Batch(
            ids=ids,
            places=places,
            question=question,
            picture=begins.cumsum(dim=1) * is_image,
            pictures=torch.tensor([lessons[0].pictures for lessons in scenes]),
            at=(torch.tensor(scene), torch.tensor(token)),
            next=torch.tensor(following),
            number=torch.tensor([self._value.get(id_, -1) for id_ in following]),
            growth=torch.tensor(growth),
            lessons=sum(len(lessons) for lessons in scenes),
        )

    def _scene(self, lessons: Sequence[Lesson]) -> _Row:
        row = _Row([], [], [], [])
        for number, lesson in enumerate(lessons, start=1):
            asked = self._asked(lesson.prompt, len(lesson.pictures))
            shared = len(asked) - asked[::-1].index(self._image)
            if number == 1:
                row.add(asked[:shared], first=0, question=_SHARED)
            answer = self._ids(lesson.answer) + self._ends
            row.add([*asked[shared:], *answer][:-1], first=shared, question=number)
            begin = len(row.ids) - len(answer)
            decides = len(answer) - 1 - len(self._ends)  # what it says last
            row.taught.extend(
                (begin + place, said, _or_nan(lesson.growth if place == decides else None))
                for place, said in enumerate(answer)
            )
        return row

    def _prompt(self, prompt: str, pictures: int) -> list[int]:
        content: list[dict[str, str]] = [{"type": "image"}] * pictures
        content.append({"type": "text", "text": prompt})
        text: str = self._processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        mark = self._processor.boi_token
        return self._ids(text.replace(mark, self._processor.full_image_sequence))

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids


@dataclass(frozen=True, slots=True)
class _Row:
    """One scene; ``taught`` are (token, what follows it, the growth or NaN)."""

    ids: list[int]
    places: list[int]
    question: list[int]
    taught: list[tuple[int, int, float]]

    def add(self, ids: list[int], *, first: int, question: int) -> None:
        self.ids.extend(ids)
        self.places.extend(range(first, first + len(ids)))
        self.question.extend([question] * len(ids))

    def filled(self, longest: int, pad: int) -> tuple[list[int], list[int], list[int]]:
        rest = longest - len(self.ids)
        return (
            self.ids + [pad] * rest,
            self.places + [0] * rest,
            self.question + [_FILLING] * rest,
        )


def _or_nan(growth: float | None) -> float:
    return float("nan") if growth is None else growth
