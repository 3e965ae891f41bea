"""The report as a Comprehensive 3D SR with TID 1500 (PS3.16), as IHE AIR wants it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from highdicom import sr
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code as Concept

from dicom_node import equipment, wording
from dicom_node.geometry import Box
from dicom_node.outputs import codes, finish, source
from dicom_node.outputs.checks import check, laterality
from dicom_node.outputs.identifiers import Tracked, result_uid, tracked
from dicom_node.outputs.image_library import image_library
from dicom_node.outputs.material import Material
from dicom_node.outputs.orders import carry_order
from dicom_node.report import Finding, Report
from dicom_node.vocabulary import Vocabulary

_CONTAINS = sr.RelationshipTypeValues.CONTAINS
_Group = (
    sr.PlanarROIMeasurementsAndQualitativeEvaluations | sr.MeasurementsAndQualitativeEvaluations
)


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
    dataset = sr.Comprehensive3DSR(
        evidence=evidence,
        content=_content(report, vocabulary, header),
        is_complete=True,
        is_final=True,
        is_verified=False,
        **finish.series(material, "sr"),
        **finish.general_equipment(report.made),
    )
    finish.finish(dataset, report, header)
    carry_order(header, dataset)
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
    # Of TID 1500's rows the library stands before the measurements, the evaluations after them.
    root.ContentSequence.insert(len(root.ContentSequence) - 1, image_library(report))
    root.ContentSequence.append(_evaluations(report, vocabulary))
    return root


def _groups(report: Report, vocabulary: Vocabulary, header: Dataset) -> Iterator[_Group]:
    """A group for each finding that was answered; if none was, one for the film as a whole."""
    if not report.findings:  # viewers cannot open an SR that has no group
        told = [sr.QualitativeEvaluation(codes.SUMMARY, codes.NONE_SUCCEEDED)]
        uid = result_uid(report, "whole film")
        content = {"qualitative_evaluations": told}
        yield _whole_film(report, header, uid, "AI: whole film", content)
    for one in tracked(report, vocabulary):
        if one.finding.box is not None:
            yield _boxed(report, vocabulary, one, one.finding.box, header)
        else:
            content = _common(report, vocabulary, one.finding)
            yield _whole_film(report, header, one.uid, one.identifier, content)


def _boxed(
    report: Report, vocabulary: Vocabulary, one: Tracked, box: Box, header: Dataset
) -> sr.PlanarROIMeasurementsAndQualitativeEvaluations:
    """TID 1410. The box is a closed polyline: SCOORD has no rectangle."""
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
    group = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(one.uid, one.identifier),
        referenced_region=region,
        geometric_purpose=codes.BOUNDED_BY,
        **_common(report, vocabulary, one.finding),
    )
    # OHIF draws sites and scores beside a box; this becomes its label once it is tracked.
    label = equipment.plain(wording.label(one.finding, vocabulary))
    group[0].ContentSequence.append(sr.TextContentItem(codes.COMMENT, label, _CONTAINS))
    return group


def _whole_film(
    report: Report, header: Dataset, uid: str, identifier: str, content: dict[str, Any]
) -> sr.MeasurementsAndQualitativeEvaluations:
    """TID 1501: what is absent, present without a box, or not read at all."""
    film = report.film
    image = sr.SourceImageForMeasurementGroup(
        film.sop_class_uid, film.sop_instance_uid, source.frames(header, film)
    )
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid, identifier),
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
    """Where it is; of what has one site that one even if absent: "Enlarged" alone says nothing."""
    possible = vocabulary.findings[finding.name].sites
    site = finding.site or (possible[0] if len(possible) == 1 else None)
    if site is None:
        return None
    side = laterality(finding, vocabulary)
    return [
        sr.FindingSite(
            codes.concept(vocabulary.sites[site].code),
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
