"""Every object of every profile, from films and kinds of reports, and what validators say of it.

``make proof`` runs it over all films that there are; ``tests/whole/test_validators.py`` over few.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import report_builders
import validators
from builders import variant
from peers import dciodvfy
from pydicom import Dataset, dcmread
from report_builders import READ_AT, film_of, report_on, several, unchanged, unread

from dicom_node.outputs import OUTPUTS, Material, Reference, build, rejection
from dicom_node.outputs.files import encode
from dicom_node.profiles import PROFILES
from dicom_node.report import NotRead, NotReadBecause, Prior, PriorOutcome, Report
from dicom_node.uids import derived_uid

#: Outputs that the templates of Structured Reports are of.
DOCUMENTS = frozenset({"sr", "kos", "rejection"})
_DAYS = 183


@dataclass(frozen=True, slots=True)
class Case:
    """A report and its films; ``predecessors`` are SRs that it takes the place of.

    ``withdrawn``: a rejection note that names its objects is made too.
    """

    name: str
    report: Report
    current: Path
    prior: Path | None = None
    predecessors: tuple[Reference, ...] = ()
    withdrawn: bool = False

    def material(self, profile: str) -> Material:
        """What objects are made from, as the profile has it."""
        return Material(
            report=self.report,
            vocabulary=report_builders.vocabulary(),
            profile=PROFILES[profile],
            current=self.current,
            prior=self.prior,
            predecessors=self.predecessors,
        )


@dataclass(frozen=True, slots=True)
class Made:
    """An object that was written, and the profiles of which each makes these very bytes."""

    case: str
    output: str
    film: Path
    path: Path
    profiles: tuple[str, ...]

    @property
    def name(self) -> str:
        """For people: the case, the profiles and the output."""
        return f"{self.case}, {'/'.join(self.profiles)}, {self.output}"


@dataclass(slots=True)
class Outcome:
    """What the validators say of objects: all of it, and what is not explained."""

    said: dict[Made, tuple[validators.Said, ...]] = field(default_factory=dict)
    unexplained: dict[Made, list[validators.Said]] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """What is not explained, for people."""
        return [
            f"{made.name}: {one.validator}: {one.text}"
            for made, all_ in self.unexplained.items()
            for one in all_
        ]

    def needless(self) -> list[validators.Explained]:
        """Explanations of what nobody said."""
        by_output: dict[str, list[validators.Said]] = {}
        for made, said in self.said.items():
            by_output.setdefault(made.output, []).extend(said)
        return validators.needless(by_output)


def kinds(film: Path, folder: Path) -> Iterator[Case]:
    """A report of each kind on a film; first that with most in it."""
    name, found = film.stem, film_of(film)
    earlier = _earlier(film, folder / f"{name} prior.dcm")
    prior = Prior(PriorOutcome.USED, film=film_of(earlier), days=_DAYS)
    some = several(found)
    late = Prior(PriorOutcome.NOT_IN_TIME, "the archive took too long")
    everything = report_on(found, *some, prior=prior, unread=unread())
    reports = {
        "several, with prior": everything,
        "several, without prior": report_on(found, *unchanged(some), prior=late),
        "nothing found": report_on(found, *some[4:], prior=prior),
        "not suitable": _not_read(report_on(found), NotReadBecause.NOT_SUITABLE, "no chest film"),
        "could not be read": _not_read(report_on(found), NotReadBecause.UNREADABLE, "no pixels"),
        "corrected": replace(everything, revision=2),
    }
    for kind, report in reports.items():
        yield Case(
            name=f"{name}, {kind}",
            report=report,
            current=film,
            prior=earlier if report.prior.film else None,
            predecessors=(_sr_of(everything, film),) if kind == "corrected" else (),
            withdrawn=report is everything,
        )


def objects(cases: Iterable[Case], folder: Path) -> Iterator[Made]:
    """Write each object of each profile; the same bytes once."""
    folder.mkdir(parents=True, exist_ok=True)
    for case in cases:
        made: dict[tuple[str, bytes], list[str]] = {}
        for profile in PROFILES:
            for output, dataset in _all(case, profile):
                made.setdefault((output, encode(dataset)), []).append(profile)
        for (output, content), profiles in made.items():
            path = folder / f"{hashlib.sha256(content).hexdigest()[:16]}.dcm"
            path.write_bytes(content)
            yield Made(case.name, output, case.current, path, tuple(profiles))


def prove(all_made: Iterable[Made]) -> Outcome:
    """Ask the validators."""
    objects_ = {made.path: made for made in all_made}
    documents = [path for path, made in objects_.items() if made.output in DOCUMENTS]
    outcome = Outcome()
    films: dict[Path, list[validators.Said]] = {}
    for path, said in validators.validate(list(objects_), documents).items():
        made = objects_[path]
        if made.film not in films:
            films[made.film] = validators.messages(validators.DCIODVFY, dciodvfy(made.film))
        outcome.said[made] = said
        if rest := validators.unexplained(said, made.output, films[made.film]):
            outcome.unexplained[made] = rest
    return outcome


def table(outcome: Outcome) -> str:
    """Objects, and messages of each sort, by output."""
    rows: dict[str, list[int]] = {}
    for made, said in outcome.said.items():
        errors = sum(one.is_error for one in said)
        rest = len(outcome.unexplained.get(made, ()))
        row = rows.setdefault(made.output, [0] * 5)
        counts = (1, len(made.profiles), errors, len(said) - errors, len(said) - rest)
        rows[made.output] = [was + more for was, more in zip(row, counts, strict=True)]
    rows["all"] = [sum(column) for column in zip(*rows.values(), strict=True)] if rows else []
    head = ("", "objects", "of profiles", "errors", "warnings", "explained")
    return "\n".join(
        f"{name:<12}" + "".join(f"{value:>12}" for value in values)
        for name, values in [(head[0], head[1:]), *rows.items()]
    )


def _all(case: Case, profile: str) -> Iterator[tuple[str, Dataset]]:
    """The objects of a profile, and the note that takes them back."""
    material = case.material(profile)
    named = []
    for reference, dataset in build(material, tuple(OUTPUTS)):
        named.append(reference)
        yield reference.output, dataset
    if named and case.withdrawn:
        why = rejection.Rejection(rejection.Reason.SAFETY, "the wrong patient", tuple(named))
        yield "rejection", rejection.build(material, why)


def _not_read(report: Report, because: NotReadBecause, reason: str) -> Report:
    return replace(report, not_read=NotRead(because, reason))


def _sr_of(report: Report, film: Path) -> Reference:
    """The SR of a report, as an object that another one names."""
    case = Case("", report, film)
    (reference, _), *_ = build(case.material("air"), ("sr",))
    return reference


def _earlier(film: Path, path: Path) -> Path:
    """The same picture as an earlier study."""
    header = dcmread(film, stop_before_pixels=True)
    keywords = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    uids: Mapping[str, str] = {
        keyword: derived_uid("proof, earlier", str(header[keyword].value)) for keyword in keywords
    }
    return variant(film, path, StudyDate=f"{READ_AT.year - 1}0101", **uids)
