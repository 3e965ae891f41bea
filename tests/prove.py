"""``make proof``: every object of every profile, from all films that there are.

Films are RG1 of the PyPI package pydicom-data, the chest films of ../shared/data as far as they can
be read, and drawn ones. Of each film the fullest report, and of every third one of the other kinds
in turn, which ``make test`` looks at one by one.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import data_store  # type: ignore[import-untyped]  # the PyPI package pydicom-data
import proof
from rich.console import Console

from dicom_node.errors import BadStudy
from dicom_node.phantom_films import Modality, Photometric
from dicom_node.pixels.decoding import decode
from workers.drawn import Wanted, draw
from workers.plain import tell

_SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
#: Films at a time: so often does progress show.
_AT_A_TIME = 12
_CONSOLE = Console(soft_wrap=True)


def films(folder: Path, phantoms: int) -> Iterator[Path]:
    """All films, the drawn ones written into ``folder``; what cannot be read is named."""
    real = [Path(data_store.__file__).parent / "data" / "RG1_UNCI.dcm"]
    if _SHARED.is_dir():
        with (_SHARED / "manifest.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        real += [_SHARED / row["file"] for row in rows if row["category"] == "cxr-dicom"]
    else:
        _tell("no ../shared/data beside this checkout: one real film only")
    for path in real:
        try:
            decode(path)
        except BadStudy as error:
            _tell(f"left out: {path.name}: {error}")
        else:
            yield path
    for seed in range(phantoms):
        modality, photometric = list(Modality)[seed % 2], list(Photometric)[seed // 2 % 2]
        side = 200 + 7 * seed  # with all remainders by 8
        wanted = Wanted(side=side, modality=modality, photometric=photometric)
        (film,) = draw(seed, wanted).films
        path = folder / f"{film.name}.dcm"
        path.write_bytes(film.dicom)
        yield path


def cases(film: Path, number: int, folder: Path) -> list[proof.Case]:
    """The fullest report, and for every third film one of the others."""
    fullest, *others = proof.kinds(film, folder)
    return [fullest] if number % 3 else [fullest, others[number // 3 % len(others)]]


def main(phantoms: int) -> int:
    """The number of things said that are not explained."""
    whole = proof.Outcome()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        numbered = enumerate(films(folder, phantoms))
        seen = 0
        while some := list(islice(numbered, _AT_A_TIME)):
            wanted = [case for number, film in some for case in cases(film, number, folder)]
            outcome = proof.prove(proof.objects(wanted, folder / "objects"))
            whole.said |= outcome.said
            whole.unexplained |= outcome.unexplained
            seen += len(some)
            _tell(*outcome.lines(), f"{seen} films, {len(whole.said)} objects")
    _tell("", f"{seen} films", proof.table(whole))
    for entry in whole.needless():
        _tell(f"nobody says this any more: {entry.validator}: {entry.pattern}")
    return len(whole.lines()) + len(whole.needless())


def _tell(*lines: str) -> None:
    for line in lines:
        tell(_CONSOLE, line)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--phantoms", type=int, default=50)
    sys.exit(min(main(arguments.parse_args().phantoms), 1))
