"""The report as a Structured Report with TID 1500 (PS3.16), as IHE AIR wants it."""

from __future__ import annotations

from highdicom import sr
from pydicom.dataset import Dataset

from dicom_node.outputs import codes, finish, source
from dicom_node.outputs.material import Material
from dicom_node.outputs.orders import carry_order
from dicom_node.outputs.sr.evaluations import evaluations
from dicom_node.outputs.sr.groups import groups
from dicom_node.outputs.sr.hierarchy import by_study
from dicom_node.outputs.sr.image_library import films, image_library
from dicom_node.outputs.sr.only_boxes import only_boxes
from dicom_node.profiles import SrClass

_CLASS = {
    SrClass.COMPREHENSIVE_3D: sr.Comprehensive3DSR,
    SrClass.COMPREHENSIVE: sr.ComprehensiveSR,
}


def build(material: Material) -> Dataset:
    """The Structured Report of a report; there is always one, whatever was found.

    Raises:
        BadStudy: the header of the film cannot be read, or is not of that film.
    """
    report = material.report
    header = source.read(material.current, report.film)
    content = _content(material, header)
    dataset: Dataset = _CLASS[material.profile.sr_class](
        evidence=[source.evidence(film) for film in films(report)],
        content=_without_items(content),
        is_complete=True,
        is_final=True,
        is_verified=False,
        **finish.series(material, "sr"),
        **finish.general_equipment(report.made),
    )
    dataset.ContentSequence = content.ContentSequence
    finish.finish(dataset, report, header)
    carry_order(header, dataset)
    before = [one for one in material.predecessors if one.output == "sr"]
    if before:
        dataset.PredecessorDocumentsSequence = by_study(before)
    return dataset


def _without_items(content: Dataset) -> Dataset:
    """The root of a content tree alone. highdicom's constructor copies the whole tree, and searches
    it several times, which took most of the time of a delivery.
    """
    root = Dataset()
    root.ContentSequence = []
    for element in content:
        root.setdefault(element.tag, element)
    return root


def _content(material: Material, header: Dataset) -> Dataset:
    report = material.report
    observer = finish.observer(report.made)
    root = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=codes.IMAGING_PROCEDURE,
        imaging_measurements=list(groups(material, header)),
        title=codes.IMAGING_MEASUREMENT_REPORT,
    )[0]
    # Of TID 1500's rows the library stands before the measurements, the evaluations after them.
    root.ContentSequence.insert(len(root.ContentSequence) - 1, image_library(report))
    root.ContentSequence.append(evaluations(report, material.vocabulary))
    if material.profile.only_boxes_measured:
        only_boxes(root)
    return root
