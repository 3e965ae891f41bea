"""Query/Retrieve by DIMSE (PS3.4 Annex C), Study Root: C-FIND, and C-GET or C-MOVE."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.uid import (
    JPEG2000,
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)
from pynetdicom import build_role, evt
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from dicom_node import durable
from dicom_node.archives.base import FoundSeries, FoundStudy, finds_one_patient
from dicom_node.association import association
from dicom_node.errors import BadStudy, Rejected, Unreachable
from dicom_node.headers import UNDECODABLE, date_of, patient_of, time_of
from dicom_node.partial import first_part
from dicom_node.peer import Peer
from dicom_node.spool import checked_uid
from dicom_node.study import Patient

log = logging.getLogger(__name__)

_PENDING = (0xFF00, 0xFF01)
_SUCCESS = 0x0000
_OUT_OF_RESOURCES, _CANNOT_UNDERSTAND = 0xA700, 0xC000  # PS3.4 B.2.3
_UNKNOWN_DESTINATION = 0xA801  # PS3.4 C.4.2.1.5
#: Out of resources, and some sub-operations failed (PS3.4 C.4.2.1.5, C.4.3.1.4).
_PASSING = frozenset({*range(0xA700, 0xA800), 0xB000})
#: What a C-GET has to name beforehand: the classes that hold projection radiographs.
_FILMS = (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    SecondaryCaptureImageStorage,
)
_SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    JPEGLosslessSV1,
    JPEGLossless,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    JPEG2000,
    JPEGLSNearLossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
)


class DimseArchive:
    """An archive that speaks DIMSE."""

    def __init__(self, peer: Peer, retrieve: str, least_free: int = 0) -> None:
        """``retrieve`` is ``c-get`` or ``c-move``; the latter needs our title known there. What
        comes by C-GET leaves ``least_free`` bytes free on the disk.
        """
        self._peer = peer
        self._least_free = least_free
        self._moves = retrieve == "c-move"

    def find_studies(self, patient: Patient) -> list[FoundStudy]:
        """All studies under this patient's ID; see :class:`Archive`."""
        if not finds_one_patient(patient.id):
            raise BadStudy("a query without a plain Patient ID would find other patients")
        keys = Dataset()
        if not patient.id.isascii():
            keys.SpecificCharacterSet = "ISO_IR 192"
        keys.PatientID = patient.id
        for keyword in ("IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex"):
            setattr(keys, keyword, "")
        keys.StudyInstanceUID = ""
        keys.StudyDate = keys.StudyTime = ""
        keys.ModalitiesInStudy = ""
        answers = self._find("STUDY", keys)
        return [
            FoundStudy(
                study_instance_uid=uid,
                patient=patient_of(answer),
                date=date_of(answer, "StudyDate"),
                modalities=_several(answer.get("ModalitiesInStudy")),
                time=time_of(answer, "StudyTime"),
            )
            for uid, answer in _each_once(answers, "StudyInstanceUID")
        ]

    def find_series(self, study_instance_uid: str) -> list[FoundSeries]:
        """All series of a study; see :class:`Archive`."""
        keys = Dataset()
        keys.StudyInstanceUID = checked_uid(study_instance_uid)
        keys.SeriesInstanceUID = ""
        keys.Modality = ""
        keys.BodyPartExamined = ""
        answers = self._find("SERIES", keys)
        return [
            FoundSeries(
                study_instance_uid=study_instance_uid,
                series_instance_uid=uid,
                modality=str(answer.get("Modality") or "").upper(),
                body_part=str(answer.get("BodyPartExamined") or "").upper(),
            )
            for uid, answer in _each_once(answers, "SeriesInstanceUID")
        ]

    def count_images(self, study_instance_uid: str, modalities: Collection[str]) -> int | None:
        """How many objects the series of these modalities have; see :class:`Archive`.

        By Number of Series Related Instances (0020,1209), which is optional (PS3.4 C.6.1.1.4).
        """
        keys = Dataset()
        keys.StudyInstanceUID = study_instance_uid
        keys.SeriesInstanceUID = ""
        keys.Modality = ""
        keys.NumberOfSeriesRelatedInstances = ""
        answers = self._find("SERIES", keys)
        counts = [
            _count(answer)
            for _, answer in _each_once(answers, "SeriesInstanceUID")
            if str(answer.get("Modality") or "").strip().upper() in modalities
        ]
        return None if None in counts else sum(filter(None, counts))

    def has_instance(
        self, study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str
    ) -> bool:
        """Whether an object can be found there; see :class:`Archive`."""
        keys = Dataset()
        keys.StudyInstanceUID = study_instance_uid
        keys.SeriesInstanceUID = series_instance_uid
        keys.SOPInstanceUID = sop_instance_uid
        answers = self._find("IMAGE", keys)
        return any(str(one.get("SOPInstanceUID")) == sop_instance_uid for one in answers)

    def retrieve(
        self, series: FoundSeries, into: Path, *, message_id: int, seconds: float
    ) -> list[Path]:
        """Fetch the images of a series into a folder; see :class:`Archive`.

        By C-MOVE they come in through the node's own door, which files them into that folder.
        Another study of the patient may be read beside a file that is fetched again: it is there
        all the time, and replaced by what comes.
        """
        try:
            return self._retrieve(series, into, message_id, time.monotonic() + seconds)
        except OSError as error:
            raise Unreachable(f"a prior cannot be filed: {error.strerror}") from None

    def _retrieve(
        self, series: FoundSeries, into: Path, message_id: int, deadline: float
    ) -> list[Path]:
        keys = _series_keys(series)
        into.mkdir(exist_ok=True)
        with durable.alone(into):  # another study of the patient may want the same prior now
            before = {path: durable.version(path) for path in _files_of(series, into)}
            if self._moves:
                self._move(keys, message_id, deadline)
            else:
                self._get(keys, into, message_id, deadline)
            for path, version in before.items():
                if durable.version(path) == version:  # not sent again: rejected there, perhaps
                    path.unlink()
            return _files_of(series, into)

    def _find(self, level: str, keys: Dataset) -> list[Dataset]:
        keys.QueryRetrieveLevel = level
        model = StudyRootQueryRetrieveInformationModelFind
        deadline = time.monotonic() + self._peer.timeout_seconds
        with association(self._peer, [build_context(model)]) as opened:
            return list(self._responses(opened.send_c_find(keys, model), "C-FIND", deadline))

    def _move(self, keys: Dataset, message_id: int, deadline: float) -> None:
        model = StudyRootQueryRetrieveInformationModelMove
        with association(self._peer, [build_context(model)]) as opened:
            answers = opened.send_c_move(
                keys, self._peer.calling_ae_title, model, msg_id=message_id
            )
            for _ in self._responses(answers, "C-MOVE", deadline):
                pass

    def _get(self, keys: Dataset, into: Path, message_id: int, deadline: float) -> None:
        model = StudyRootQueryRetrieveInformationModelGet
        # One context for each syntax: of several in one the archive would choose the first, and
        # could then not send what it stores in another.
        films = [build_context(film, syntax) for film in _FILMS for syntax in _SYNTAXES]
        contexts = [build_context(model), *films]
        roles = [build_role(film, scp_role=True) for film in _FILMS]

        def store(event: Any) -> int:
            try:
                uid = checked_uid(str(event.request.AffectedSOPInstanceUID))
                content = event.encoded_dataset()
                durable.write(into / f"{uid}.dcm", content, least_free=self._least_free)
            except OSError as error:
                log.warning("a prior answered A700: %s", error.strerror)
                return _OUT_OF_RESOURCES
            except BadStudy as error:
                log.warning("a prior answered C000: %s", error)
                return _CANNOT_UNDERSTAND
            return _SUCCESS

        with association(
            self._peer, contexts, roles=roles, handlers=[(evt.EVT_C_STORE, store)]
        ) as opened:
            if model not in {context.abstract_syntax for context in opened.accepted_contexts}:
                raise Rejected(
                    f"{self._peer.name} offers no C-GET; set archive.retrieve to c-move, or let it"
                )
            answers = opened.send_c_get(keys, model, msg_id=message_id)
            for _ in self._responses(answers, "C-GET", deadline):
                pass

    def _responses(
        self, answers: Iterator[tuple[Dataset, Dataset | None]], service: str, deadline: float
    ) -> Iterator[Dataset]:
        """The identifiers of pending responses, until the final one says how it went."""
        for answer, identifier in answers:
            status = answer.get("Status")
            if status is None:
                raise Unreachable(f"{self._peer.name} gave no answer to {service}")
            if time.monotonic() > deadline:  # leaving the association aborts it
                raise Unreachable(f"{self._peer.name} took too long for {service}")
            if status in _PENDING:
                if identifier is not None:
                    yield identifier
            elif status != _SUCCESS:
                raise self._failure(service, status, answer)

    def _failure(self, service: str, status: int, answer: Dataset) -> Rejected | Unreachable:
        failed = answer.get("NumberOfFailedSuboperations") or 0
        told = f"{self._peer.name} answered {service} with 0x{status:04X}"
        if failed:
            told += f", {failed} object(s) not transferred"
        if status == _UNKNOWN_DESTINATION:
            return Rejected(
                f"{told}: it does not know {self._peer.calling_ae_title!r} as move destination"
            )
        if service == "C-MOVE":
            ours = self._peer.calling_ae_title
            told += f"; does it reach {ours!r} at this node's host and port?"
        if status in _PASSING:
            return Unreachable(told)
        return Rejected(told)


