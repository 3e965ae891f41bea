"""The measurement groups of the SR: one for each finding that was answered (PS3.16 TID 1410, 1501).

Every group is on the current film alone: viewers refuse reports that measure on several studies.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from highdicom import sr
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code as Concept

from dicom_node import equipment, wording
from dicom_node.geometry import Box
from dicom_node.outputs import codes, source
from dicom_node.outputs.checks import laterality
from dicom_node.outputs.identifiers import Tracked, tracked
from dicom_node.outputs.material import Material
from dicom_node.outputs.sr.evaluations import outcome
from dicom_node.profiles import SourceConcept
from dicom_node.report import Film, Finding, Made
from dicom_node.tracking import result_uid
from dicom_node.vocabulary import Vocabulary

Group = sr.PlanarROIMeasurementsAndQualitativeEvaluations | sr.MeasurementsAndQualitativeEvaluations

_SOURCE = {
    SourceConcept.SOURCE: codes.SOURCE,
    SourceConcept.ORIGINAL_SOURCE: codes.ORIGINAL_SOURCE,
}


def groups(material: Material, header: Dataset) -> Iterator[Group]:
    """A group for each finding that was answered; if none was, one for the film as a whole.

    ``header`` is that of the current film.
    """
    report, vocabulary = material.report, material.vocabulary
    frames = source.frames(header, report.film)
    if not report.findings:  # viewers cannot open an SR that has no group
        told = [sr.QualitativeEvaluation(codes.SUMMARY, outcome(report))]
        content = {
            "tracking_identifier": sr.TrackingIdentifier(
                result_uid(report, "whole film"), "AI: whole film"
            ),
            "algorithm_id": _algorithm(report.made),
            "qualitative_evaluations": told,
        }
        yield _whole_film(report.film, frames, content)
    for one in tracked(report, vocabulary):
        content = _content(material, one)
        if one.finding.box is None:
            yield _whole_film(report.film, frames, content)
        else:
            region = _region(one.finding.box, report.film, frames, material.profile.source_concept)
            yield _boxed(one.finding, vocabulary, region, content)


def _whole_film(
    film: Film, frames: list[int] | None, content: dict[str, Any]
) -> sr.MeasurementsAndQualitativeEvaluations:
    """TID 1501: what is absent, present without a box, or not read at all."""
    image = sr.SourceImageForMeasurementGroup(film.sop_class_uid, film.sop_instance_uid, frames)
    return sr.MeasurementsAndQualitativeEvaluations(source_images=[image], **content)


def _boxed(
    finding: Finding, vocabulary: Vocabulary, region: sr.ImageRegion, content: dict[str, Any]
) -> sr.PlanarROIMeasurementsAndQualitativeEvaluations:
    """TID 1410."""
    group = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        referenced_region=region, geometric_purpose=codes.BOUNDED_BY, **content
    )
    # OHIF draws sites and scores beside a box; this becomes its label once it is tracked.
    label = equipment.plain(wording.label(finding, vocabulary))
    contains = sr.RelationshipTypeValues.CONTAINS
    group[0].ContentSequence.append(sr.TextContentItem(codes.COMMENT, label, contains))
    return group


def _region(
    box: Box, film: Film, frames: list[int] | None, concept: SourceConcept
) -> sr.ImageRegion:
    """The box as a closed polyline: SCOORD has no rectangle."""
    image = sr.SourceImageForRegion(film.sop_class_uid, film.sop_instance_uid, frames)
    image.ConceptNameCodeSequence = [sr.CodedConcept.from_code(_SOURCE[concept])]
    return sr.ImageRegion(
        graphic_type=sr.GraphicTypeValues.POLYLINE,
        graphic_data=np.array(box.outline),
        source_image=image,
    )


def _content(material: Material, one: Tracked) -> dict[str, Any]:
    """What both kinds of group say of a finding."""
    vocabulary, finding = material.vocabulary, one.finding
    presence = codes.PRESENCE[finding.presence]
    evaluations = [sr.QualitativeEvaluation(codes.PRESENCE_OF_PROPERTY, presence)]
    if finding.change is not None:
        evaluations.append(sr.QualitativeEvaluation(codes.DIFFERENCE, codes.CHANGE[finding.change]))
    return {
        "tracking_identifier": sr.TrackingIdentifier(one.uid, one.identifier),
        "finding_type": codes.concept(vocabulary.findings[finding.name].code),
        "finding_sites": _sites(finding, vocabulary),
        "algorithm_id": _algorithm(material.report.made),
        "measurements": _score(finding, material.profile.score_says_what),
        "qualitative_evaluations": evaluations,
    }


def _algorithm(made: Made) -> sr.AlgorithmIdentification:
    """TID 4019."""
    return sr.AlgorithmIdentification(
        name=equipment.model_name(made), version=equipment.software_versions(made)
    )


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


def _score(finding: Finding, says_what: bool) -> list[sr.Measurement] | None:
    """TID 300: a probability only once somebody has calibrated it.

    ``says_what``: the Code Meaning tells people what it is the score of (the code stays what the
    machine reads, PS3.3 8.3): beside a box OHIF draws nothing else than names and values of
    numbers.
    """
    if finding.score is None:
        return None
    name = codes.PROBABILITY if finding.score.calibrated else codes.CERTAINTY
    if says_what:
        told = wording.score_of(finding, equipment.LONG_STRING)
        name = Concept(name.value, name.scheme_designator, equipment.long_string(told))
    return [sr.Measurement(name, float(wording.percent(finding.score)), codes.PERCENT)]
