"""How long a training is, and what it does when."""

from __future__ import annotations

import math
from dataclasses import dataclass

_WARM_STEPS = 120


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the training: its steps, its highest and its last learning rate.

    ``films`` are shown in each step, and ``pairs`` of films besides, with questions on all of them
    if ``asks``. With ``looks`` the vision tower is trained, by its own heads too; with ``holds``
    the language model by what it holds before it speaks. ``dull`` is the part of the pictures that
    are shown with little contrast, as films with a wide window are.
    """

    steps: int
    rate: float
    last_rate: float
    films: int
    pairs: int
    asks: bool
    looks: bool
    holds: bool = False
    dull: float = 0.0

    def rate_at(self, place: int) -> float:
        """The learning rate of a step of this part: up at first, then down along a cosine."""
        warm = min(1.0, (place + 1) / _WARM_STEPS)
        fall = 0.5 * (1 + math.cos(math.pi * place / self.steps))
        return warm * (self.last_rate + (self.rate - self.last_rate) * fall)


#: First the tower alone is shown where things are; then the questions are learnt from what it
#: sees, in many small steps, for the tower no longer has to be trained in each; then both together.
PARTS = (
    Part(2400, 1.0e-3, 1.5e-4, films=32, pairs=0, asks=False, looks=True),
    Part(2600, 7.0e-4, 1.0e-5, films=10, pairs=6, asks=True, looks=False, dull=0.3),
    Part(1800, 5.0e-4, 3.0e-6, films=16, pairs=16, asks=True, looks=True, holds=True, dull=0.3),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and on what is trained; ``files`` are those of the pool.

    ``saved_every`` so many steps the state is kept, to go on from. What is kept in the end lies
    between the weights before the last part and those after it, ``last`` of the way: so it holds
    better for films unlike phantoms (Wortsman et al., Robust fine-tuning of zero-shot models,
    2022).
    """

    files: int = 50
    parts: tuple[Part, ...] = PARTS
    seed: int = 1
    saved_every: int = 100
    last: float = 0.7

    @property
    def steps(self) -> int:
        """Of all parts."""
        return sum(part.steps for part in self.parts)

    def at(self, step: int) -> tuple[Part, int]:
        """The part that a step (from 0) belongs to, and its place in it."""
        for part in self.parts:
            if step < part.steps:
                return part, step
            step -= part.steps
        raise ValueError("the plan is done")
