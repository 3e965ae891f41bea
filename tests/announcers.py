"""A modality and an archive that announce: MPPS and instance availability, by pynetdicom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from peers import HOST
from pydicom import Dataset
from pydicom.uid import ComputedRadiographyImageStorage, ImplicitVRLittleEndian, generate_uid
from pynetdicom import AE
from pynetdicom.dimse_primitives import N_CREATE
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import
    InstanceAvailabilityNotification,
    ModalityPerformedProcedureStep,
)

Reference = tuple[str, str]  # SOP Class UID, SOP Instance UID


class Announcer:
    """One open association; each method gives the status that was answered."""

    def __init__(self, association: Any) -> None:
        self._association = association
        self.comment = ""
        self.error_id: int | None = None

    def create(self, step: str, attributes: Dataset | None) -> int:
        """N-CREATE of a step."""
        status, _ = self._association.send_n_create(
            attributes, ModalityPerformedProcedureStep, step
        )
        return self._answered(status)

    def set(self, step: str, attributes: Dataset | None) -> int:
        """N-SET of a step."""
        status, _ = self._association.send_n_set(attributes, ModalityPerformedProcedureStep, step)
        return self._answered(status)

    def available(self, attributes: Dataset | None) -> int:
        """N-CREATE of an Instance Availability Notification."""
        status, _ = self._association.send_n_create(
            attributes, InstanceAvailabilityNotification, generate_uid()
        )
        return self._answered(status)

    def garbage(self, data: bytes) -> int:
        """N-CREATE of a step with these bytes as its attributes."""
        request = N_CREATE()
        request.MessageID = 7
        request.AffectedSOPClassUID = ModalityPerformedProcedureStep
        request.AffectedSOPInstanceUID = generate_uid()
        request.AttributeList = BytesIO(data)
        (context,) = [
            one
            for one in self._association.accepted_contexts
            if one.abstract_syntax == ModalityPerformedProcedureStep
        ]
        self._association._reactor_checkpoint.clear()
        self._association.dimse.send_msg(request, context.context_id)
        _, answer = self._association.dimse.get_msg(block=True)
        self._association._reactor_checkpoint.set()
        return int(answer.Status)

    def _answered(self, status: Dataset) -> int:
        self.comment = str(status.get("ErrorComment") or "")
        self.error_id = status.get("ErrorID")
        return int(status.Status)


@contextmanager
def announcing(port: int, aec: str, aet: str = "MODALITY") -> Iterator[Announcer]:
    """An association for both kinds of announcement; it has to last to its end."""
    ae = AE(ae_title=aet)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
    for service in (ModalityPerformedProcedureStep, InstanceAvailabilityNotification):
        ae.add_requested_context(service, ImplicitVRLittleEndian)
    association = ae.associate(HOST, port, ae_title=aec)
    assert association.is_established
    assert len(association.accepted_contexts) == 2
    try:
        yield Announcer(association)
        assert association.is_established, "what was answered ended the association"
    finally:
        association.release()


def begun(*studies: str, status: str = "IN PROGRESS") -> Dataset:
    """The attributes with which a modality creates a step, as far as anybody here looks."""
    attributes = Dataset()
    attributes.ScheduledStepAttributesSequence = [_of(StudyInstanceUID=one) for one in studies]
    attributes.PerformedProcedureStepStatus = status
    attributes.PerformedProcedureStepID = "1"
    attributes.Modality = "CR"
    attributes.PerformedSeriesSequence = []
    return attributes


def ended(images: Sequence[str | Reference], status: str = "COMPLETED") -> Dataset:
    """The attributes with which a modality ends a step that made these images in one series."""
    series = _of(SeriesInstanceUID=generate_uid(), ReferencedImageSequence=[])
    series.ReferencedImageSequence = [reference(one) for one in images]
    series.ReferencedNonImageCompositeSOPInstanceSequence = []
    return _of(PerformedProcedureStepStatus=status, PerformedSeriesSequence=[series])


def notice(study: str, images: Sequence[str | Reference], availability: str = "ONLINE") -> Dataset:
    """The attributes of an Instance Availability Notification (PS3.4 Table R.3.2-1)."""
    items = [reference(one) for one in images]
    for item in items:
        item.InstanceAvailability = availability
        item.RetrieveAETitle = "PACS"
    series = _of(SeriesInstanceUID=generate_uid(), ReferencedSOPSequence=items)
    return _of(
        ReferencedPerformedProcedureStepSequence=[],
        StudyInstanceUID=study,
        ReferencedSeriesSequence=[series],
    )


def reference(image: str | Reference) -> Dataset:
    """An item that refers to an object; of a CR image where its class is not given."""
    of, uid = (ComputedRadiographyImageStorage, image) if isinstance(image, str) else image
    return _of(ReferencedSOPClassUID=of, ReferencedSOPInstanceUID=uid)


def _of(**elements: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset
