"""dciodvfy and PixelMed's DicomSRValidator over our objects, and what they say that is explained.

Neither looks whether a code means what it is to mean: that is the test of the code table.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from peers import dciodvfy, need

_JAR = Path("/usr/share/java/pixelmed.jar")
_SOURCE = Path(__file__).with_name("SrValidator.java")
#: Today's Java refuses the validator's style sheets without.
_LIFTED = [f"-Djdk.xml.xpath{limit}Limit=0" for limit in ("ExprOp", "TotalOp", "ExprGrp")]
_TO_THE_END = ("IOD validation complete", "Root Template Validation Complete")
#: So many files go to one Java, and it gets so long for them.
_BATCH, _SECONDS = 100, 600


@dataclass(frozen=True, slots=True)
class Said:
    """One Error or Warning of a validator."""

    validator: str
    text: str

    @property
    def is_error(self) -> bool:
        """Whether the validator calls it one."""
        return self.text.startswith("Error")


@dataclass(frozen=True, slots=True)
class Explained:
    """A message that may come: of which validator, on which objects, and why it stays.

    ``pattern`` must match the whole message.
    """

    validator: str
    pattern: str
    outputs: frozenset[str]
    why: str

    def covers(self, said: Said, output: str) -> bool:
        """Whether it is this message on an object that it may come on."""
        return (
            said.validator == self.validator
            and output in self.outputs
            and re.fullmatch(self.pattern, said.text) is not None
        )


DCIODVFY, PIXELMED = "dciodvfy", "DicomSRValidator"
_EVERY = frozenset({"sr", "seg", "gsps", "sc", "pdf", "kos", "rejection"})
_ROOT = r'/CONTAINER \(126000,DCM,"Imaging Measurement Report"\)'
_GROUP = (
    rf'{_ROOT}/CONTAINER \(126010,DCM,"Imaging Measurements"\)'
    r'/CONTAINER \(125007,DCM,"Measurement Group"\)'
)
_NOT_IN_TEMPLATE = "Content Item not in template"

#: What dciodvfy says of identities, wherever they stand: of a value, and of one that is missing.
_IDENTITY = re.compile(
    r"(Error|Warning) - Value (dubious|invalid) for this VR - .*"
    r"|Error - Dicom dataset contains invalid data values for Value Representations"
    r"|Warning - Missing attribute or value that would be needed to build DICOMDIR - "
    r"(Patient's Name|Patient ID|Study (ID|Date|Time))"
)

#: All that may be said of our objects. Each entry is needed: a test fails when it is not.
EXPLAINED = (
    Explained(
        DCIODVFY,
        r"Warning - Attribute is not present in standard DICOM IOD - "
        r"\(0x0018,0x1002\) UI Device UID ?",
        _EVERY,
        "IHE AIR wants the Device UID in the item of Contributing Equipment (today's PS3.3 C.12.1 "
        "has it there); this dciodvfy does not know it there.",
    ),
    Explained(
        DCIODVFY,
        r"Warning - Dicom dataset contains attributes not present in standard DICOM IOD - "
        r"this is a Standard Extended SOP Class",
        _EVERY,
        "What follows from a message about an attribute.",
    ),
    Explained(
        DCIODVFY,
        r"Warning - Attribute is not present in standard DICOM IOD - "
        r"\(0x0028,0x0a04\) LO Pixel Spacing Calibration Description ?",
        frozenset({"seg"}),
        "OHIF loads no Segmentation without pixel measures, and nothing else that is true can be "
        "said in them of a film whose boxes are not to be measured.",
    ),
    Explained(
        DCIODVFY,
        r"Warning - is only permitted to be empty when actually unknown; .* "
        r"- attribute <Laterality>",
        frozenset({"gsps", "sc"}),
        "It is unknown: the film does not say that it is one of the chest.",
    ),
    Explained(
        PIXELMED,
        rf'Warning: [\d.]+: {_GROUP}/CODE \((121052|111049|130400|111017),DCM,"[^"]+"\): '
        rf"{_NOT_IN_TEMPLATE}",
        frozenset({"sr"}),
        "Presence, change, that a region is a bounding box, and how a reading ended: qualitative "
        "evaluations of TID 1410 and 1501, rows that its rules of 2022 do not have yet.",
    ),
    Explained(
        PIXELMED,
        rf'Warning: [\d.]+: {_GROUP}/TEXT \(121106,DCM,"Comment"\): {_NOT_IN_TEMPLATE}',
        frozenset({"sr"}),
        "The label of a box for viewers that read a Comment; TID 1410 is extensible.",
    ),
    Explained(
        PIXELMED,
        rf'Warning: [\d.]+: {_ROOT}/CONTAINER \(C0034375,UMLS,"Qualitative Evaluations"\)'
        rf"/CODE \((111049|121052),DCM,[^/]+/.+: {_NOT_IN_TEMPLATE}",
        frozenset({"sr"}),
        "Below what is stated of the study: of which finding, and since which prior. TID 1500 is "
        "extensible, and a change without them says nothing.",
    ),
    Explained(
        PIXELMED,
        rf'Warning: [\d.]+: /CONTAINER \(18748-4,LN,"Diagnostic Imaging Report"\)'
        rf'/CONTAINER \(121070,DCM,"Findings"\)/CODE .+: {_NOT_IN_TEMPLATE}',
        frozenset({"sr"}),
        "The report in words, where OHIF does not take a group without a box: TID 2000 is "
        "extensible, and what is coded elsewhere is coded there too.",
    ),
)


def validate(paths: Sequence[Path], documents: Sequence[Path]) -> dict[Path, tuple[Said, ...]]:
    """What the validators say: dciodvfy of all ``paths``; DicomSRValidator too of ``documents``,
    those among them that are Structured Reports or Key Object Selections.
    """
    with ThreadPoolExecutor() as pool:
        answers = zip(paths, pool.map(dciodvfy, paths), strict=True)
        said = {path: tuple(messages(DCIODVFY, lines)) for path, lines in answers}
    for first in range(0, len(documents), _BATCH):
        for path, lines in sr_validator(documents[first : first + _BATCH]).items():
            said[path] += tuple(messages(PIXELMED, lines))
    return said


def sr_validator(paths: Sequence[Path]) -> dict[Path, list[str]]:
    """All that PixelMed's DicomSRValidator says of each file, line by line; it must reach the end
    of each.
    """
    program = [*java("-XX:+UseSerialGC"), str(_SOURCE), *map(str, paths)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=_SECONDS, check=True)
    said: dict[Path, list[str]] = {}
    for part in done.stdout.split("== ")[1:]:
        name, *lines = part.splitlines()
        said[Path(name)] = lines
        if missing := [end for end in _TO_THE_END if end not in lines]:
            pytest.fail(f"{name}: not validated to the end, {missing}: {lines}")
    assert list(said) == list(paths), done.stderr
    return said


def java(*options: str) -> list[str]:
    """Java, with the validator's classes and without the limits that today's Java sets."""
    if not _JAR.exists():
        need("DicomSRValidator", "pixelmed-apps")
    return [need("java", "default-jdk-headless"), *options, *_LIFTED, "-cp", str(_JAR)]


def unexplained(said: Iterable[Said], output: str, film: Iterable[Said] = ()) -> list[Said]:
    """What of it is neither in :data:`EXPLAINED` nor said of the ``film`` itself: an identity is
    copied byte by byte, right or wrong.
    """
    copied = {one for one in film if _IDENTITY.fullmatch(one.text)}
    return [
        one
        for one in said
        if one not in copied and not any(entry.covers(one, output) for entry in EXPLAINED)
    ]


def complaints(path: Path, film: Path, output: str) -> list[str]:
    """What dciodvfy alone says of one object on a film, and what is not explained of it."""
    said = [messages(DCIODVFY, dciodvfy(one)) for one in (path, film)]
    return [one.text for one in unexplained(said[0], output, said[1])]


def needless(said: Mapping[str, Iterable[Said]]) -> list[Explained]:
    """Entries of :data:`EXPLAINED` that match nothing of what is said, by name of the output."""
    return [
        entry
        for entry in EXPLAINED
        if not any(entry.covers(one, output) for output, all_ in said.items() for one in all_)
    ]


def messages(validator: str, lines: Iterable[str]) -> list[Said]:
    """The Errors and Warnings among the lines of a validator."""
    return [Said(validator, line) for line in lines if line.startswith(("Error", "Warning"))]
