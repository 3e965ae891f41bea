"""The report as a Structured Report with TID 1500 (PS3.16), as IHE AIR wants it."""

from __future__ import annotations

from collections.abc import Iterator

from highdicom import sr
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code as Concept

from dicom_node import equipment, wording
from dicom_node.outputs import codes, finish, source
from dicom_node.outputs.checks import check
from dicom_node.outputs.groups import groups
from dicom_node.outputs.image_library import image_library
from dicom_node.outputs.material import Material
from dicom_node.outputs.orders import carry_order
from dicom_node.profiles import SrClass
from dicom_node.report import Report
from dicom_node.vocabulary import Vocabulary

_CONTAINS = sr.RelationshipTypeValues.CONTAINS
_CLASS = {
    SrClass.COMPREHENSIVE_3D: sr.Comprehensive3DSR,
    SrClass.COMPREHENSIVE: sr.ComprehensiveSR,
}


def build(material: Material) -> Dataset:
    """The Structured Report of a report; there is always one, whatever was found.

    Raises:
        BadStudy: the report does not fit the vocabulary or the film.
    """
    report, vocabulary = material.report, material.vocabulary
    check(report, vocabulary)
    header = source.read(material.current, report.film)
    evidence = [source.evidence(report.film)]
    if report.prior.film is not None:
        evidence.append(source.evidence(report.prior.film))
    dataset: Dataset = _CLASS[material.profile.sr_class](
        evidence=evidence,
        content=_content(material, header),
        is_complete=True,
        is_final=True,
        is_verified=False,
        **finish.series(material, "sr"),
        **finish.general_equipment(report.made),
    )
    finish.finish(dataset, report, header)
    carry_order(header, dataset)
    return dataset


def _content(material: Material, header: Dataset) -> Dataset:
    report, made = material.report, material.report.made
    observer = sr.ObserverContext(
        observer_type=sr.CodedConcept.from_code(codes.DEVICE),
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=equipment.device_uid(made),
            name=equipment.model_name(made),
            manufacturer_name=equipment.MANUFACTURER,
            model_name=equipment.model_name(made),
        ),
    )
    root = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=codes.IMAGING_PROCEDURE,
        imaging_measurements=list(groups(material, header)),
        title=codes.IMAGING_MEASUREMENT_REPORT,
    )[0]
    # Of TID 1500's rows the library stands before the measurements, the evaluations after them.
    root.ContentSequence.insert(len(root.ContentSequence) - 1, image_library(report))
    root.ContentSequence.append(_evaluations(report, material.vocabulary))
    return root


def _evaluations(report: Report, vocabulary: Vocabulary) -> sr.ContainerContentItem:
    """TID 1500's own container for what is said of the study: the outcome, changes and text."""
    container = sr.ContainerContentItem(
        name=codes.QUALITATIVE_EVALUATIONS, relationship_type=_CONTAINS
    )
    items: list[sr.ContentItem] = [
        sr.CodeContentItem(codes.SUMMARY, _outcome(report), _CONTAINS),
        *_changes(report, vocabulary),
        *(
            sr.TextContentItem(codes.COMMENT, line, _CONTAINS)
            for line in _lines(report, vocabulary)
        ),
    ]
    container.ContentSequence = sr.ContentSequence(items)
    return container


def _changes(report: Report, vocabulary: Vocabulary) -> Iterator[sr.CodeContentItem]:
    """Each change once more, with the finding that it is of: a validator older than TID 1501's
    row for them does not know the change inside of a group.
    """
    for finding in report.findings:
        if finding.change is not None:
            of = codes.concept(vocabulary.findings[finding.name].code)
            item = sr.CodeContentItem(codes.DIFFERENCE, codes.CHANGE[finding.change], _CONTAINS)
            item.ContentSequence = sr.ContentSequence(
                [sr.CodeContentItem(codes.FINDING, of, sr.RelationshipTypeValues.HAS_CONCEPT_MOD)]
            )
            yield item


def _outcome(report: Report) -> Concept:
    if not report.findings:
        return codes.NONE_SUCCEEDED
    return codes.OUTCOME[not report.unread, bool(report.present)]


def _lines(report: Report, vocabulary: Vocabulary) -> Iterator[str]:
    """The text of the report, made from what is coded."""
    lines = [
        wording.NOT_VERIFIED,
        wording.origin(report),
        wording.summary(report),
        wording.chosen(report),
        *(wording.statement(finding, vocabulary) for finding in report.findings),
        wording.comparison(report.prior),
        *(wording.unread(gap) for gap in report.unread),
        *wording.limits(report),
        report.free_text and f"Words of the model, unchecked: {report.free_text}",
    ]
    return (equipment.plain(line) for line in lines if line)
