"""What counts of a study, read as an archive would that knows IHE Imaging Object Change Management.

Written against the standard with pydicom alone: nothing of the node is used. What an archive holds
counts, but for what a rejection note names, for reports that a later one names as predecessors, and
for the notes themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import BytesIO

from peers import Orthanc
from pydicom import Dataset, dcmread

KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"
#: Titles of rejection notes (CID 7010): quality, patient safety, worklist entry, retention.
REJECTED = {"113001", "113037", "113038", "113039"}


def held(orthanc: Orthanc, study: str | None = None) -> list[Dataset]:
    """All that an Orthanc holds, or holds of a study, without pixels."""
    found = []
    for identifier in orthanc.client.instances.get_all_ids():
        file = orthanc.client.instances.get_file(identifier)
        read = dcmread(BytesIO(file), stop_before_pixels=True)
        if study in (None, read.StudyInstanceUID):
            found.append(read)
    return found


def is_note(dataset: Dataset) -> bool:
    """Whether it is a rejection note."""
    if dataset.SOPClassUID != KEY_OBJECT_SELECTION:
        return False
    (title,) = dataset.ConceptNameCodeSequence
    return title.CodingSchemeDesignator == "DCM" and title.CodeValue in REJECTED


def rejected(dataset: Dataset) -> set[str]:
    """What a note names: its evidence, which has to agree with its content."""
    evidence = set(_named(dataset.CurrentRequestedProcedureEvidenceSequence))
    content = {
        reference.ReferencedSOPInstanceUID
        for item in dataset.ContentSequence
        for reference in item.get("ReferencedSOPSequence") or ()
    }
    assert evidence == content, "the evidence of a note is not what its content names"
    return evidence


def current(datasets: Iterable[Dataset]) -> list[Dataset]:
    """What counts.

    A report that was rejected takes no other one's place: what it names as predecessor would be
    shown again.
    """
    everything = list(datasets)
    gone = {uid for one in everything if is_note(one) for uid in rejected(one)}
    left = [one for one in everything if not is_note(one) and one.SOPInstanceUID not in gone]
    superseded = {
        uid for one in left for uid in _named(one.get("PredecessorDocumentsSequence") or ())
    }
    return [one for one in left if one.SOPInstanceUID not in superseded]


def results(datasets: Iterable[Dataset]) -> dict[str, str]:
    """Of what counts, what is no film: each SOP Instance UID by the name of its class; one of each,
    or it is not one set.
    """
    found: dict[str, str] = {}
    for one in current(datasets):
        if one.Modality not in ("CR", "DX"):
            kind = one.SOPClassUID.name
            assert kind not in found, f"two of {kind} count at once"
            found[kind] = one.SOPInstanceUID
    return found


def _named(studies: Iterable[Dataset]) -> Iterator[str]:
    for study in studies:
        for series in study.ReferencedSeriesSequence:
            for reference in series.ReferencedSOPSequence:
                yield reference.ReferencedSOPInstanceUID
