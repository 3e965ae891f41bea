"""What is drawn of a patient before anything is painted: the body, the findings, their change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from dicom_node.report import ChangeKind
from models.demonstration.drawing.body import Body
from models.demonstration.drawing.signs import Planned, plan
from models.demonstration.ranges import Ranges, Span
from models.demonstration.truth import FINDINGS
from models.questions.change import KINDS

#: Height and width of films in millimetres, and how often each is used.
_FILMS = ((430, 350), (350, 430), (430, 430), (400, 400), (420, 330))
_OFTEN = (0.35, 0.2, 0.25, 0.1, 0.1)
#: Films are cut to the chest: what is left of each side.
_CUT = (0.82, 1.0)
#: How often a film shows nothing, and each finding otherwise.
_NOTHING, _EACH = 0.2, 0.32
#: A finding that has changed is so much larger on one film than on the other, at least and at most.
_GROWTH = (1.42, 1.9)
#: A heart that has changed: by so much of the cardiothoracic ratio at least.
_HEART_GROWTH = 0.07
#: A stable finding differs by so much: no two films are alike.
_STABLE = (0.97, 1.03)
#: What becomes of a finding from one film to the next, and how often.
FATES = (
    (ChangeKind.IMPROVED, 0.28),
    (ChangeKind.STABLE, 0.28),
    (ChangeKind.WORSENED, 0.28),
    (ChangeKind.NEW, 0.08),
    (ChangeKind.RESOLVED, 0.08),
)


@dataclass(frozen=True, slots=True)
class Case:
    """All that decides a film but how it is taken. ``size`` is height and width in millimetres."""

    body: Body
    planned: tuple[Planned, ...]
    large_heart: bool
    size: tuple[float, float]


def draw_case(rng: np.random.Generator, ranges: Ranges) -> Case:
    """A patient with any findings, or none."""
    names = [] if rng.random() < _NOTHING else [n for n in FINDINGS if rng.random() < _EACH]
    large_heart = "cardiomegaly" in names
    body = Body.drawn(rng, ranges, large_heart=large_heart)
    order = [names[i] for i in rng.permutation(len(names))]
    planned = plan(rng, ranges, body, [name for name in order if name != "cardiomegaly"])
    return Case(body, tuple(planned), large_heart, _size(rng))


def draw_earlier(
    rng: np.random.Generator, ranges: Ranges, now: Case
) -> tuple[Case, Case, Mapping[str, ChangeKind]]:
    """The patient at an earlier time and now, and what has become of each finding.

    The sizes of findings are drawn anew, so that both films stay inside of the ranges where these
    have room for the growth. A narrow range has none: then the smaller film is below it, of hearts
    the larger one above it.
    """
    changes: dict[str, ChangeKind] = {}
    before, after = [], []
    for planned in now.planned:
        fate = _fate(rng)
        changes[planned.name] = fate
        first, second = _sizes(rng, ranges.span_of(planned.name), fate)
        if fate is not ChangeKind.NEW:
            before.append(replace(planned, size=first))
        if fate is not ChangeKind.RESOLVED:
            after.append(replace(planned, size=second))
    hearts = (now.body.heart, now.body.heart + rng.uniform(-0.008, 0.008))
    if now.large_heart:
        changes["cardiomegaly"] = KINDS[int(rng.integers(3))]
        hearts = _hearts(rng, ranges.large_heart, changes["cardiomegaly"])
    size = now.size if rng.random() < 0.7 else _size(rng)
    earlier = Case(
        _breathed(rng, replace(now.body, heart=hearts[0])), tuple(before), now.large_heart, size
    )
    current = Case(replace(now.body, heart=hearts[1]), tuple(after), now.large_heart, now.size)
    return earlier, current, changes


def _size(rng: np.random.Generator) -> tuple[float, float]:
    height, width = _FILMS[int(rng.choice(len(_FILMS), p=_OFTEN))]
    part = rng.uniform(*_CUT)
    return height * part, width * part


def _fate(rng: np.random.Generator) -> ChangeKind:
    return FATES[int(rng.choice(len(FATES), p=[often for _, often in FATES]))][0]


def _sizes(rng: np.random.Generator, span: Span, fate: ChangeKind) -> tuple[float, float]:
    """Sizes on the earlier and on the current film."""
    low, high = span
    if fate not in (ChangeKind.IMPROVED, ChangeKind.WORSENED):
        size = rng.uniform(low, high)
        return size, size * rng.uniform(*_STABLE)
    # A narrow range has no room for the growth: the smaller film is then smaller than trained on.
    small = rng.uniform(min(low, high / _GROWTH[1]), high / _GROWTH[0])
    large = small * rng.uniform(_GROWTH[0], min(_GROWTH[1], max(_GROWTH[0], high / small)))
    return (large, small) if fate is ChangeKind.IMPROVED else (small, large)


def _hearts(rng: np.random.Generator, span: Span, fate: ChangeKind) -> tuple[float, float]:
    low, high = span
    if fate is ChangeKind.STABLE:
        heart = rng.uniform(low, high)
        return heart, heart + rng.uniform(-0.008, 0.008)
    small = rng.uniform(low, max(low, high - _HEART_GROWTH))
    large = rng.uniform(small + _HEART_GROWTH, max(high, small + _HEART_GROWTH + 0.01))
    return (large, small) if fate is ChangeKind.IMPROVED else (small, large)


def _breathed(rng: np.random.Generator, body: Body) -> Body:
    """The same patient, breathed in a little more or less."""
    lower = rng.uniform(-8, 8)
    return replace(
        body,
        domes=(body.domes[0] + lower, body.domes[1] + lower + rng.uniform(-3, 3)),
        half_width=body.half_width * rng.uniform(0.99, 1.01),
    )
