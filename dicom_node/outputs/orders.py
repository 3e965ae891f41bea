"""Which procedure was asked for and done, as the film has it, in the places of an SR."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from dicom_node.outputs.source import copy_element, items

#: Of Request Attributes Sequence (0040,0275) in Referenced Request Sequence (0040,A370), C.17.2.
_TYPE_2 = (
    "ReferencedStudySequence",
    "AccessionNumber",
    "PlacerOrderNumberImagingServiceRequest",
    "FillerOrderNumberImagingServiceRequest",
    "RequestedProcedureID",
    "RequestedProcedureDescription",
    "RequestedProcedureCodeSequence",
)
_TYPE_3 = (
    "IssuerOfAccessionNumberSequence",
    "OrderPlacerIdentifierSequence",
    "OrderFillerIdentifierSequence",
    "ReasonForTheRequestedProcedure",
    "ReasonForRequestedProcedureCodeSequence",
)
#: What a film may state once for all its requests.
_OF_ALL = (
    "AccessionNumber",
    "IssuerOfAccessionNumberSequence",
    "PlacerOrderNumberImagingServiceRequest",
    "OrderPlacerIdentifierSequence",
    "FillerOrderNumberImagingServiceRequest",
    "OrderFillerIdentifierSequence",
)


def carry_order(source: Dataset, target: Dataset) -> None:
    """State the performed procedure and the requests of a film in a report on it (C.17.2).

    Performed Procedure Code Sequence (0040,A372, Type 2) is the film's Procedure Code Sequence
    (0008,1032).
    """
    copy_element(source, target, "ProcedureCodeSequence", "PerformedProcedureCodeSequence")
    carry_requests(source, target)


def carry_requests(source: Dataset, target: Dataset) -> None:
    """Each request of a film becomes an item of Referenced Request Sequence (0040,A370, Type 1C of
    SR and Key Object Documents: not written when the film names no request).
    """
    requests = [
        _request(item, source)
        for item in items(source, Tag("RequestAttributesSequence"))
        if item.get("RequestedProcedureID") or item.get("AccessionNumber")
    ]
    if requests:
        target.ReferencedRequestSequence = requests


def _request(attributes: Dataset, source: Dataset) -> Dataset:
    request = Dataset()
    request.StudyInstanceUID = source.StudyInstanceUID
    for keyword in _TYPE_2:
        setattr(request, keyword, None)
    for keyword in _OF_ALL:
        copy_element(source, request, keyword)
    for keyword in (*_TYPE_2, *_TYPE_3):
        copy_element(attributes, request, keyword)
    return request
