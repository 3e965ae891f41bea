"""What every film shows: body, bones, vessels, stomach. Densities are parts of a body's own."""

from __future__ import annotations

import numpy as np

from models.demonstration.drawing.body import Body, Lung, Side, lung_point
from models.demonstration.drawing.canvas import Canvas, Plane, bump, clouds, ellipse, ramp, stroke


def outline(body: Body, canvas: Canvas) -> Plane:
    """Thickness of the trunk with shoulders and neck, 0 to about 1."""
    rng = np.random.default_rng([body.seed, 5])
    x, y = np.abs(canvas.x), canvas.y - np.float32(body.top)
    slope, rise = rng.uniform(0.25, 0.5), rng.uniform(28, 60)
    flank = np.float32(body.half_width + rng.uniform(18, 45)) - x
    arms = np.float32(rng.uniform(60, 150)) - y  # above the armpits the trunk goes on into the arms
    shoulder = y + np.float32(rise) - np.maximum(x - 45, 0) * np.float32(slope)
    trunk = np.minimum(np.maximum(flank, arms), shoulder)
    neck = (np.float32(rng.uniform(50, 62)) - x) * np.float32(0.6)
    return np.sqrt(np.clip(np.maximum(trunk, neck) / np.float32(70), 0, 1))


def ribs(body: Body, canvas: Canvas, sharp: float) -> Plane:
    """Ribs from behind and from the front, each with denser borders."""
    rng = np.random.default_rng([body.seed, 1])
    x, y = np.abs(canvas.x), canvas.y - np.float32(body.top)
    gap = np.float32(rng.uniform(22, 29))
    y = y + clouds(rng, canvas.shape, 3) * np.float32(2.5)  # no rib is like the next
    inside = ramp(np.float32(body.half_width + 8) - x, 4)
    w = x / np.float32(body.half_width)
    back = (
        y + np.float32(12) - 20 * np.sin(np.minimum(w, 1.1) * np.float32(2.1)) - 26 * w * w
    ) / gap
    front = (y - np.float32(30) + 62 * w - 30 * w * w) / (gap * np.float32(1.12))
    first, last = rng.uniform(0.05, 0.15), rng.uniform(0.02, 0.08)
    drawn = _bands(back, 0.24, sharp / float(gap)) * np.float32(first) * ramp(x - 14, 8)
    drawn += _bands(front, 0.27, sharp / float(gap)) * np.float32(last) * ramp(x - 38, 14)
    limits = ramp(y + 14, 10) * ramp(np.float32(body.height + 25) - y, 30)
    edge = (
        bump(((x - np.float32(body.half_width + 3)) / 4) ** 2) * np.float32(0.12) * ramp(y - 40, 40)
    )
    return drawn * inside * limits + edge * limits


def _bands(phase: Plane, half: float, edge: float) -> Plane:
    """Bands of a phase: full in the middle, denser at the borders."""
    off = np.abs(phase - np.round(phase))
    soft = max(edge, 0.03)
    body = ramp(np.float32(half) - off, soft)
    return body * np.float32(0.75) + bump(
        ((off - np.float32(half - soft)) / np.float32(0.06)) ** 2
    ) * np.float32(0.35)


def spine(body: Body, canvas: Canvas) -> Plane:
    """Vertebrae, with the air of the trachea before them."""
    rng = np.random.default_rng([body.seed, 2])
    gap, y = rng.uniform(21, 26), canvas.y
    x = canvas.x + np.float32(rng.uniform(-5, 5)) * np.sin(y / np.float32(120))
    column = ramp(np.float32(19) - np.abs(x), 5)
    discs = np.float32(0.7) + np.float32(0.3) * np.cos(y * np.float32(2 * np.pi / gap))
    air = ramp(np.float32(8) - np.abs(x - np.float32(rng.uniform(-4, 3))), 5)
    air *= ramp(np.float32(body.top + 0.33 * body.height) - y, 20)
    column *= np.float32(rng.uniform(0.08, 0.18))
    return column * discs - air * np.float32(rng.uniform(0.08, 0.2))


def shoulders(body: Body, canvas: Canvas) -> Plane:
    """Clavicles and the borders of the shoulder blades."""
    rng = np.random.default_rng([body.seed, 3])
    drawn = np.zeros(canvas.shape, np.float32)
    rise, width = rng.uniform(-4, 22), rng.uniform(5, 7.5)
    for sign in (-1, 1):
        y = body.top + rng.uniform(16, 34)
        reach = body.half_width + 30
        points = [
            (sign * 18, y + 6),
            (sign * 55, y - 4),
            (sign * 0.75 * reach, y - 4 - rise),
            (sign * reach, y - rise),
        ]
        stroke(canvas, drawn, points, width, rng.uniform(0.12, 0.2))
        lateral = body.half_width + rng.uniform(-22, 16)
        blade = [
            (sign * (lateral + 14), y + 10),
            (sign * lateral, y + 60),
            (sign * (lateral - 12), y + 115),
        ]
        stroke(canvas, drawn, blade, 5, rng.uniform(0.03, 0.1))
    return drawn


