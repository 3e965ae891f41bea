"""How a film becomes the picture that the model sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dicom_node.geometry import Fit
from dicom_node.study import Frame


@dataclass(frozen=True, slots=True)
class Prepared:
    """``picture``: uint8 (side, side), read-only, bright is dense; ``fit`` leads back from it."""

    picture: NDArray[np.uint8] = field(repr=False)
    fit: Fit


def chest_radiograph(frame: Frame) -> Prepared:
    """A frontal chest film, standing (patient's right on the left), zero-padded to a square.

    MedGemma was trained on squares padded so; its own processor scales them to 896 by 896.

    Raises:
        BadStudy: Patient Orientation (0020,0020) is not that of a frontal film.
    """
    rows, columns = frame.grey.shape
    fit = Fit.standing(rows, columns, frame.instance.orientation)
    picture = fit.picture(frame.grey)
    picture.flags.writeable = False  # engines keep what they computed from it
    return Prepared(picture, fit)


PREPARE: Mapping[str, Callable[[Frame], Prepared]] = {"chest_radiograph": chest_radiograph}
