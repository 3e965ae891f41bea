"""The objects of one report as text, so that whoever changes what is written sees it in the diff.

    GOLDEN=write python -m pytest tests/whole/test_golden.py

writes the texts in ``tests/golden`` anew.
"""

from __future__ import annotations

import difflib
import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from importlib import metadata
from itertools import islice
from pathlib import Path

from builders import chest, chest_picture
from pydicom import DataElement, Dataset, dcmread
from pydicom.multival import MultiValue
from report_builders import film_of, prior_of, report_on, several, vocabulary

from dicom_node.equipment import device_uid
from dicom_node.outputs import OUTPUTS, Material, build
from dicom_node.outputs.files import encode
from dicom_node.outputs.identifiers import tracked
from dicom_node.profiles import PROFILES
from dicom_node.report import Report

FOLDER = Path(__file__).with_name("golden")
_UID = re.compile(r"\b(?:2\.25\.\d+|1\.2(?:\.\d+){2,})\b")
_CODE = {"CodeValue", "CodingSchemeDesignator", "CodeMeaning"}
_REGISTERED = "1.2.840.10008."
_FILM = {
    "StudyInstanceUID": "1.2.826.0.1.3680043.10.543.11",
    "SeriesInstanceUID": "1.2.826.0.1.3680043.10.543.12",
    "SOPInstanceUID": "1.2.826.0.1.3680043.10.543.13",
}


def texts(folder: Path) -> dict[str, str]:
    """The text of each object by the name of its file; profiles whose texts are equal share one,
    and that of others is how it differs from the first one of its kind.

    A new finding with a box, one whose box is around its site, and one that is absent, with a prior
    of which no pixels are kept.
    """
    film = chest(folder / "film.dcm", chest_picture(), **_FILM)
    found = film_of(film)
    some = several(found)
    report = report_on(found, some[0], some[1], some[4], prior=prior_of(found))
    shared: dict[tuple[str, str], list[str]] = {}
    for profile in PROFILES:
        for output, text in _of_profile(profile, report, film):
            shared.setdefault((output, text), []).append(profile)
    first: dict[str, str] = {}
    made = {}
    for (output, text), profiles in shared.items():
        other = first.setdefault(output, text)
        made[f"{output}-{'-'.join(profiles)}.txt"] = text if text is other else _diff(other, text)
    return made


def _diff(one: str, other: str) -> str:
    """What is different, with the lines around it."""
    lines = difflib.unified_diff(one.splitlines(), other.splitlines(), lineterm="", n=4)
    return "".join(f"{line[:2] if line[:2] == '@@' else line}\n" for line in islice(lines, 2, None))


def _of_profile(profile: str, report: Report, film: Path) -> Iterator[tuple[str, str]]:
    material = Material(
        report=report, vocabulary=vocabulary(), profile=PROFILES[profile], current=film
    )
    made = list(build(material, tuple(OUTPUTS)))
    names = _names(report)
    for reference, _ in made:
        names[reference.sop_instance_uid] = f"<{reference.output}>"
        names[reference.series_instance_uid] = f"<{reference.output} series>"
    for reference, dataset in made:
        yield reference.output, dump(dataset, names)


def _names(report: Report) -> dict[str, str]:
    """What is written for UIDs that several objects share."""
    names = {one.uid: f"<tracking of {one.finding.name}>" for one in tracked(report, vocabulary())}
    names[device_uid(report.made)] = "<device>"
    for which, film in (("film", report.film), ("prior", report.prior.film)):
        assert film is not None
        names[film.sop_instance_uid] = f"<{which}>"
        names[film.series_instance_uid] = f"<{which} series>"
        names[film.study_instance_uid] = f"<{which} study>"
    return names


def dump(dataset: Dataset, names: Mapping[str, str]) -> str:
    """An object element by element: UIDs by name or numbered, so that equal ones stay equal;
    pixels as their digest, a page not at all, for its compression depends on the machine.
    """
    read = dcmread(io.BytesIO(encode(dataset)))
    known = dict(names)

    def masked(match: re.Match[str]) -> str:
        uid = match.group()
        numbered = f"<uid {len(known) - len(names) + 1}>"
        return uid if uid.startswith(_REGISTERED) else known.setdefault(uid, numbered)

    text = _UID.sub(masked, "\n".join(_lines(read)))
    return text.replace(metadata.version("highdicom"), "<highdicom>") + "\n"


def _lines(dataset: Dataset, indent: str = "") -> Iterator[str]:
    for element in dataset:
        name = f"{indent}{element.keyword or element.tag}"
        if element.VR != "SQ":
            yield f"{name}: {_value(element)}"
        elif all({one.keyword for one in item} == _CODE for item in element.value):
            yield f"{name}: {', '.join(map(_code, element.value))}"
        else:
            for item in element.value:
                yield name
                yield from _lines(item, f"{indent}  ")


def _value(element: DataElement) -> str:
    if element.keyword.startswith("EncapsulatedDocument"):
        return "..."
    if isinstance(element.value, bytes):
        return f"sha256 {hashlib.sha256(element.value).hexdigest()[:16]}"
    if isinstance(element.value, MultiValue):
        return "\\".join(map(str, element.value))
    return str(element.value)


def _code(item: Dataset) -> str:
    return f'({item.CodeValue}, {item.CodingSchemeDesignator}, "{item.CodeMeaning}")'


def write(made: Mapping[str, str]) -> None:
    """Write the texts anew; those of what is no longer made go."""
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.txt"):
        path.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
