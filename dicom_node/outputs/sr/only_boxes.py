"""The SR for a viewer that measures in boxes and nowhere else.

OHIF stops at a measurement group that has no region, and at an Imaging Measurement Report that has
no group. So what has no box stands with the evaluations of the study, and a report without any box
is a Basic Diagnostic Imaging Report, which such a viewer shows as text.
"""

from __future__ import annotations

from collections.abc import Iterable

from highdicom import sr
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code as Concept

from dicom_node.outputs import codes

_CONTAINS = sr.RelationshipTypeValues.CONTAINS
_MODIFIES = sr.RelationshipTypeValues.HAS_CONCEPT_MOD
_CONTEXT = sr.RelationshipTypeValues.HAS_OBS_CONTEXT


def only_boxes(root: Dataset) -> None:
    """Change the root of a measurement report (TID 1500) so that every group in it has a box.

    Where none has one the root becomes one of TID 2000: what is said of the study stands as
    Findings, and the groups and the library of images, of which that template knows nothing, go.
    """
    measurements = _named(root, codes.IMAGING_MEASUREMENTS)
    evaluations = _named(root, codes.QUALITATIVE_EVALUATIONS)
    boxed = [group for group in measurements.ContentSequence if _items(group, "SCOORD")]
    boxless = [group for group in measurements.ContentSequence if not _items(group, "SCOORD")]
    said = [*evaluations.ContentSequence]
    where = next(at for at, item in enumerate(said) if item.ValueType == "TEXT")
    said[where:where] = [item for group in boxless for item in _presence(group)]
    evaluations.ContentSequence = sr.ContentSequence(said)
    if boxed:
        measurements.ContentSequence = sr.ContentSequence(boxed)
    else:
        _in_words(root, evaluations)


def _presence(group: Dataset) -> list[sr.CodeContentItem]:
    """Whether the finding of a group is there, with the finding and its Tracking UID below."""
    said = []
    for presence in _items(group, "CODE", codes.PRESENCE_OF_PROPERTY):
        (finding,) = _items(group, "CODE", codes.FINDING)
        (tracked,) = _items(group, "UIDREF", codes.TRACKING_UID)
        item = sr.CodeContentItem(codes.PRESENCE_OF_PROPERTY, presence.value, _CONTAINS)
        item.ContentSequence = sr.ContentSequence(
            [
                sr.CodeContentItem(codes.FINDING, finding.value, _MODIFIES),
                sr.UIDRefContentItem(codes.TRACKING_UID, tracked.value, _CONTEXT),
            ]
        )
        said.append(item)
    return said


def _in_words(root: Dataset, evaluations: sr.ContentItem) -> None:
    """TID 2000: the title, the section (CID 7001) and the texts (CID 7002) get other names."""
    root.ConceptNameCodeSequence = [sr.CodedConcept.from_code(codes.DIAGNOSTIC_IMAGING_REPORT)]
    template = Dataset()
    template.MappingResource = "DCMR"
    template.TemplateIdentifier = "2000"
    root.ContentTemplateSequence = [template]
    evaluations.ConceptNameCodeSequence = [sr.CodedConcept.from_code(codes.FINDINGS)]
    for item in _items(evaluations, "TEXT"):
        item.ConceptNameCodeSequence = [sr.CodedConcept.from_code(codes.FINDING)]
    heading = [item for item in root.ContentSequence if item.ValueType != "CONTAINER"]
    root.ContentSequence = sr.ContentSequence([*heading, evaluations])


def _named(root: Dataset, concept: Concept) -> sr.ContentItem:
    (found,) = _items(root, "CONTAINER", concept)
    return found


def _items(parent: Dataset, kind: str, concept: Concept | None = None) -> list[sr.ContentItem]:
    """The items of a value type below another, of that name if one is given."""
    items: Iterable[sr.ContentItem] = parent.ContentSequence
    return [
        item
        for item in items
        if item.ValueType == kind and (concept is None or item.name == concept)
    ]
