"""Frontal chest radiographs that are drawn, with the truth about them. No torch.

The same seed, ranges and side give the same phantom with the same versions of NumPy and Pillow on
the same kind of processor; elsewhere the last digit of a grey may differ.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dicom_node.geometry import Box
from dicom_node.report import ChangeKind
from models.demonstration.drawing import exposure, tissue
from models.demonstration.drawing.body import SIDES, Lung, Side, heart, lung, mediastinum
from models.demonstration.drawing.canvas import Canvas, Plane, Pose, ramp
from models.demonstration.drawing.cases import Case, draw_case, draw_earlier
from models.demonstration.drawing.others import any_pose, draw_other
from models.demonstration.drawing.signs import ZONES, Planned, paint
from models.demonstration.ranges import TRAINED, Ranges
from models.demonstration.truth import ANATOMY, Pair, Phantom, Sign

_IN_THE_PLEURA = ("pleural effusion", "pneumothorax")


def chest(seed: int, ranges: Ranges = TRAINED, side: int = 512) -> Phantom:
    """One film; ``side`` is its longer side in pixels."""
    rng = np.random.default_rng([seed, 10])
    return _taken(draw_case(rng, ranges), ranges, side, rng)


def pair(seed: int, ranges: Ranges = TRAINED, side: int = 512) -> Pair:
    """An earlier and a current film of one phantom, with other exposure and position."""
    rng = np.random.default_rng([seed, 20])
    earlier, current, changes = draw_earlier(rng, ranges, draw_case(rng, ranges))
    prior = _taken(earlier, ranges, side, rng)
    later = _taken(current, ranges, side, rng)
    then, now = ({sign.name for sign in film.signs} for film in (prior, later))
    seen = {ChangeKind.NEW: now - then, ChangeKind.RESOLVED: then - now}
    shown = {name: kind for name, kind in changes.items() if name in seen.get(kind, then & now)}
    return Pair(prior, later, shown)


def other(seed: int, side: int = 512) -> Phantom:
    """A film that is no frontal chest radiograph."""
    rng = np.random.default_rng([seed, 30])
    height, width = rng.uniform(200, 430, 2)
    spacing = float(max(height, width)) / side
    canvas = Canvas.of(float(height), float(width), spacing, any_pose(rng))
    density = draw_other(rng, canvas) + tissue.texture(canvas, rng)
    seen = exposure.exposed(density, exposure.Exposure.drawn(rng, TRAINED), rng)
    return Phantom(exposure.finished(seen, spacing, rng), spacing, chest=False)


def _taken(case: Case, ranges: Ranges, side: int, rng: np.random.Generator) -> Phantom:
    """One film of a patient."""
    pose = Pose(rng.uniform(*ranges.tilt), rng.uniform(-18, 18), rng.uniform(-22, 22))
    spacing = max(case.size) / side
    canvas = Canvas.of(*case.size, spacing, pose)
    lungs = {which: lung(case.body, which, canvas) for which in SIDES}
    cardiac = heart(case.body, canvas)
    density, areas = _inside(case, canvas, lungs)
    density += _around(case, canvas, lungs, cardiac, rng)
    seen = exposure.exposed(density, exposure.Exposure.drawn(rng, ranges), rng)
    regions = {f"{which} lung": lungs[which].depth > 0 for which in SIDES}
    regions["cardiac silhouette"] = cardiac > 0
    signs = []
    for planned in case.planned:
        if not areas[planned.name].any():  # it lies beside the film
            continue
        regions[planned.name] = areas[planned.name]
        signs.append(
            Sign(planned.name, _site(planned), _box(areas[planned.name]), _extent(planned))
        )
    if case.large_heart:
        regions["cardiomegaly"] = regions["cardiac silhouette"]
        width = 2 * case.body.heart * case.body.half_width
        box = _box(regions["cardiac silhouette"])
        signs.append(Sign("cardiomegaly", "cardiac silhouette", box, width))
    return Phantom(
        grey=exposure.finished(seen, spacing, rng),
        spacing=spacing,
        signs=tuple(sorted(signs, key=lambda sign: sign.name)),
        anatomy={n: _box(regions[n]) for n in ANATOMY},
        regions=regions,
    )


def _inside(
    case: Case, canvas: Canvas, lungs: dict[Side, Lung]
) -> tuple[Plane, dict[str, NDArray[np.bool_]]]:
    """Vessels and findings, and the area of each finding."""
    density = np.zeros(canvas.shape, np.float32)
    areas: dict[str, NDArray[np.bool_]] = {}
    for which, shown in lungs.items():
        vessels = tissue.vessels(case.body, which, canvas, shown)
        for planned in (one for one in case.planned if one.side == which):
            painted = paint(planned, case.body, canvas, shown)
            areas[planned.name] = painted.area
            density += painted.density
            if planned.name == "pneumothorax":
                vessels = vessels * ~painted.area
        density += vessels
    return density, areas


def _around(
    case: Case, canvas: Canvas, lungs: dict[Side, Lung], cardiac: Plane, rng: np.random.Generator
) -> Plane:
    """All the rest of the patient, and what lies on it."""
    body = case.body
    trunk = tissue.outline(body, canvas)
    sharp = float(rng.uniform(1.5, 4))
    air = np.zeros(canvas.shape, np.float32)
    for shown in lungs.values():
        deep = np.float32(0.72) + np.float32(0.28) * np.clip(shown.depth / np.float32(35), 0, 1)
        air += ramp(shown.depth, sharp) * deep
    below = ramp(np.maximum(-lungs["right"].floor, -lungs["left"].floor), 20)
    total = trunk * (1 - np.float32(rng.uniform(0.58, 0.7)) * air)
    total += np.float32(0.12) * below * trunk
    total += ramp(cardiac, sharp * 1.5) * np.float32(rng.uniform(0.36, 0.55))
    total += mediastinum(body, canvas) * np.float32(rng.uniform(0.2, 0.32))
    bones = tissue.ribs(body, canvas, sharp) + tissue.spine(body, canvas)
    total += (bones + tissue.shoulders(body, canvas)) * np.float32(rng.uniform(0.5, 1.3)) * trunk
    total += tissue.breasts(body, canvas, rng) + tissue.abdomen(body, canvas, rng) * trunk
    total += exposure.devices(canvas, body.half_width, rng)
    return total * np.float32(body.thickness) + tissue.texture(canvas, rng) * trunk


def _site(planned: Planned) -> str:
    if planned.name in _IN_THE_PLEURA:
        return f"{planned.side} pleural space"
    return f"{planned.side} {ZONES[planned.zone]} lung zone"


def _extent(planned: Planned) -> float:
    """As :class:`~models.demonstration.truth.Sign` has it: of a consolidation its whole width."""
    return planned.size * (2 if planned.name == "consolidation" else 1)


def _box(area: NDArray[np.bool_]) -> Box:
    """What holds all of an area, in pixel edges."""
    rows, columns = np.flatnonzero(area.any(axis=1)), np.flatnonzero(area.any(axis=0))
    return Box(float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
