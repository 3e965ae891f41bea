"""``dicom-node phantom``: drawn films as files, with the truth about them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from dicom_node import durable
from dicom_node.errors import Misconfigured
from workers import truth
from workers.drawn import Drawn, Kind, Wanted, draw
from workers.plain import tell

#: The last seed there is.
MAX_SEED = 2**63 - 1


def kind(*, pair: bool, other: bool) -> Kind:
    """What the options of the command ask for.

    Raises:
        Misconfigured: for two things at once.
    """
    if pair and other:
        raise Misconfigured("--pair and --other exclude each other")
    return Kind.PAIR if pair else Kind.OTHER if other else Kind.CHEST


def run(seeds: Sequence[int], wanted: Wanted, folder: Path, console: Console) -> None:
    """Draw and write seed by seed, and name the files of each; of many with progress.

    Raises:
        Misconfigured: a seed is too large, or see :func:`write`.
    """
    if seeds[-1] > MAX_SEED:
        raise Misconfigured(f"--seed and --count reach beyond the last seed, {MAX_SEED}")
    with Progress(
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=console.is_terminal,  # what goes into a pipe must not become progress
        disable=len(seeds) == 1,
    ) as progress:
        for seed in progress.track(seeds, description="drawing"):
            made = files(draw(seed, wanted))
            write(made, folder)
            tell(console, f"seed {seed}: {', '.join(made)}")
    tell(console, f"written to {folder}")


def files(drawn: Drawn) -> dict[str, bytes]:
    """The files of a seed, by name: of each film DICOM and truth, and one picture of all."""
    made = {}
    for film in drawn.films:
        made[f"{film.name}.dcm"] = film.dicom
        made[f"{film.name}.json"] = f"{json.dumps(truth.of_film(drawn, film), indent=2)}\n".encode()
    made[f"{drawn.kind}-{drawn.seed}.png"] = truth.picture(drawn)
    return made


def write(made: Mapping[str, bytes], folder: Path) -> None:
    """Write files into a folder. What is there already with the same content stays.

    Raises:
        Misconfigured: the folder cannot be written; or another file has the name of one of these,
            and then none of them is written.
    """
    if folder.exists() and not folder.is_dir():
        raise Misconfigured(f"{folder}: is a file, not a folder")
    try:
        durable.make_folder(folder)
        for name, content in made.items():
            _must_be_free(folder / name, content)
        for name, content in made.items():
            if not durable.write(folder / name, content, replace=False):
                _must_be_free(folder / name, content)
    except OSError as error:
        raise Misconfigured(f"{folder}: cannot be written: {error.strerror}") from None


def _must_be_free(path: Path, content: bytes) -> None:
    if not path.exists() and not path.is_symlink():
        return
    if not (path.is_file() and path.read_bytes() == content):
        raise Misconfigured(
            f"{path} is there already and is another file: choose another folder, or move it away"
        )
