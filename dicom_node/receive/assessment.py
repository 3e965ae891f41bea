"""The radiologist's assessment of results (IHE AIRA), as a Structured Report that comes in.

::

    (AIRAI_01, 99IHE) Approval Status Object                                  template IHE_RADAIRAI1
      (AIRAI_02) Result Assessment, one for each result or finding
        (AIRAI_03) Result Type = (AIR004) Referenced Observation              of a finding
        (AIRAI_04) Referenced Instance, a COMPOSITE or IMAGE
        (AIR005) Referenced Observation UID                                   of a finding
        (AIRAI_06) Result Assessment Status = (AIRAI_12) Accepted, (AIRAI_13) Unreviewed,
                                              (AIRAI_14) Unknown, (AIRAI_16) Rejected
          (AIRAI_08) Modification Scope = (AIRAI_19) Accepted after Modification,
                                          (AIRAI_20) Accepted unmodified

So it stands in the sample of the profile's reference implementation. What is not as above is said
to be not understood; nothing is concluded from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from pydicom import Dataset

from dicom_node.errors import BadStudy
from dicom_node.headers import CORRUPT, UNDECODABLE
from dicom_node.headers.elements import items, text
from dicom_node.ledger.assessments import Assessed, Assessment, Verdict
from dicom_node.partial import AT_THE_DOOR, OF_A_HEADER, first_part
from dicom_node.spool import checked_uid

_IHE = "99IHE"
_TEMPLATE = "IHE_RADAIRAI1"
_TITLE = "AIRAI_01"
_RESULT_ASSESSMENT = "AIRAI_02"
_RESULT_TYPE = "AIRAI_03"
_OBSERVATION = "AIR004"
_INSTANCE = "AIRAI_04"
_OBSERVATION_UID = "AIR005"
_STATUS = "AIRAI_06"
_MODIFICATION = "AIRAI_08"
_ORIGINAL = "AIRAI_21"
_CHANGED = "AIRAI_24"

_NO_VERDICT = ("AIRAI_13", "AIRAI_14")
#: Status, with Modification Scope where that is stated.
_VERDICTS = {
    ("AIRAI_12",): Verdict.ACCEPTED,
    ("AIRAI_12", "AIRAI_20"): Verdict.ACCEPTED,
    ("AIRAI_12", "AIRAI_19"): Verdict.MODIFIED,
    ("AIRAI_16",): Verdict.REJECTED,
}
#: Value types of content items that name an object or a finding (PS3.3 Table C.17.3-7).
_NAMING = ("COMPOSITE", "IMAGE", "WAVEFORM", "UIDREF")

_STRUCTURED_REPORTS = "1.2.840.10008.5.1.4.1.1.88."
_NAMES = ("ConceptNameCodeSequence", "ContentTemplateSequence")
_ALL = (
    "SOPInstanceUID",
    "StudyInstanceUID",
    "ReferencedInstanceSequence",
    *_NAMES,
    "ContentSequence",
)
#: It is not read while a sender waits, and most of it is one sequence.
_BOUND = replace(OF_A_HEADER, bytes=AT_THE_DOOR.bytes, value=2 * AT_THE_DOOR.bytes)


class _Unclear(Exception):
    """Why one entry is not understood, in words of this project alone."""


def is_assessment(path: Path, sop_class_uid: str) -> bool:
    """Whether a Part 10 file is an assessment by its title or template; no more is decoded.

    Raises:
        OSError: the file cannot be read.
    """
    if not sop_class_uid.startswith(_STRUCTURED_REPORTS):
        return False
    try:
        dataset = first_part(path, _NAMES, needed=_NAMES[:1])
    except (BadStudy, *UNDECODABLE):
        return False
    try:
        return _is_titled(dataset)
    except CORRUPT:
        return False


def read(path: Path) -> Assessment:
    """The assessment in a Part 10 file.

    Raises:
        BadStudy: it cannot be decoded, or is larger than 4 MiB.
        OSError: the file cannot be read.
    """
    try:
        return parse(first_part(path, _ALL, needed=["ContentSequence"], bound=_BOUND))
    except UNDECODABLE as error:
        raise BadStudy(f"data set cannot be decoded ({type(error).__name__})") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise BadStudy("data set cannot be decoded (a sequence is corrupt)") from None


def parse(dataset: Dataset) -> Assessment:
    """What the data set of an assessment says. Elements that are damaged raise what pydicom does.

    Raises:
        BadStudy: its UIDs are none.
    """
    originals, changed = _related(dataset)
    found: dict[tuple[str, str], set[Verdict]] = {}
    unreviewed, unclear = 0, []
    for container in _children(dataset, _RESULT_ASSESSMENT):
        try:
            result, finding, verdict = _entry(container)
        except _Unclear as reason:
            unclear.append(str(reason))
            continue
        if verdict is None:
            unreviewed += 1
        else:
            found.setdefault((result, finding), set()).add(verdict)
    if not (found or unreviewed or unclear):
        unclear.append("it holds no Result Assessment")
    if any(len(verdicts) > 1 for verdicts in found.values()):
        unclear.append("it says different things of the same result")
    original = originals[0] if len(originals) == 1 else ""
    return Assessment(
        sop_instance_uid=checked_uid(text(dataset, "SOPInstanceUID")),
        study_instance_uid=checked_uid(text(dataset, "StudyInstanceUID")),
        assessed=tuple(
            Assessed(result, finding, next(iter(verdicts)), original if result in changed else "")
            for (result, finding), verdicts in found.items()
            if len(verdicts) == 1
        ),
        unreviewed=unreviewed,
        unclear=tuple(dict.fromkeys(unclear)),
    )


def _is_titled(dataset: Dataset) -> bool:
    templates = items(dataset, "ContentTemplateSequence")
    return _code(items(dataset, "ConceptNameCodeSequence")) == _TITLE or any(
        text(one, "TemplateIdentifier") == _TEMPLATE for one in templates
    )


def _related(dataset: Dataset) -> tuple[list[str], list[str]]:
    """The objects that were assessed, and those that were made of them by whoever assessed."""
    found: dict[str, list[str]] = {_ORIGINAL: [], _CHANGED: []}
    for item in items(dataset, "ReferencedInstanceSequence"):
        purpose = _code(items(item, "PurposeOfReferenceCodeSequence"))
        if purpose in found:
            found[purpose].append(text(item, "ReferencedSOPInstanceUID"))
    return found[_ORIGINAL], found[_CHANGED]


def _entry(container: Dataset) -> tuple[str, str, Verdict | None]:
    """Result, finding and verdict of one Result Assessment; no verdict where none was given."""
    named = [item for item in items(container, "ContentSequence") if _is(item, *_NAMING)]
    if {_name(item) for item in named} - {_INSTANCE, _OBSERVATION_UID}:
        raise _Unclear("it names a result in a way that this version does not know")
    instances = [_instance(item) for item in named if _name(item) == _INSTANCE]
    observations = [text(item, "UID") for item in named if _name(item) == _OBSERVATION_UID]
    kinds = [_value(item) for item in _children(container, _RESULT_TYPE)]
    if set(kinds) - {_OBSERVATION}:
        raise _Unclear("it has a Result Type (AIRAI_03) that this version does not know")
    if kinds and not observations:
        raise _Unclear("it is about a finding that it does not name")
    result = _one(instances, "Referenced Instance (AIRAI_04)")
    finding = _one(observations, "Referenced Observation UID (AIR005)")
    if not (result or finding):
        raise _Unclear("it names no result")
    return result, finding, _verdict(container)


def _verdict(container: Dataset) -> Verdict | None:
    statuses = list(_children(container, _STATUS))
    if len(statuses) != 1:
        raise _Unclear("it does not have one Result Assessment Status (AIRAI_06)")
    status = _value(statuses[0])
    scopes = [_value(item) for item in _children(statuses[0], _MODIFICATION)]
    if status in _NO_VERDICT and not scopes:
        return None
    try:
        return _VERDICTS[status, *scopes]
    except KeyError:
        raise _Unclear(
            "it has a Result Assessment Status (AIRAI_06) or a Modification Scope (AIRAI_08) "
            "that this version does not know, or that contradict each other"
        ) from None


def _instance(item: Dataset) -> str:
    referenced = items(item, "ReferencedSOPSequence")
    return text(referenced[0], "ReferencedSOPInstanceUID") if len(referenced) == 1 else ""


def _one(uids: list[str], what: str) -> str:
    """The only one of some UIDs; empty where there is none."""
    if len(uids) > 1:
        raise _Unclear(f"it has more than one {what}")
    try:
        return checked_uid(uids[0]) if uids else ""
    except BadStudy:
        raise _Unclear(f"its {what} has no valid UID") from None


def _children(item: Dataset, name: str) -> Iterator[Dataset]:
    return (one for one in items(item, "ContentSequence") if _name(one) == name)


def _name(item: Dataset) -> str:
    return _code(items(item, "ConceptNameCodeSequence"))


def _value(item: Dataset) -> str:
    return _code(items(item, "ConceptCodeSequence"))


def _code(sequence: Iterable[Dataset]) -> str:
    """The Code Value of IHE's scheme; empty for no code, several, or another scheme's."""
    values = [
        text(code, "CodeValue") if text(code, "CodingSchemeDesignator") == _IHE else ""
        for code in sequence
    ]
    return values[0] if len(values) == 1 else ""


def _is(item: Dataset, *value_types: str) -> bool:
    return text(item, "ValueType") in value_types
