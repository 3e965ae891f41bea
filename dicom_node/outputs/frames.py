"""The films of a report as pictures, for what is shown to people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dicom_node.errors import BadStudy
from dicom_node.geometry import is_frontal
from dicom_node.headers import read_study
from dicom_node.outputs.material import Material
from dicom_node.pixels import read_frame
from dicom_node.study import Frame


@dataclass(frozen=True, slots=True)
class Films:
    """The film of a report, and the prior where it was used and can still be shown."""

    current: Frame
    prior: Frame | None

    @property
    def orientation(self) -> tuple[str, str] | None:
        """Patient Orientation of both as :mod:`dicom_node.picture` hangs them; None where one does
        not state how it lies.
        """
        shown = [self.current] if self.prior is None else [self.current, self.prior]
        if any(frame.instance.orientation is None for frame in shown):
            return None
        return "L", "F"


def films(material: Material) -> Films | None:
    """The films to show; None when the current one cannot be shown."""
    current = _frame(material.current)
    if current is None:
        return None
    return Films(current, None if material.prior is None else _frame(material.prior))


def _frame(path: Path) -> Frame | None:
    try:
        (instance,) = read_study([path]).instances
        frame = read_frame(instance)
    except (BadStudy, ValueError):
        return None
    return frame if is_frontal(instance.orientation) else None
