"""Films that are no frontal chest radiographs: limbs, skull, pelvis, lateral chest, nothing."""

from __future__ import annotations

import numpy as np

from models.demonstration.drawing.canvas import (
    Canvas,
    Plane,
    Pose,
    bump,
    clouds,
    ellipse,
    ramp,
    stroke,
)


def draw_other(rng: np.random.Generator, canvas: Canvas) -> Plane:
    """The density of a film that shows something else, or nothing."""
    kinds = (_limb, _skull, _pelvis, _lateral, _abdomen, _nothing)
    return kinds[int(rng.integers(len(kinds)))](rng, canvas)


def any_pose(rng: np.random.Generator) -> Pose:
    """Standing anyhow."""
    return Pose(rng.uniform(-30, 30), rng.uniform(-40, 40), rng.uniform(-40, 40))


def _bone(canvas: Canvas, points: list[tuple[float, float]], width: float) -> Plane:
    whole, inner = np.zeros(canvas.shape, np.float32), np.zeros(canvas.shape, np.float32)
    stroke(canvas, whole, points, width, 0.6)
    stroke(canvas, inner, points, width * 0.5, 0.25)
    return whole - inner


def _limb(rng: np.random.Generator, canvas: Canvas) -> Plane:
    flesh = ramp(np.float32(rng.uniform(45, 110)) - np.abs(canvas.x), 12) * np.float32(0.4)
    for _ in range(rng.integers(1, 6)):
        x = rng.uniform(-60, 60)
        joint = (x + rng.uniform(-15, 15), rng.uniform(-40, 40))
        ends = [(x, -230), joint, (x + rng.uniform(-30, 30), 230)]
        flesh = flesh + _bone(canvas, ends, rng.uniform(7, 20))
    return flesh


def _skull(rng: np.random.Generator, canvas: Canvas) -> Plane:
    size = (rng.uniform(70, 110), rng.uniform(85, 130))
    depth = ellipse(canvas, (0, -20), size, rng.uniform(-20, 20))
    drawn = ramp(depth, 4) * np.float32(0.5) + bump(((depth - 4) / 4) ** 2) * np.float32(0.6)
    for x in (-32, 32):
        drawn -= ramp(ellipse(canvas, (x, 10), (18, 14), 0), 6) * np.float32(0.2)
    return drawn + clouds(rng, canvas.shape, 14) * np.float32(0.04)


def _pelvis(rng: np.random.Generator, canvas: Canvas) -> Plane:
    drawn = ramp(np.float32(180) - np.abs(canvas.x), 20) * np.float32(0.6)
    for sign in (-1, 1):
        wing = ellipse(canvas, (sign * 95, -50), (65, 80), sign * 25)
        drawn += ramp(wing, 8) * np.float32(0.2) + bump(((wing - 3) / 4) ** 2) * np.float32(0.2)
        drawn += ramp(ellipse(canvas, (sign * 110, 70), (28, 28), 0), 4) * np.float32(0.35)
        drawn += _bone(canvas, [(sign * 125, 80), (sign * 130, 260)], 16)
        drawn -= ramp(ellipse(canvas, (sign * 38, 115), (22, 17), 0), 4) * np.float32(0.15)
    return drawn + _bone(canvas, [(0, -260), (0, -20)], rng.uniform(18, 28))


def _lateral(rng: np.random.Generator, canvas: Canvas) -> Plane:
    way = rng.choice([-1, 1])
    drawn = ramp(ellipse(canvas, (0, 0), (rng.uniform(120, 150), 230), 0), 20) * np.float32(0.9)
    air = ellipse(canvas, (way * 8, -25), (rng.uniform(85, 105), rng.uniform(125, 150)), way * 8)
    drawn -= ramp(air, 10) * np.float32(0.5)
    drawn += ramp(ellipse(canvas, (-way * 35, 40), (55, 50), 30), 8) * np.float32(0.35)
    back: list[tuple[float, float]] = [
        (way * 70, -230),
        (way * 95, -60),
        (way * 80, 120),
        (way * 70, 240),
    ]
    drawn += _bone(canvas, back, 17)
    phase = (canvas.y + way * canvas.x * np.float32(0.5)) / np.float32(26)
    return drawn + np.cos(phase * np.float32(2 * np.pi)) * np.float32(0.04) * ramp(air + 15, 8)


def _abdomen(rng: np.random.Generator, canvas: Canvas) -> Plane:
    drawn = ramp(np.float32(rng.uniform(140, 180)) - np.abs(canvas.x), 30) * np.float32(1)
    for _ in range(rng.integers(4, 22)):
        place = (rng.uniform(-120, 120), rng.uniform(-180, 180))
        size = (rng.uniform(8, 32), rng.uniform(8, 22))
        drawn -= ramp(ellipse(canvas, place, size, rng.uniform(0, 180)), 5) * np.float32(0.25)
    return drawn + _bone(canvas, [(0, -260), (0, 260)], rng.uniform(18, 25))


def _nothing(rng: np.random.Generator, canvas: Canvas) -> Plane:
    level = np.full(canvas.shape, rng.uniform(0, 1), np.float32)
    return level + clouds(rng, canvas.shape, int(rng.integers(2, 60))) * np.float32(
        rng.uniform(0, 0.4)
    )