def _series_keys(series: FoundSeries) -> Dataset:
    keys = Dataset()
    keys.QueryRetrieveLevel = "SERIES"
    # Empty or not a UID, it would fetch more than this series.
    keys.StudyInstanceUID = checked_uid(series.study_instance_uid)
    keys.SeriesInstanceUID = checked_uid(series.series_instance_uid)
    return keys


def _each_once(answers: list[Dataset], keyword: str) -> list[tuple[str, Dataset]]:
    """(UID, answer) of each entity; some archives answer once for each of its instances."""
    return list({str(answer.get(keyword) or ""): answer for answer in answers}.items())


def _count(answer: Dataset) -> int | None:
    try:
        value = answer.get("NumberOfSeriesRelatedInstances")
        return None if value in (None, "") else int(value)
    except UNDECODABLE:
        return None


def _several(value: Any) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else list(value or ())
    return tuple(str(one).upper() for one in values)


def _files_of(series: FoundSeries, folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.glob("*.dcm"))
        if _series_of(path) == series.series_instance_uid
    ]


def _series_of(path: Path) -> str:
    """The series of a file; empty where it cannot be read: an archive may send anything."""
    try:
        header = first_part(path, ["SeriesInstanceUID"], needed=["SeriesInstanceUID"])
        return str(header.get("SeriesInstanceUID") or "")
    except (BadStudy, *UNDECODABLE):
        return ""
