"""What needs no model: the most frequent answer, and the mean box, of training phantoms."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from models.demonstration.evaluation.asks import Told, Truth, rightness
from models.questions.location import Box2d

#: What is always answered to a question (its name) about a finding or a part of the anatomy.
Guesses = Mapping[tuple[str, str], Truth]
#: A question, about what, and what is true.
Known = tuple[str, str, Truth]


def learn(known: Iterable[Known]) -> Guesses:
    """For each question and what it is about the most frequent truth; of boxes the mean.

    Of what is as frequent as another the first in the alphabet.
    """
    truths: dict[tuple[str, str], list[Truth]] = defaultdict(list)
    for question, about, truth in known:
        truths[question, about].append(truth)
    return {key: _usual(values) for key, values in truths.items()}


def guessed(told: Sequence[Told], guesses: Guesses) -> list[Told]:
    """The same questions, each answered with what is guessed; nothing tells them apart by score.

    A question about what no training phantom has is answered wrong.
    """
    return [
        replace(
            one,
            right=_right(one, guesses),
            score=None if one.score is None else 0.5,
            first_try=True,
        )
        for one in told
    ]


def _right(one: Told, guesses: Guesses) -> float:
    guess = guesses.get((one.question, one.about))
    return 0.0 if guess is None else rightness(guess, one.truth)


def _usual(values: list[Truth]) -> Truth:
    boxes = [value for value in values if not isinstance(value, str)]
    if boxes:
        return _mean_box(boxes)
    counts = Counter(str(value) for value in values)
    return min(counts, key=lambda word: (-counts[word], word))


def _mean_box(boxes: list[Box2d]) -> Box2d:
    y0, x0, y1, x1 = (round(value) for value in np.mean(boxes, axis=0).tolist())
    return y0, x0, y1, x1
