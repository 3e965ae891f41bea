"""What a report becomes: one file a kind of object, one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from pydicom.dataset import Dataset

from dicom_node.outputs import seg, sr
from dicom_node.outputs.files import write
from dicom_node.report import Report
from dicom_node.vocabulary import Vocabulary

__all__ = ["OUTPUTS", "build", "write"]

Build = Callable[[Report, Vocabulary, Path], Dataset | None]

#: Each gets the report, the vocabulary and the file of the current film.
OUTPUTS: Mapping[str, Build] = MappingProxyType({"sr": sr.build, "seg": seg.build})


def build(output: str, report: Report, vocabulary: Vocabulary, current: Path) -> Dataset | None:
    """The object of this name; None when the report gives no occasion for it.

    Raises:
        BadStudy: the report does not fit the vocabulary or the films.
    """
    return OUTPUTS[output](report, vocabulary, current)
