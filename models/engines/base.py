"""What an engine is: requests in, answers out. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from dicom_node.report import Weights

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How to open an engine.

    ``model`` is a folder or a hub id, ``revision`` the commit of a hub id (40 hexadecimal digits);
    empty or None: not given. ``max_new_tokens`` bounds one free answer.
    """

    model: str | None
    revision: str | None
    device: Device
    max_new_tokens: int = 512
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answers. ``digest`` is the SHA-256 (hexadecimal) of everything that decides an answer."""

    name: str
    model: str
    weights: Weights
    digest: str


@dataclass(frozen=True, slots=True)
class FreeText:
    """The model writes what it likes, greedily."""


@dataclass(frozen=True, slots=True)
class Choices:
    """One of these texts; each is scored by its likelihood as the whole answer.

    Raises:
        ValueError: fewer than two options, an empty one, or one twice.
    """

    options: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.options)) < max(2, len(self.options)) or not all(self.options):
            raise ValueError(f"not a choice: {self.options}")


@dataclass(frozen=True, slots=True)
class Numbers:
    """A JSON list of ``count`` whole numbers, each from ``low`` to ``high``, written by the model.

    ``lead`` is put before the list as if the model had begun so; it is not part of the answer.
    With ``apart`` the list is a box: each number of its second half is at least so much more than
    its partner in the first half, as the far corner is from the near one.
    """

    count: int
    low: int
    high: int
    lead: str = ""
    apart: int = 0

    def __post_init__(self) -> None:
        possible = self.count >= 1 and 0 <= self.low <= self.high - self.apart
        if not possible or (self.apart and self.count % 2):
            raise ValueError(f"no list of whole numbers can be so: {self}")


Form = FreeText | Choices | Numbers


@dataclass(frozen=True, slots=True)
class Request:
    """One question about one or more pictures, the earlier before the current.

    ``images`` are uint8 (side, side), grey, bright is dense. They travel by reference: the same
    array object in several requests is encoded once, so nobody may write to it.
    """

    images: tuple[NDArray[np.uint8], ...] = field(repr=False)
    prompt: str
    form: Form = FreeText()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said.

    ``scores``: for :class:`Choices` the probability of each option among them, in their order, as
    the model has it (not calibrated); else None. ``broken`` says why there is no usable text.
    ``seconds``: how long the model took for it.
    """

    text: str
    scores: tuple[float, ...] | None = None
    broken: str = ""
    seconds: float = field(default=0.0, compare=False)


class Engine(Protocol):
    """Something that answers questions about pictures."""

    @property
    def identity(self) -> Identity:
        """Who answers."""
        ...

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """One answer for each request, in their order."""
        ...
