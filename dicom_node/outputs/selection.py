"""A Key Object Selection (PS3.3 A.35.4, PS3.16 TID 2010): a title, why, and what it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from highdicom import ko
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code as Concept
from pydicom.uid import (
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EncapsulatedPDFStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
)

from dicom_node import equipment
from dicom_node.outputs import finish, source
from dicom_node.outputs.material import Material, Reference
from dicom_node.outputs.orders import carry_requests
from dicom_node.uids import derived_uid

#: Of what is named, all that is no image: TID 2010 has it as COMPOSITE.
_NO_IMAGES = frozenset(
    {
        Comprehensive3DSRStorage,
        ComprehensiveSRStorage,
        EncapsulatedPDFStorage,
        GrayscaleSoftcopyPresentationStateStorage,
        KeyObjectSelectionDocumentStorage,
    }
)


@dataclass(frozen=True, slots=True)
class Selection:
    """What a selection says: its title (CID 7010), a sentence for people, and what it names."""

    title: Concept
    text: str
    named: Sequence[Reference]


def build(material: Material, output: str, selection: Selection) -> Dataset:
    """The document of a selection of objects of the study that the report is on.

    ``output`` is what its series is of. Its UIDs come from what it says, so that one with another
    list is another object; its time is the report's.

    Raises:
        BadStudy: the header of the film cannot be read, or is not of that film.
    """
    report = material.report
    header = source.read(material.current, report.film)
    named = [_evidence(material, one) for one in selection.named]
    dataset = ko.KeyObjectSelectionDocument(
        evidence=named,
        content=ko.KeyObjectSelection(
            document_title=selection.title,
            referenced_objects=named,
            observer_device_context=finish.observer(report.made),
            description=equipment.plain(selection.text),
        ),
        **(finish.series(material, output) | _uids(material, output, selection)),
        **finish.general_equipment(report.made),
    )
    for item in dataset.ContentSequence:
        if "ReferencedSOPSequence" in item:  # TID 2010 has no name for it; highdicom gives one
            del item.ConceptNameCodeSequence
    finish.finish(dataset, report, header)
    carry_requests(header, dataset)
    return dataset


def _uids(material: Material, output: str, selection: Selection) -> dict[str, str]:
    series = material.series[output]
    said = (
        material.uid(output),
        selection.title.value,
        selection.text,
        series.number,
        series.description,
        *sorted(one.sop_instance_uid for one in selection.named),
    )
    return {
        "series_instance_uid": derived_uid(f"{output} series", *said),
        "sop_instance_uid": derived_uid(output, *said),
    }


def _evidence(material: Material, one: Reference) -> Dataset:
    """An object that is named, as the library takes it: what has rows is an image to it."""
    named = source.evidence(material.report.film)
    named.SeriesInstanceUID = one.series_instance_uid
    named.SOPClassUID = one.sop_class_uid
    named.SOPInstanceUID = one.sop_instance_uid
    if one.sop_class_uid in _NO_IMAGES:
        del named.Rows, named.Columns
    return named
