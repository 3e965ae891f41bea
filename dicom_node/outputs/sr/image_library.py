"""The Image Library of the report (TID 1600): the films that were read, current and prior.

Only what the report itself knows is said of them. highdicom's own library wants Patient
Orientation and Imager Pixel Spacing, which films often lack or state as zero.
"""

from __future__ import annotations

from collections.abc import Iterator

from highdicom import sr
from pydicom.sr.coding import Code as Concept

from dicom_node.outputs import codes
from dicom_node.report import Film, Report

_CONTEXT = sr.RelationshipTypeValues.HAS_ACQ_CONTEXT
_CONTAINS = sr.RelationshipTypeValues.CONTAINS


def image_library(report: Report) -> sr.ContainerContentItem:
    """A group for the current film, and one for the prior if there is one; viewers that look at
    one group only see the current film.
    """
    return _container(codes.IMAGE_LIBRARY, [_group(film) for film in films(report)])


def films(report: Report) -> list[Film]:
    """The films that were looked at, the current one first."""
    prior = report.prior.film if report.not_read is None else None
    return [report.film] if prior is None else [report.film, prior]


def _group(film: Film) -> sr.ContainerContentItem:
    image = sr.ImageContentItem(
        name=codes.SOURCE,
        referenced_sop_class_uid=film.sop_class_uid,
        referenced_sop_instance_uid=film.sop_instance_uid,
        relationship_type=_CONTAINS,
    )
    image.ContentSequence = sr.ContentSequence(list(_descriptors(film)))
    return _container(codes.IMAGE_LIBRARY_GROUP, [image])


def _descriptors(film: Film) -> Iterator[sr.ContentItem]:
    """TID 1602 and TID 1603: size, time of acquisition, view and orientation, as far as known."""
    if film.sop_class_uid in codes.MODALITY:
        yield sr.CodeContentItem(codes.MODALITY_NAME, codes.MODALITY[film.sop_class_uid], _CONTEXT)
    if film.acquired is not None:
        yield sr.DateContentItem(codes.ACQUISITION_DATE, film.acquired.date(), _CONTEXT)
        yield sr.TimeContentItem(codes.ACQUISITION_TIME, film.acquired.time(), _CONTEXT)
    yield sr.NumContentItem(codes.PIXEL_ROWS, film.rows, codes.PIXELS, relationship_type=_CONTEXT)
    yield sr.NumContentItem(
        codes.PIXEL_COLUMNS, film.columns, codes.PIXELS, relationship_type=_CONTEXT
    )
    if film.view in codes.VIEW:
        yield sr.CodeContentItem(codes.IMAGE_VIEW, codes.VIEW[film.view], _CONTEXT)
    if film.orientation is not None:
        row, column = film.orientation
        yield sr.TextContentItem(codes.ORIENTATION_ROW, row, _CONTEXT)
        yield sr.TextContentItem(codes.ORIENTATION_COLUMN, column, _CONTEXT)


def _container(name: Concept, items: list[sr.ContentItem]) -> sr.ContainerContentItem:
    container = sr.ContainerContentItem(name, relationship_type=_CONTAINS)
    container.ContentSequence = sr.ContentSequence(items)
    return container
