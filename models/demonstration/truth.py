"""What is known of a phantom, because it was drawn so. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dicom_node.geometry import Box
from dicom_node.report import ChangeKind

#: What a phantom may show, by the names of config/findings.yaml.
FINDINGS = (
    "nodule",
    "mass",
    "consolidation",
    "pleural effusion",
    "pneumothorax",
    "cardiomegaly",
)
#: The finding of config/findings.yaml that is any of these.
OPACITY, OPACITIES = "lung opacity", ("nodule", "mass", "consolidation")
#: The anatomy whose place is known, by the names of sites in config/findings.yaml.
ANATOMY = ("right lung", "left lung", "cardiac silhouette")


@dataclass(frozen=True, slots=True)
class Sign:
    """A finding that was drawn.

    ``site`` is one of the finding's sites in config/findings.yaml. ``box`` holds all of it, in
    pixels of the film. ``extent`` is its size in millimetres as it was drawn: the diameter of a
    nodule or mass, about the width of a consolidation, how high an effusion reaches above the
    costophrenic angle, how deep the air of a pneumothorax is at the apex, the width of the heart.
    """

    name: str
    site: str
    box: Box
    extent: float


@dataclass(frozen=True, slots=True)
class Phantom:
    """A film and the truth about it.

    ``grey`` is uint8 (rows, columns), bright is dense, standing (the patient's right on the
    picture's left). ``regions`` are the areas of anatomy and findings, by name, each bool
    (rows, columns). ``spacing`` is the side of a pixel in millimetres. A phantom that is no
    frontal chest radiograph (``chest`` is False) has no signs and no anatomy.
    """

    grey: NDArray[np.uint8] = field(repr=False)
    spacing: float
    signs: tuple[Sign, ...] = ()
    anatomy: Mapping[str, Box] = field(default_factory=dict)
    regions: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict, repr=False)
    chest: bool = True


@dataclass(frozen=True, slots=True)
class Pair:
    """The same phantom twice. ``changes`` has what became of each finding that both films show,
    or that one of them shows (new, resolved), by the finding's name.
    """

    prior: Phantom
    current: Phantom
    changes: Mapping[str, ChangeKind]
