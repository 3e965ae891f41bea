"""From density to the film: what lies on the patient, what the detector saw, what is burned in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from models.demonstration.drawing.canvas import Canvas, Plane, ramp, stroke
from models.demonstration.ranges import Ranges


@dataclass(frozen=True, slots=True)
class Exposure:
    """How a film was taken and shown. ``low`` and ``high`` are quantiles that become black and
    white, ``gamma`` bends what is between. ``haze`` is scattered light, of which the two quantiles
    leave next to nothing. ``noise`` is per pixel: less of it is left where a film is shown smaller
    than it was drawn.
    """

    gain: float
    gamma: float
    low: float
    high: float
    haze: float
    noise: float

    @classmethod
    def drawn(cls, rng: np.random.Generator, ranges: Ranges) -> Exposure:
        """One exposure out of these ranges."""
        return cls(
            gain=rng.uniform(1.3, 3.2),
            gamma=float(np.exp(rng.uniform(-0.45, 0.45))),
            low=rng.uniform(0, 0.06),
            high=rng.uniform(0.96, 1),
            haze=rng.uniform(0, 0.25),
            noise=rng.uniform(*ranges.noise),
        )


def devices(canvas: Canvas, half_width: float, rng: np.random.Generator) -> Plane:
    """Electrodes with wires, a line, a tube, a pacemaker: on some films, none of them a finding."""
    drawn = np.zeros(canvas.shape, np.float32)
    if rng.random() < 0.3:
        for _ in range(rng.integers(1, 5)):
            x, y = rng.uniform(-half_width, half_width), rng.uniform(-110, 110)
            stroke(canvas, drawn, [(x, y), (x + 0.5, y)], rng.uniform(4, 7), rng.uniform(0.1, 0.4))
            ends = [
                (x, y),
                (x + rng.normal(0, 40), y + rng.uniform(30, 90)),
                (rng.normal(0, 80), 230),
            ]
            stroke(canvas, drawn, ends, 1, rng.uniform(0.1, 0.3))
    if rng.random() < 0.2:
        side = rng.choice([-1, 1])
        line = [(side * 110, -120), (side * 50, -115), (-14, -80), (-16, rng.uniform(-30, 20))]
        stroke(canvas, drawn, line, 1.2, rng.uniform(0.12, 0.3))
    if rng.random() < 0.15:
        stroke(
            canvas,
            drawn,
            [(0, -210), (2, -130), (1, rng.uniform(-80, -50))],
            2.5,
            rng.uniform(0.1, 0.25),
        )
    if rng.random() < 0.08:
        x, y = rng.choice([-1, 1]) * rng.uniform(70, 95), rng.uniform(-95, -70)
        box = np.minimum(
            np.float32(22) - np.abs(canvas.x - x), np.float32(19) - np.abs(canvas.y - y)
        )
        drawn = np.maximum(drawn, ramp(box, 3) * np.float32(0.8))
        stroke(canvas, drawn, [(x, y), (10, -60), (15, 20), (55, 75)], 1.5, 0.4)
    return drawn


def exposed(density: Plane, exposure: Exposure, rng: np.random.Generator) -> Plane:
    """What the detector shows of a density, 0 (black) to 1 (white)."""
    seen = 1 - np.exp(-np.float32(exposure.gain) * np.maximum(density, 0))
    seen = seen * np.float32(1 - exposure.haze) + np.float32(exposure.haze * seen.mean())
    low, high = np.quantile(seen[::4, ::4], [exposure.low, exposure.high])
    seen = np.clip((seen - low) / max(high - low, 1e-3), 0, 1) ** np.float32(exposure.gamma)
    return seen + rng.standard_normal(seen.shape, np.float32) * np.float32(exposure.noise)


def finished(
    seen: Plane, spacing: float, rng: np.random.Generator, *, marked: bool = True
) -> NDArray[np.uint8]:
    """The film as it is stored: collimated, with a marker of the side, uint8 (rows, columns)."""
    rows, columns = seen.shape
    if rng.random() < 0.35:
        value = np.float32(0 if rng.random() < 0.7 else 1)
        top, bottom, left, right = rng.integers(0, round(14 / spacing) + 1, 4)
        mask = np.zeros(seen.shape, bool)
        mask[top : rows - bottom, left : columns - right] = True
        seen = np.where(mask, seen, value)
    image = Image.fromarray((np.clip(seen, 0, 1) * 255 + 0.5).astype(np.uint8))
    if marked and rng.random() < 0.8:
        _mark(image, spacing, rng)
    return np.asarray(image)


def _mark(image: Image.Image, spacing: float, rng: np.random.Generator) -> None:
    """``L`` on the patient's left or ``R`` on the right, as a radiographer puts it."""
    letter = "L" if rng.random() < 0.6 else "R"
    size = round(rng.uniform(14, 24) / spacing)
    near, far = rng.uniform(0.02, 0.08), rng.uniform(0.86, 0.92)
    x = (far if letter == "L" else near) * image.width
    y = rng.uniform(0.03, 0.2) * image.height
    font = ImageFont.load_default(size)
    ImageDraw.Draw(image).text((x, y), letter, fill=int(rng.integers(200, 256)), font=font)
