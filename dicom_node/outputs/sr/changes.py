"""What changed since the prior, each change coded and with the prior that it is against."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from highdicom import sr

from dicom_node.outputs import codes
from dicom_node.outputs.identifiers import Tracked, tracked
from dicom_node.report import ChangeKind, Film, Prior, Report
from dicom_node.vocabulary import Vocabulary

_Item = TypeVar("_Item", bound=sr.ContentItem)

_MODIFIER = sr.RelationshipTypeValues.HAS_CONCEPT_MOD
_OBSERVED = sr.RelationshipTypeValues.HAS_OBS_CONTEXT
_ACQUIRED = sr.RelationshipTypeValues.HAS_ACQ_CONTEXT


def changes(report: Report, vocabulary: Vocabulary) -> Iterator[sr.CodeContentItem]:
    """A Qualitative Difference (111049, DCM) for each change, as items of a container.

    Below it stand the finding, the Tracking Unique Identifier of its measurement group, the film
    of the prior that it was inferred from with study and date, and the days between. They are no
    rows of TID 1500, which may be extended; the prior has no place in the groups themselves.
    """
    for one in tracked(report, vocabulary):
        if one.finding.change is not None:
            yield _change(one, one.finding.change, report.prior, vocabulary)


def _change(
    one: Tracked, kind: ChangeKind, prior: Prior, vocabulary: Vocabulary
) -> sr.CodeContentItem:
    of = codes.concept(vocabulary.findings[one.finding.name].code)
    below: list[sr.ContentItem] = [
        sr.CodeContentItem(codes.FINDING, of, _MODIFIER),
        sr.UIDRefContentItem(codes.TRACKING_UID, one.uid, _OBSERVED),
    ]
    if prior.days is not None:
        below.append(_days(prior.days))
    if prior.film is not None:
        below.append(_film(prior.film))
    return _with(
        sr.CodeContentItem(
            codes.DIFFERENCE, codes.CHANGE[kind], sr.RelationshipTypeValues.CONTAINS
        ),
        below,
    )


def _days(days: int) -> sr.ContentItem:
    """Rows 6 and 7 of TID 1502: how long after the event the current film was acquired."""
    offset = sr.NumContentItem(codes.OFFSET, days, codes.DAY, relationship_type=_OBSERVED)
    event = sr.CodeContentItem(codes.EVENT_TYPE, codes.IMAGING_PROCEDURE, _MODIFIER)
    return _with(offset, [event])


def _film(film: Film) -> sr.ContentItem:
    image = sr.ImageContentItem(
        name=codes.SOURCE,
        referenced_sop_class_uid=film.sop_class_uid,
        referenced_sop_instance_uid=film.sop_instance_uid,
        relationship_type=sr.RelationshipTypeValues.INFERRED_FROM,
    )
    study = film.study_instance_uid
    below: list[sr.ContentItem] = [sr.UIDRefContentItem(codes.STUDY_UID, study, _ACQUIRED)]
    if film.acquired is not None:
        day = film.acquired.date()
        below.append(sr.DateContentItem(codes.ACQUISITION_DATE, day, _ACQUIRED))
    return _with(image, below)


def _with(item: _Item, below: list[sr.ContentItem]) -> _Item:
    item.ContentSequence = sr.ContentSequence(below)
    return item
