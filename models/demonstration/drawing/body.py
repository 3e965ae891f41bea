"""A patient's chest as drawn numbers, and where its parts lie on a canvas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.demonstration.drawing.canvas import Canvas, Plane, curve, ellipse, ramp
from models.demonstration.ranges import Ranges

Side = Literal["right", "left"]
SIDES: tuple[Side, Side] = ("right", "left")


@dataclass(frozen=True, slots=True)
class Body:
    """Millimetres; see :class:`~models.demonstration.drawing.canvas.Canvas` for the axes.

    ``top`` is the height of the apices, ``domes`` of the diaphragm's (right, left), ``angle`` how
    far the costophrenic angles lie below them. ``heart`` is the cardiothoracic ratio, ``rightward``
    the part of the heart that lies right of the spine. ``seed`` draws what never changes in one
    patient, such as vessels and ribs.
    """

    half_width: float
    top: float
    domes: tuple[float, float]
    angle: float
    middle: float
    apex: float
    heart: float
    rightward: float
    heart_shape: float
    heart_turn: float
    thickness: float
    seed: int

    @classmethod
    def drawn(cls, rng: np.random.Generator, ranges: Ranges, *, large_heart: bool) -> Body:
        """A patient out of these ranges."""
        height = rng.uniform(*ranges.lung_height)
        top = -height / 2 - rng.uniform(0, 12)
        right = top + height
        return cls(
            half_width=rng.uniform(*ranges.half_width),
            top=top,
            domes=(right, right + rng.uniform(-3, 20)),
            angle=rng.uniform(28, 60),
            middle=rng.uniform(17, 27),
            apex=rng.uniform(0.45, 0.62),
            heart=rng.uniform(*(ranges.large_heart if large_heart else ranges.heart)),
            rightward=rng.uniform(0.27, 0.4),
            heart_shape=rng.uniform(0.72, 0.92),
            heart_turn=rng.uniform(25, 48),
            thickness=rng.uniform(0.85, 1.15),
            seed=int(rng.integers(2**31)),
        )

    @property
    def height(self) -> float:
        """From the apex to the costophrenic angle, of the lower lung."""
        return max(self.domes) + self.angle - self.top

    def dome(self, side: Side) -> float:
        """Height of the diaphragm's dome of a side."""
        return self.domes[SIDES.index(side)]


def out_of(side: Side, canvas: Canvas) -> Plane:
    """How far each pixel lies from the middle of the body towards a side."""
    return -canvas.x if side == "right" else canvas.x


@dataclass(frozen=True, slots=True)
class Lung:
    """One lung on a canvas. ``depth`` is the distance inside its border, about in millimetres;
    ``down`` 0 at the apex and 1 at the costophrenic angle; ``across`` 0 at the mediastinum and 1 at
    the ribs. ``wall`` and ``floor`` are the distances to the ribs and to the diaphragm alone.
    """

    side: Side
    depth: Plane
    down: Plane
    across: Plane
    wall: Plane
    floor: Plane


def lung(body: Body, side: Side, canvas: Canvas, *, collapse: float = 0.0) -> Lung:
    """Where a lung is; with ``collapse`` (millimetres at the apex) it has shrunk from the wall."""
    u = out_of(side, canvas)
    dome = body.dome(side)
    top, height = body.top + 0.9 * collapse, dome + body.angle - body.top - 0.9 * collapse
    down = (canvas.y - np.float32(top)) / np.float32(height)

    def to_wall(t: np.ndarray) -> np.ndarray:
        rounded = 1 - np.clip(1 - t / 0.72, 0, 1) ** 2.5
        gap = collapse * np.clip(1 - t / 0.85, 0, 1)
        return (
            body.half_width * (rounded**body.apex) * (1 - 0.05 * np.clip(t - 0.8, 0, 1) / 0.2) - gap
        )

    def to_middle(t: np.ndarray) -> np.ndarray:
        return (
            body.middle + 10 * np.exp(-(((t - 0.42) / 0.13) ** 2)) + 4 * np.clip(0.1 - t, 0, 1) * 10
        )

    wall = curve(to_wall, down) - u
    inner = u - curve(to_middle, down)
    peak, half = 0.52 * body.half_width, body.half_width
    off = u - np.float32(peak)
    fall = np.where(off > 0, off / np.float32(half - peak), off / np.float32(peak * 1.9))
    floor = np.float32(dome) + np.float32(body.angle) * fall * fall - canvas.y
    depth = np.minimum(np.minimum(wall, inner), np.minimum(floor, canvas.y - np.float32(top)))
    across = inner / np.maximum(wall + inner, np.float32(1))
    return Lung(side, depth, down, across, wall, floor)


def lung_point(body: Body, side: Side, down: float, across: float) -> tuple[float, float]:
    """(x, y) of a place in a lung, by its fractions."""
    dome = body.dome(side)
    y = body.top + down * (dome + body.angle - body.top)
    rounded = 1 - max(0.0, 1 - down / 0.72) ** 2.5
    u = body.middle + across * (body.half_width * rounded**body.apex - body.middle)
    return (-u if side == "right" else u), y


def heart(body: Body, canvas: Canvas) -> Plane:
    """Depth inside the heart's silhouette, which ends at the diaphragm."""
    width = body.heart * 2 * body.half_width
    turn, shape = np.radians(body.heart_turn), body.heart_shape
    reach = float(np.hypot(np.cos(turn), shape * np.sin(turn)))
    high = float(np.hypot(np.sin(turn), shape * np.cos(turn)))
    long = width / 2 / reach
    centre_x = width / 2 - body.rightward * width
    bottom = (body.domes[0] + body.domes[1]) / 2 + 0.3 * body.angle
    centre = (centre_x, bottom - 0.86 * long * high)
    inside = ellipse(canvas, centre, (long, long * shape), body.heart_turn)
    return np.minimum(inside, np.float32(bottom) - canvas.y)


def mediastinum(body: Body, canvas: Canvas) -> Plane:
    """Density of the great vessels and of all that lies between the lungs, 0 to about 1."""
    fall = (canvas.y - np.float32(body.top)) / np.float32(body.height)
    half = curve(lambda t: body.middle + 5 + 9 * np.exp(-(((t - 0.3) / 0.16) ** 2)), fall)
    band = ramp(half - np.abs(canvas.x - np.float32(2)), 6)
    band *= np.float32(0.35) + np.float32(0.65) * ramp(canvas.y - np.float32(body.top + 10), 60)
    knob = ellipse(canvas, (body.middle + 9, body.top + 0.27 * body.height), (17, 19), 0)
    return np.maximum(band, ramp(knob, 5))
