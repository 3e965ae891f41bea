"""What the node may speak of: ``findings.yaml`` as a checked model, and as a vocabulary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from dicom_node import yamlfile
from dicom_node.vocabulary import Code, FindingTerm, Laterality, SiteTerm, Vocabulary

# Objects are written in the character set of the film, so what is added is plain ASCII; a
# backslash would end the value (PS3.5 6.2). Lengths are those of SH and LO.
_PLAIN = r"^[ -\[\]-~]+$"
_Word = Annotated[str, StringConstraints(strip_whitespace=True, max_length=64, pattern=_PLAIN)]
_Short = Annotated[str, StringConstraints(strip_whitespace=True, max_length=16, pattern=_PLAIN)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CodeEntry(_Section):
    """A coded concept, and how sure it is that it means this."""

    model_config = ConfigDict(coerce_numbers_to_str=True)  # 60046008 without quotes means the same

    value: _Short
    scheme: _Short
    meaning: _Word
    grade: Literal["A", "B", "C"]
    source: _Word

    def code(self) -> Code:
        """The concept alone, as it is written."""
        return Code(self.value, self.scheme, self.meaning)


class SiteEntry(_Section):
    """A place that the model may name; ``phrase`` is its name unless given."""

    name: _Word
    phrase: _Word | None = None
    code: CodeEntry
    laterality: Laterality | None = None


class FindingEntry(_Section):
    """A finding, and whether the model is asked about it."""

    name: _Word
    ask: bool
    phrase: _Word
    code: CodeEntry
    threshold: Annotated[float, Field(gt=0, le=1)]
    boxed: bool
    sites: Annotated[tuple[str, ...], Field(min_length=1)]
    views: Annotated[tuple[Literal["PA", "AP", "frontal"], ...], Field(min_length=1)]
    colour: Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]
    device: bool = False


class FindingsFile(_Section):
    """All findings and sites of a site's file."""

    findings: Annotated[tuple[FindingEntry, ...], Field(min_length=1)]
    sites: Annotated[tuple[SiteEntry, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        _refuse_twins("finding", (finding.name for finding in self.findings))
        _refuse_twins("phrase", (finding.phrase for finding in self.findings))
        _refuse_twins("site", (site.name for site in self.sites))
        _refuse_twins("phrase", (site.phrase or site.name for site in self.sites))
        known = [site.name for site in self.sites]
        for finding in self.findings:
            _refuse_twins(f"site of {finding.name}", finding.sites)
            for name in finding.sites:
                if name not in known:
                    raise ValueError(f"{finding.name}: sites: {yamlfile.unknown(name, known)}")
        if not any(finding.ask for finding in self.findings):
            raise ValueError("no finding has `ask: true`")
        return self


def load(path: Path, *, unasked: bool = False) -> Vocabulary:
    """The vocabulary of a file; with ``unasked`` also what is ready but not switched on.

    Raises:
        Misconfigured: the file cannot be used as written; one line a fault.
    """
    return vocabulary(yamlfile.load(path, FindingsFile), unasked=unasked)


@cache
def shipped() -> Vocabulary:
    """All words of the config/findings.yaml that ships, also those that are not switched on."""
    with resources.as_file(resources.files("config") / "findings.yaml") as path:
        return load(path, unasked=True)


def vocabulary(file: FindingsFile, *, unasked: bool = False) -> Vocabulary:
    """The findings that are asked about and all sites, in the order of the file."""
    return Vocabulary(
        findings={entry.name: _finding(entry) for entry in file.findings if entry.ask or unasked},
        sites={entry.name: _site(entry) for entry in file.sites},
    )


def _finding(entry: FindingEntry) -> FindingTerm:
    red, green, blue = bytes.fromhex(entry.colour.removeprefix("#"))
    return FindingTerm(
        name=entry.name,
        phrase=entry.phrase,
        code=entry.code.code(),
        sites=entry.sites,
        threshold=entry.threshold,
        boxed=entry.boxed,
        colour=(red, green, blue),
        views=entry.views,
        device=entry.device,
    )


def _site(entry: SiteEntry) -> SiteTerm:
    return SiteTerm(
        name=entry.name,
        phrase=entry.phrase or entry.name,
        code=entry.code.code(),
        laterality=entry.laterality,
    )


def _refuse_twins(what: str, names: Iterable[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise ValueError(f"{what} `{name}` stands twice")
