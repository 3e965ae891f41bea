"""What a report becomes: one file a kind of object, one line here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from pydicom.dataset import Dataset

from dicom_node.outputs import gsps, kos, pdf, sc, seg, sr
from dicom_node.outputs.checks import check
from dicom_node.outputs.ends import wanted
from dicom_node.outputs.files import write
from dicom_node.outputs.material import Material, Reference

__all__ = ["OUTPUTS", "Material", "Reference", "build", "reference", "write"]

#: Each gets all that there is, the report checked; None when that gives no occasion for its object.
#: They are built in this order: what names the others stands last.
OUTPUTS: Mapping[str, Callable[[Material], Dataset | None]] = MappingProxyType(
    {
        "sr": sr.build,
        "seg": seg.build,
        "gsps": gsps.build,
        "sc": sc.build,
        "pdf": pdf.build,
        "kos": kos.build,
    }
)


def build(material: Material, outputs: Collection[str]) -> Iterator[tuple[Reference, Dataset]]:
    """The objects of a report that both its rule (``outputs``) and the profile name, in the order
    of OUTPUTS; none of a report that ended as the profile does not want to hear of.

    Raises:
        BadStudy: the report does not fit the vocabulary or the films.
    """
    if not wanted(material.report, material.profile):
        return
    check(material.report, material.vocabulary)
    for output, make in OUTPUTS.items():
        if output not in outputs or output not in material.profile.outputs:
            continue
        dataset = make(material)
        if dataset is not None:
            made = reference(output, dataset)
            material = replace(material, beside=(*material.beside, made))
            yield made, dataset


def reference(output: str, dataset: Dataset) -> Reference:
    """How other objects name one."""
    return Reference(
        output=output,
        study_instance_uid=str(dataset.StudyInstanceUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        sop_class_uid=str(dataset.SOPClassUID),
        sop_instance_uid=str(dataset.SOPInstanceUID),
    )
