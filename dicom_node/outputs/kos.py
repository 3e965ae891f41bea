"""What to look at, as a Key Object Selection titled Of Interest (PS3.3 A.35.4, TID 2010)."""

from __future__ import annotations

from pydicom.dataset import Dataset

from dicom_node import wording
from dicom_node.outputs import codes, selection
from dicom_node.outputs.material import Material, Reference
from dicom_node.outputs.selection import Selection
from dicom_node.report import Report


def build(material: Material) -> Dataset | None:
    """The selection of the film that was read and of the objects beside it; None when the film was
    not read: then there is nothing to look at.

    The prior is not in it: it is of another study, in which an archive looks for it by itself.

    Raises:
        BadStudy: the header of the film cannot be read, or is not of that film.
    """
    report = material.report
    if report.not_read is not None:
        return None
    of_interest = Selection(
        title=codes.OF_INTEREST,
        text=wording.selected(report),
        named=(_film(report), *material.beside),
    )
    return selection.build(material, "kos", of_interest)


def _film(report: Report) -> Reference:
    film = report.film
    return Reference(
        "film",
        film.study_instance_uid,
        film.series_instance_uid,
        film.sop_class_uid,
        film.sop_instance_uid,
    )
