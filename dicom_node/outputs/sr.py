"""The report as a Comprehensive 3D SR with TID 1500 (PS3.16), as IHE AIR wants it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from highdicom import sr
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code as Concept

from dicom_node import equipment, wording
from dicom_node.outputs import codes, finish, source
from dicom_node.outputs.checks import check, laterality
from dicom_node.outputs.identifiers import Tracked, result_uid, tracked
from dicom_node.report import Finding, Report
from dicom_node.vocabulary import Vocabulary

#: Far above what modalities count up to, so that the series stands last in a viewer.
SERIES_NUMBER = 9501

_Group = (
    sr.PlanarROIMeasurementsAndQualitativeEvaluations | sr.MeasurementsAndQualitativeEvaluations
)


def build(report: Report, vocabulary: Vocabulary, current: Path) -> Dataset:
    """The Structured Report of a report; there is always one, whatever was found.

    Raises:
        BadStudy: the report does not fit the vocabulary or the film.
    """
    check(report, vocabulary)
    header = source.read(current, report.film)
    evidence = [source.evidence(report.film)]
    if report.prior.film is not None:
        evidence.append(source.evidence(report.prior.film))
    dataset = sr.Comprehensive3DSR(
        evidence=evidence,
        content=_content(report, vocabulary, header),
        series_instance_uid=result_uid(report, "sr series"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=result_uid(report, "sr"),
        instance_number=1,
        is_complete=True,
        is_final=True,
        is_verified=False,
        series_description=finish.description(report, "findings"),
        **finish.general_equipment(report.made),
    )
    finish.finish(dataset, report, header)
    for keyword in ("PerformedProcedureCodeSequence", "ReferencedRequestSequence"):
        source.copy_element(header, dataset, keyword)
    return dataset


def _content(report: Report, vocabulary: Vocabulary, header: Dataset) -> Dataset:
    made = report.made
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
        imaging_measurements=list(_groups(report, vocabulary, header)),
        title=codes.IMAGING_MEASUREMENT_REPORT,
    )[0]
    root.ContentSequence.append(_evaluations(report, vocabulary))
    return root


def _groups(report: Report, vocabulary: Vocabulary, header: Dataset) -> Iterator[_Group]:
    """A group for each finding that was answered, and one for the film as a whole."""
    if not report.findings:  # viewers cannot open an SR that has no group
        told = [sr.QualitativeEvaluation(codes.SUMMARY, codes.NONE_SUCCEEDED)]
        uid = result_uid(report, "whole film")
        content = {"qualitative_evaluations": told}
        yield _whole_film(report, header, uid, "AI: whole film", content)
    named = {id(one.finding): one for one in tracked(report, vocabulary)}
    for finding in report.findings:
        if finding.box is not None:
            yield _boxed(report, vocabulary, named[id(finding)], header)
        else:
            yield _unboxed(report, vocabulary, finding, named.get(id(finding)), header)


def _boxed(
    report: Report, vocabulary: Vocabulary, one: Tracked, header: Dataset
) -> sr.PlanarROIMeasurementsAndQualitativeEvaluations:
    """TID 1410. The box is a closed polyline: SCOORD has no rectangle."""
    box = one.finding.box
    assert box is not None
    corners = [
        (box.left, box.top),
        (box.right, box.top),
        (box.right, box.bottom),
        (box.left, box.bottom),
        (box.left, box.top),
    ]
    film = report.film
    region = sr.ImageRegion(
        graphic_type=sr.GraphicTypeValues.POLYLINE,
        graphic_data=np.array(corners),
        source_image=sr.SourceImageForRegion(
            film.sop_class_uid, film.sop_instance_uid, source.frames(header, film)
        ),
    )
    return sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(one.uid, one.identifier),
        referenced_region=region,
        geometric_purpose=codes.BOUNDED_BY,
        **_common(report, vocabulary, one.finding),
    )


def _unboxed(
    report: Report, vocabulary: Vocabulary, finding: Finding, one: Tracked | None, header: Dataset
) -> sr.MeasurementsAndQualitativeEvaluations:
    """TID 1501, about the film as a whole: what is absent, or present without a box."""
    identifier = one.identifier if one else f"AI: {finding.name}, whole film"
    uid = one.uid if one else result_uid(report, f"whole film {finding.name}")
    return _whole_film(report, header, uid, identifier, _common(report, vocabulary, finding))


def _whole_film(
    report: Report, header: Dataset, uid: str, identifier: str, content: dict[str, Any]
) -> sr.MeasurementsAndQualitativeEvaluations:
    film = report.film
    image = sr.SourceImageForMeasurementGroup(
        film.sop_class_uid, film.sop_instance_uid, source.frames(header, film)
    )
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid, equipment.plain(identifier)),
        source_images=[image],
        **content,
    )


def _common(report: Report, vocabulary: Vocabulary, finding: Finding) -> dict[str, Any]:
    """What both kinds of group say of a finding."""
    term = vocabulary.findings[finding.name]
    presence = codes.PRESENCE[finding.presence]
    evaluations = [sr.QualitativeEvaluation(codes.PRESENCE_OF_PROPERTY, presence)]
    if finding.change is not None:
        evaluations.append(sr.QualitativeEvaluation(codes.DIFFERENCE, codes.CHANGE[finding.change]))
    return {
        "finding_type": codes.concept(term.code),
        "finding_sites": _sites(finding, vocabulary),
        "algorithm_id": sr.AlgorithmIdentification(
            name=equipment.model_name(report.made), version=equipment.software_versions(report.made)
        ),
        "measurements": _score(finding),
        "qualitative_evaluations": evaluations,
    }


def _sites(finding: Finding, vocabulary: Vocabulary) -> list[sr.FindingSite] | None:
    if finding.site is None:
        return None
    side = laterality(finding, vocabulary)
    return [
        sr.FindingSite(
            codes.concept(vocabulary.sites[finding.site].code),
            laterality=None if side is None else codes.LATERALITY[side],
        )
    ]


def _score(finding: Finding) -> list[sr.Measurement] | None:
    """TID 300: a probability only once somebody has calibrated it."""
    if finding.score is None:
        return None
    name = codes.PROBABILITY if finding.score.calibrated else codes.CERTAINTY
    return [sr.Measurement(name, float(wording.percent(finding.score)), codes.PERCENT)]


def _evaluations(report: Report, vocabulary: Vocabulary) -> sr.ContainerContentItem:
    """TID 1500's own container for what is said of the study: the outcome and the text."""
    container = sr.ContainerContentItem(
        name=codes.QUALITATIVE_EVALUATIONS,
        relationship_type=sr.RelationshipTypeValues.CONTAINS,
    )
    contains = sr.RelationshipTypeValues.CONTAINS
    items: list[sr.ContentItem] = [
        sr.CodeContentItem(codes.SUMMARY, _outcome(report), contains),
        *(sr.TextContentItem(codes.COMMENT, line, contains) for line in _lines(report, vocabulary)),
    ]
    container.ContentSequence = sr.ContentSequence(items)
    return container


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
        *(wording.statement(finding, vocabulary) for finding in report.findings),
        wording.comparison(report.prior),
        *(wording.unread(gap) for gap in report.unread),
        *wording.limits(report),
        report.free_text and f"Words of the model, unchecked: {report.free_text}",
    ]
    return (equipment.plain(line) for line in lines if line)
