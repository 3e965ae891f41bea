"""From which ranges phantoms are drawn: those of the training, and beyond them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

#: Least and greatest value; drawn evenly between them.
Span = tuple[float, float]

#: Seeds from here on are for training; those below are for tests, evaluation and everybody else.
FIRST_TRAINING_SEED = 1_000_000


@dataclass(frozen=True, slots=True)
class Ranges:
    """What varies from phantom to phantom. Lengths in millimetres, angles in degrees.

    ``half_width`` is that of the inside of the rib cage, ``lung_height`` from an apex to the right
    dome of the diaphragm, ``tilt`` the rotation of the film. ``heart`` and ``large_heart`` are
    cardiothoracic ratios. ``contrast`` scales the density of every finding. ``nodule`` and
    ``mass`` are diameters, ``consolidation`` is half of a width, ``effusion`` how high it reaches
    above the costophrenic angle, ``pneumothorax`` the depth of air at the apex. ``noise`` is the
    standard deviation in parts of the film's range, in each pixel as drawn: a film of 512 pixels
    that is shown in 256 has about a third of it left.
    """

    half_width: Span = (122, 158)
    lung_height: Span = (205, 275)
    tilt: Span = (-4, 4)
    heart: Span = (0.38, 0.48)
    large_heart: Span = (0.55, 0.66)
    contrast: Span = (0.75, 1.3)
    nodule: Span = (14, 30)
    mass: Span = (36, 62)
    consolidation: Span = (22, 46)
    effusion: Span = (55, 150)
    pneumothorax: Span = (18, 50)
    noise: Span = (0.004, 0.02)

    def span_of(self, finding: str) -> Span:
        """The sizes of a finding that is painted on a film, by its name."""
        return {
            "nodule": self.nodule,
            "mass": self.mass,
            "consolidation": self.consolidation,
            "pleural effusion": self.effusion,
            "pneumothorax": self.pneumothorax,
        }[finding]


TRAINED = Ranges()
#: Outside of what was trained on, each in one respect.
SHIFTED: Mapping[str, Ranges] = {
    "contrast": replace(TRAINED, contrast=(0.45, 0.65)),
    "size": replace(
        TRAINED,
        nodule=(9, 13),
        mass=(31, 35),
        consolidation=(14, 20),
        effusion=(35, 50),
        pneumothorax=(11, 16),
        large_heart=(0.51, 0.54),
    ),
    "noise": replace(TRAINED, noise=(0.1, 0.2)),  # drawn in 512 pixels and shown in 256
    "anatomy": replace(TRAINED, half_width=(100, 116), lung_height=(165, 195), tilt=(-9, 9)),
}