def vessels(body: Body, side: Side, canvas: Canvas, shown: Lung) -> Plane:
    """Branches from the hilum, thinner and fainter the farther they are, and some seen end-on."""
    rng = np.random.default_rng([body.seed, 4, side == "left"])
    drawn = np.zeros(canvas.shape, np.float32)
    strength = rng.uniform(0.6, 1.3)
    root = lung_point(body, side, 0.44, 0.13)
    out = -1.0 if side == "right" else 1.0
    hilum = bump(((canvas.x - root[0]) / 16) ** 2 + ((canvas.y - root[1]) / 26) ** 2)
    for _ in range(34):
        angle = rng.normal(0.35, 0.85)
        length, first = rng.uniform(18, 60), rng.uniform(0, 55)
        bend = angle + rng.normal(0, 0.35)
        begin = (root[0] + out * first * np.cos(angle), root[1] + first * np.sin(angle))
        half = (begin[0] + out * length / 2 * np.cos(angle), begin[1] + length / 2 * np.sin(angle))
        end = (half[0] + out * length / 2 * np.cos(bend), half[1] + length / 2 * np.sin(bend))
        width = max(0.8, 3.4 - 0.03 * first - rng.uniform(0, 1))
        dense = strength * rng.uniform(0.05, 0.13) * max(0.35, 1 - first / 110)
        stroke(canvas, drawn, [begin, half, end], width, dense)
    for _ in range(rng.integers(3, 9)):
        x, y = lung_point(body, side, rng.uniform(0.3, 0.75), rng.uniform(0.05, 0.5))
        stroke(
            canvas, drawn, [(x, y), (x + 0.5, y)], rng.uniform(1.5, 3.2), rng.uniform(0.08, 0.22)
        )
    inside = ramp(shown.depth, 6)
    return (drawn + hilum * np.float32(0.16 * strength)) * inside


def breasts(body: Body, canvas: Canvas, rng: np.random.Generator) -> Plane:
    """Soft shadows over the lower lungs, of any size, also none; sometimes with nipples."""
    drawn = np.zeros(canvas.shape, np.float32)
    if rng.random() < 0.4:
        return drawn
    dense, size = rng.uniform(0.03, 0.14), rng.uniform(40, 75)
    y = body.domes[0] - rng.uniform(0, 60)
    nipples = rng.random() < 0.25
    for sign in (-1, 1):
        x = sign * (body.half_width - rng.uniform(20, 55))
        shape = ellipse(
            canvas, (x, y + rng.uniform(-8, 8)), (size, size * rng.uniform(0.8, 1.2)), 0
        )
        lower = ramp(canvas.y - np.float32(y - 0.7 * size), size)
        drawn += ramp(shape, rng.uniform(6, 16)) * lower * np.float32(dense)
        if nipples:
            place = (x + sign * 5, y + 0.4 * size)
            stroke(
                canvas,
                drawn,
                [place, (place[0] + 0.5, place[1])],
                4,
                dense + rng.uniform(0.05, 0.1),
            )
    return drawn


def abdomen(body: Body, canvas: Canvas, rng: np.random.Generator) -> Plane:
    """Gas of stomach and bowel under the left dome: less than nothing."""
    drawn = np.zeros(canvas.shape, np.float32)
    if rng.random() < 0.75:
        size = (rng.uniform(16, 38), rng.uniform(9, 24))
        x = rng.uniform(35, 85)
        y = (
            body.domes[1]
            + size[1]
            + rng.uniform(8, 18)
            + body.angle * ((x / body.half_width - 0.52) * 1.5) ** 2
        )
        drawn -= ramp(ellipse(canvas, (x, y), size, rng.uniform(-20, 20)), 5) * np.float32(
            rng.uniform(0.12, 0.4)
        )
    for _ in range(rng.integers(0, 4)):
        place = (rng.uniform(-100, 100), max(body.domes) + body.angle + rng.uniform(20, 80))
        drawn -= ramp(
            ellipse(canvas, place, (rng.uniform(8, 24), rng.uniform(8, 16)), 0), 6
        ) * np.float32(0.15)
    return drawn


def texture(canvas: Canvas, rng: np.random.Generator) -> Plane:
    """Unevenness of everything: broad shading and fine structure."""
    broad = clouds(rng, canvas.shape, 4) * np.float32(rng.uniform(0.01, 0.04))
    fine = clouds(rng, canvas.shape, int(rng.integers(22, 40))) * np.float32(
        rng.uniform(0.004, 0.014)
    )
    finer = clouds(rng, canvas.shape, int(rng.integers(60, 110))) * np.float32(
        rng.uniform(0.003, 0.010)
    )
    return broad + fine + finer
