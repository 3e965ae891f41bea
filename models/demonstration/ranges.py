"""From which ranges phantoms are drawn: those of the training, and beyond them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ranges:
    """Work in progress."""


TRAINED = Ranges()
#: Outside of what was trained on, by what is shifted: "contrast", "size", "noise", "anatomy".
SHIFTED: Mapping[str, Ranges] = {}
