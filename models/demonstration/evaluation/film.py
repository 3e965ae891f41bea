"""A phantom as a film that is read: the picture that the model sees, by the way of any film."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dicom_node.geometry import STANDING
from dicom_node.study import Frame, Instance, View
from models.prepare import Prepared, chest_radiograph


def prepared(grey: NDArray[np.uint8]) -> Prepared:
    """As the node prepares it; ``grey`` is as :func:`frame` takes it."""
    return chest_radiograph(frame(grey))


def frame(grey: NDArray[np.uint8]) -> Frame:
    """As if it had come from a file: uint8 (rows, columns), standing, bright is dense."""
    rows, columns = grey.shape
    instance = Instance(
        path=Path(),
        sop_class_uid="",
        sop_instance_uid="",
        series_instance_uid="",
        study_instance_uid="",
        modality="DX",
        body_part="CHEST",
        view=View.PA,
        rows=rows,
        columns=columns,
        orientation=STANDING,
    )
    return Frame(instance, grey)
