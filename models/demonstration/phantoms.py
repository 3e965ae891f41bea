"""Frontal chest radiographs that are drawn, with the truth about them. No torch.

The same seed, ranges and side give the same phantom, on every machine with the same NumPy.
"""

from __future__ import annotations

from models.demonstration.ranges import TRAINED, Ranges
from models.demonstration.truth import Pair, Phantom


def chest(seed: int, ranges: Ranges = TRAINED, side: int = 512) -> Phantom:
    """One film; ``side`` is its longer side in pixels."""
    raise NotImplementedError


def pair(seed: int, ranges: Ranges = TRAINED, side: int = 512) -> Pair:
    """An earlier and a current film of one phantom, with other exposure and position."""
    raise NotImplementedError


def other(seed: int, side: int = 512) -> Phantom:
    """A film that is no frontal chest radiograph."""
    raise NotImplementedError
