"""Which view a film is, which attribute says so, and whether the attributes agree.

View Position is often empty, and then others are asked in turn. None of them is believed against
another: a film whose attributes contradict each other is not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from pydicom import Dataset

from dicom_node.headers import descriptions
from dicom_node.headers.elements import codes, items, meanings, text
from dicom_node.study import View

#: View Position (0018,5101) of CR (PS3.3 C.8.1.1) and DX (C.8.11.5), where it says one of ours.
#: A decubitus film is frontal, but counts as none: see descriptions.py.
_POSITIONS = {
    "PA": View.PA,
    "AP": View.AP,
    "LL": View.LATERAL,
    "RL": View.LATERAL,
    "LLD": View.LATERAL,
    "RLD": View.LATERAL,
    "LATERAL": View.LATERAL,
    "LAT": View.LATERAL,
}
#: The same where it says an oblique view.
_OTHER_POSITIONS = {"RLO", "LLO", "RAO", "LAO", "RPO", "LPO"}
#: View Code Sequence (0054,0220), CID 4010: SNOMED CT, and the SNOMED-RT values of older devices.
_VIEW_CODES = {
    "272479007": View.PA,
    "R-10214": View.PA,
    "399348003": View.AP,
    "R-10206": View.AP,
    "399033003": View.FRONTAL,
    "399067008": View.LATERAL,
    "399173006": View.LATERAL,
    "399198007": View.LATERAL,
    "399260004": View.LATERAL,
    "399352003": View.LATERAL,
    "R-10236": View.LATERAL,
    "R-10232": View.LATERAL,
}
#: Free text that may name the view, and how a reason calls it.
_TEXTS = {
    "SeriesDescription": "Series Description",
    "ProtocolName": "Protocol Name",
    "ViewName": "View Name",
    "AcquisitionDeviceProcessingDescription": "Acquisition Device Processing Description",
}
_SAID = "View Position"


@dataclass(frozen=True, slots=True)
class Projection:
    """A view; the attribute that says so, where it is not View Position; and why not to read it."""

    view: View
    said_by: str = ""
    doubt: str = ""


def projection(header: Dataset, orientation: tuple[str, str] | None) -> Projection:
    """The view that stands first among what the attributes say, and where they disagree.

    Patient Orientation, which is asked last, knows only the plane: frontal or lateral.
    """
    said = list(_statements(header, orientation))
    if not said:
        return Projection(View.UNKNOWN, doubt=_other(header))
    by, view = said[0]
    if (by, view) == (_SAID, View.LATERAL):  # nothing else makes it a film to read
        return Projection(view)
    doubt = _other(header)
    for (first, one), (second, another) in combinations(said, 2):
        if not _agree(one, another):
            doubt = doubt or f"{first} and {second} disagree about the view"
    return Projection(view, "" if by == _SAID else by, doubt)


def _statements(header: Dataset, orientation: tuple[str, str] | None) -> Iterator[tuple[str, View]]:
    """(attribute, the view that it names), in the order in which they are believed."""
    if view := _POSITIONS.get(text(header, "ViewPosition").upper()):
        yield _SAID, view
    if view := _coded(header):
        yield "View Code Sequence", view
    for keyword, name in _TEXTS.items():
        if view := descriptions.view(text(header, keyword)):
            yield name, view
    # Not one of the terms of C.7.3.1.1.2; some writers put the view here.
    position = text(header, "PatientPosition").upper()
    if position in ("PA", "AP"):
        yield "Patient Position", _POSITIONS[position]
    if view := _plane(orientation):
        yield "Patient Orientation", view


def _coded(header: Dataset) -> View | None:
    """By its code; by the words of its meaning where the code is a vendor's own."""
    known = [_VIEW_CODES[code] for code in codes(header, "ViewCodeSequence") if code in _VIEW_CODES]
    if known:
        return known[0]
    return descriptions.view(meanings(header, "ViewCodeSequence"))


def _other(header: Dataset) -> str:
    """Which attribute names a projection that is neither PA, AP nor lateral."""
    modifiers = " ".join(
        meanings(item, "ViewModifierCodeSequence") for item in items(header, "ViewCodeSequence")
    )
    told = {name: text(header, keyword) for keyword, name in _TEXTS.items()}
    told["View Code Sequence"] = f"{meanings(header, 'ViewCodeSequence')} {modifiers}"
    named = [name for name, words in told.items() if descriptions.names_other_projection(words)]
    if text(header, "ViewPosition").upper() in _OTHER_POSITIONS:
        named.insert(0, _SAID)
    return f"{named[0]} names an oblique, lordotic or axial projection" if named else ""


def _plane(orientation: tuple[str, str] | None) -> View | None:
    if orientation is None:
        return None
    axes = {{"L": "x", "R": "x", "H": "z", "F": "z"}.get(letter, "y") for letter in orientation}
    if axes == {"x", "z"}:
        return View.FRONTAL
    return View.LATERAL if axes == {"y", "z"} else None


def _agree(one: View, another: View) -> bool:
    if View.FRONTAL in (one, another):
        return one.is_frontal and another.is_frontal
    return one is another
