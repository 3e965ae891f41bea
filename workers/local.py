"""Reading local files: the same way as over the network, without one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from dicom_node import outputs, report, rules
from dicom_node.errors import BadStudy, Misconfigured
from dicom_node.headers import is_dicom_file, read_studies, read_study
from dicom_node.outputs import OUTPUTS, Material
from dicom_node.priors import FoundPrior, compare_files
from dicom_node.profiles import PROFILES, Profile
from dicom_node.receive.header import read_header
from dicom_node.report import NotReadBecause, Report
from dicom_node.rules import Priors
from models.engines.base import Engine
from workers import pictures, reading, tasks
from workers.site import Configuration

#: Every object that there is.
EVERYTHING = replace(PROFILES["air"], outputs=tuple(OUTPUTS))


class Reader:
    """A configuration whose engine is opened once, when the first film is to be read."""

    def __init__(self, configuration: Configuration, console: Console, profile: str = "") -> None:
        """Open nothing yet.

        ``profile`` names the dialect of the objects; empty: all that the rule names, as in `air`.

        Raises:
            Misconfigured: there is no such profile.
        """
        self._configuration = configuration
        self._console = console
        self._profile = _profile(configuration, profile)

    @cached_property
    def _engine(self) -> Engine:
        return tasks.open_engine(self._configuration)

    def read(self, current: Sequence[Path], prior: Sequence[Path], out: Path) -> Report:
        """Read a study beside an earlier one and write objects, report and picture into ``out``.

        Raises:
            NotForUs: no rule reads the study.
            BadStudy: its files cannot be read.
            Misconfigured: a path does not exist, or the weights cannot be loaded.
        """
        with Progress(console=self._console, transient=True) as progress:
            task = progress.add_task("reading", total=None)
            found = read_files(
                self._configuration,
                current,
                prior,
                lambda: self._engine,
                lambda done, total: progress.update(task, completed=done, total=total),
            )
        write(
            found.report, self._configuration, found.film, found.prior, out, profile=self._profile
        )
        return found.report


def _profile(configuration: Configuration, name: str) -> Profile:
    try:
        return configuration.settings.profile(name) if name else EVERYTHING
    except ValueError as error:
        raise Misconfigured(f"--profile: {error}") from None


@dataclass(frozen=True, slots=True)
class Found:
    """What was read, and where the film and the prior that was used lie."""

    report: Report
    film: Path
    prior: Path | None


def read_files(
    configuration: Configuration,
    current: Sequence[Path],
    prior: Sequence[Path],
    open_engine: Callable[[], Engine],
    progress: reading.Progress | None = None,
) -> Found:
    """Read a study beside an earlier one; the engine is opened only if there is a film to read.

    Raises:
        NotForUs: no rule reads the study.
        BadStudy: its files cannot be read.
        Misconfigured: a path does not exist, or the weights cannot be loaded.
    """
    study = read_study(files(current))
    plan = rules.plan(study, configuration.rules)
    found = FoundPrior(reading.without_prior("none was given"))
    if prior:
        found = compare_files(
            study=study,
            film=plan.choice.film,
            rule=plan.rule.priors or Priors(),
            earlier=read_studies(files(prior)),
        )
    result = reading.read(
        job="local",
        revision=1,
        plan=plan,
        prior=found.prior,
        prior_path=found.path,
        vocabulary=configuration.vocabulary,
        engine=open_engine(),
        progress=progress,
    )
    return Found(result, plan.choice.film.path, found.path)


def write(
    result: Report,
    configuration: Configuration,
    current: Path,
    prior: Path | None,
    out: Path,
    *,
    profile: Profile = EVERYTHING,
) -> None:
    """Write what there is of a report into a folder.

    What an earlier reading left there goes: nobody is to take it for a part of this one.
    """
    out.mkdir(parents=True, exist_ok=True)
    _clear(out)
    rule = rules.rule_named(result.rule, configuration.rules)
    material = Material(
        report=result,
        vocabulary=configuration.vocabulary,
        profile=profile,
        current=current,
        prior=prior,
        series=configuration.settings.result_series,
    )
    for reference, dataset in outputs.build(material, rule.outputs):
        outputs.write(dataset, out / f"{reference.output}.dcm")
    (out / "report.json").write_text(report.to_json(result), encoding="utf-8")
    if result.not_read is None or result.not_read.because is not NotReadBecause.UNREADABLE:
        pictures.of_files(result, configuration.vocabulary, current, prior, out / "picture.png")


def _clear(out: Path) -> None:
    """Delete the results of an earlier reading; a report tells that there was one."""
    if not (out / "report.json").exists():
        return
    for path in (out / f"{output}.dcm" for output in OUTPUTS):
        with suppress(BadStudy):  # then it is none of ours
            if is_dicom_file(path) and read_header(path).ours:
                path.unlink()
    (out / "picture.png").unlink(missing_ok=True)


def files(paths: Sequence[Path], *, everything: bool = False) -> list[Path]:
    """The files given, and the DICOM files in folders given; with ``everything``, all in those.

    Raises:
        Misconfigured: a path does not exist.
        BadStudy: there is no file at all.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(one for one in path.rglob("*") if one.is_file())
            found += inside if everything else filter(is_dicom_file, inside)
        elif path.exists():
            found.append(path)
        else:
            raise Misconfigured(f"{path}: no such file or folder")
    if not found:
        raise BadStudy("the folders given hold no DICOM files")
    return found
