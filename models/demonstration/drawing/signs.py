"""The findings: planned in terms of the lung, then painted on each canvas of the patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.demonstration.drawing.body import SIDES, Body, Lung, Side, lung, lung_point
from models.demonstration.drawing.canvas import Canvas, Plane, bump, clouds, ramp
from models.demonstration.ranges import Ranges, Span

#: Upper, mid and lower zone; each part of a lung holds one finding at most.
ZONES = ("upper", "mid", "lower")
Cell = tuple[Side, int]


@dataclass(frozen=True, slots=True)
class Planned:
    """A finding of one patient. ``size`` is in millimetres as in Ranges, ``dense`` a density.

    ``down`` and ``across`` are fractions of the lung; ``seed`` draws its shape.
    """

    name: str
    side: Side
    size: float
    dense: float
    down: float
    across: float
    seed: int

    @property
    def zone(self) -> int:
        """Index into ZONES."""
        return min(2, int(self.down * 3))


@dataclass(frozen=True, slots=True)
class Painted:
    """What a finding adds to the film's density, and the area it takes: bool (rows, columns)."""

    density: Plane
    area: np.ndarray


#: How dense each finding is, before the ranges' contrast.
_DENSE: dict[str, Span] = {
    "nodule": (0.2, 0.34),
    "mass": (0.19, 0.36),
    "consolidation": (0.19, 0.36),
    "pleural effusion": (0.26, 0.42),
    "pneumothorax": (0.05, 0.11),
}


def plan(rng: np.random.Generator, ranges: Ranges, body: Body, names: list[str]) -> list[Planned]:
    """One of each name, where there is room; what finds none is left out."""
    free = {(side, zone) for side in SIDES for zone in range(3)}
    planned = []
    for name in names:
        options = sorted(places for places in _places(name) if set(places) <= free)
        if not options:
            continue
        taken = options[int(rng.integers(len(options)))]
        free -= set(taken)
        planned.append(_draw(rng, ranges, body, name, taken))
    return planned


def _places(name: str) -> list[tuple[Cell, ...]]:
    """The groups of parts that a finding may take."""
    if name == "pneumothorax":
        return [tuple((side, zone) for zone in range(3)) for side in SIDES]
    if name == "pleural effusion":
        return [((side, 1), (side, 2)) for side in SIDES]
    return [((side, zone),) for side in SIDES for zone in range(3)]


def _draw(
    rng: np.random.Generator, ranges: Ranges, body: Body, name: str, taken: tuple[Cell, ...]
) -> Planned:
    side, zone = taken[0]
    span = ranges.span_of(name)
    lowest = (body.dome(side) - span[1] / 2 - body.top) / body.height
    behind_heart = side == "left" and zone == 2
    return Planned(
        name=name,
        side=side,
        size=rng.uniform(*span),
        dense=rng.uniform(*_DENSE[name]) * rng.uniform(*ranges.contrast),
        down=max(0.17, min((zone + rng.uniform(0.2, 0.8)) / 3, lowest)),
        across=rng.uniform(0.5 if behind_heart else 0.3, 0.78),
        seed=int(rng.integers(2**31)),
    )


def paint(planned: Planned, body: Body, canvas: Canvas, shown: Lung) -> Painted:
    """Draw one finding; ``shown`` is its lung."""
    match planned.name:
        case "nodule" | "mass":
            return _round(planned, body, canvas, shown)
        case "consolidation":
            return _consolidation(planned, body, canvas, shown)
        case "pleural effusion":
            return _effusion(planned, body, shown)
    return _pneumothorax(planned, body, canvas, shown)


def _round(planned: Planned, body: Body, canvas: Canvas, shown: Lung) -> Painted:
    """A nodule or a mass: nearly round, with a wavy border; a mass may have a cavity."""
    rng = np.random.default_rng([planned.seed, 1])
    x, y = lung_point(body, planned.side, planned.down, planned.across)
    dx, dy = canvas.x - np.float32(x), canvas.y - np.float32(y)
    radius = planned.size / 2
    angle = np.arctan2(dy, dx)
    wave = np.zeros_like(angle)
    for order in (2, 3, 5):
        wave += np.float32(rng.normal(0, 0.12 / order)) * np.cos(
            order * angle + np.float32(rng.uniform(0, 6.3))
        )
    distance = np.sqrt(dx * dx + dy * dy)
    depth = np.float32(radius) * (1 + wave) - distance
    edge = rng.uniform(2, 4.5) * max(1, radius / 14)
    shape = ramp(depth, edge)
    profile = np.float32(0.55) + np.float32(0.45) * np.sqrt(
        np.clip(depth / np.float32(radius), 0, 1)
    )
    density = shape * profile * np.float32(planned.dense)
    if planned.name == "mass" and rng.random() < 0.2:
        density *= 1 - ramp(np.float32(radius * 0.4) - distance, 5) * np.float32(0.7)
    near = ramp(shown.depth + 6, 6)  # the mediastinum and the diaphragm hide what lies behind
    return Painted(density * near, (shape > 0.5) & (near > 0.5))


def _consolidation(planned: Planned, body: Body, canvas: Canvas, shown: Lung) -> Painted:
    """Patches that run together, with an uneven border and streaks of air."""
    rng = np.random.default_rng([planned.seed, 2])
    x, y = lung_point(body, planned.side, planned.down, planned.across)
    size = planned.size
    total = np.zeros(canvas.shape, np.float32)
    for _ in range(6):
        px, py = x + rng.normal(0, 0.42 * size), y + rng.normal(0, 0.36 * size)
        r = size * rng.uniform(0.45, 0.75)
        total += bump(
            ((canvas.x - np.float32(px)) / r) ** 2 + ((canvas.y - np.float32(py)) / r) ** 2
        )
    grain = clouds(np.random.default_rng([planned.seed, 3]), canvas.shape, 30)
    streaks = clouds(np.random.default_rng([planned.seed, 4]), canvas.shape, 60)
    shape = ramp(total - np.float32(0.95) + grain * np.float32(0.10), 0.7) * ramp(shown.depth, 4)
    density = shape * (
        np.float32(0.85) + grain * np.float32(0.12) - np.clip(streaks, 0, 2) * np.float32(0.08)
    )
    return Painted(density * np.float32(planned.dense), shape > 0.5)


def _effusion(planned: Planned, body: Body, shown: Lung) -> Painted:
    """Fluid that hides the diaphragm, its surface rising towards the ribs."""
    dome = body.dome(planned.side)
    angle = np.float32(dome + body.angle)
    across = np.clip(shown.across, 0, 1)
    slope = np.float32(0.3 + 0.3 * planned.across)
    surface = angle - np.float32(planned.size) * (1 - slope + slope * across**3)
    y = np.float32(body.top) + shown.down * np.float32(dome + body.angle - body.top)
    deep = np.minimum(y - surface, shown.depth)
    shape = ramp(y - surface, 9) * ramp(shown.depth, 3)
    return Painted(shape * np.float32(planned.dense), deep > 0)


def _pneumothorax(planned: Planned, body: Body, canvas: Canvas, shown: Lung) -> Painted:
    """Air without vessels between the ribs and a fine line, the border of the shrunken lung."""
    inner = lung(body, planned.side, canvas, collapse=planned.size)
    border = np.minimum(inner.wall, canvas.y - np.float32(body.top + 0.9 * planned.size))
    space = np.minimum(-border, shown.depth)
    shape = ramp(space, 1.5)
    line = bump((border / np.float32(1.3)) ** 2) * ramp(shown.depth - 1, 2) * np.float32(0.07)
    return Painted(line - shape * np.float32(planned.dense), space > 0)
