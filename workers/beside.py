"""A report beside the truth about the film that was read: only phantoms have one."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from dicom_node import wording
from dicom_node.report import ChangeKind, Finding, Presence, Report
from dicom_node.vocabulary import Vocabulary
from models.demonstration.truth import FINDINGS, OPACITIES, OPACITY, Phantom, Sign

#: What has to be said below the table.
LEGEND = (
    "overlap: of the true box and the one that was read, intersection over union, 0 to 1\n"
    "-: phantoms have no truth about it"
)
_UNKNOWN = "-"


def table(
    phantom: Phantom, changes: Mapping[str, ChangeKind], result: Report, vocabulary: Vocabulary
) -> Table:
    """A row for each finding that was drawn, asked, or both; with the overlap of the two boxes.

    ``changes`` are those against the prior, by the finding's name.
    """
    signs = {sign.name: sign for sign in phantom.signs}
    read = {finding.name: finding for finding in result.findings}
    gaps = [gap.finding for gap in result.unread]
    shown = Table("finding", "truth", "read", "overlap", box=None)
    for name in dict.fromkeys((*FINDINGS, *read, *gaps)):
        sign, finding = signs.get(name), read.get(name)
        shown.add_row(
            name,
            _true(name, signs, changes),
            _read(finding, vocabulary) if finding else "not read" if name in gaps else "not asked",
            overlap(sign, finding),
        )
    return shown


def overlap(sign: Sign | None, finding: Finding | None) -> str:
    """Intersection over union of the true box and the one that was read, if there are both."""
    if sign is None or finding is None or finding.box is None:
        return ""
    return f"{sign.box.iou(finding.box):.2f}"


def _true(name: str, signs: Mapping[str, Sign], changes: Mapping[str, ChangeKind]) -> str:
    """In words; of a lung opacity what the opacities that were drawn say of it."""
    if name == OPACITY:
        drawn = [one for one in OPACITIES if one in signs or one in changes]
        if len(drawn) == 1:
            return _true(drawn[0], signs, changes)
        return "present" if any(one in signs for one in drawn) else "absent"
    if name not in FINDINGS:
        return _UNKNOWN
    sign = signs.get(name)
    presence = "absent" if sign is None else "present"
    return _words(presence, sign.site if sign else "", changes.get(name))


def _read(finding: Finding, vocabulary: Vocabulary) -> str:
    present = finding.presence is Presence.PRESENT
    where = wording.place(finding, vocabulary) if present else ""
    return _words(str(finding.presence), where, finding.change)


def _words(presence: str, where: str, change: ChangeKind | None) -> str:
    return ", ".join(filter(None, (presence, where, str(change or ""))))
