"""``dicom-node read --each``: every file a study of its own, and one table of what became of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from dicom_node.errors import BadAnswer, BadStudy, Misconfigured, NotForUs, Unreachable
from dicom_node.geometry import STANDING
from dicom_node.report import NotReadBecause, Report
from workers import local

log = logging.getLogger(__name__)

_NOT_READ = {NotReadBecause.NOT_SUITABLE: "refused", NotReadBecause.UNREADABLE: "failed"}


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one file. ``folder`` holds its results, if there are any."""

    file: str
    outcome: str  # read, refused or failed
    why: str
    view: str = ""
    stored: str = ""  # how the film lies in the file
    present: int | None = None
    unread: int | None = None
    folder: str = ""


def each(reader: local.Reader, paths: Sequence[Path], out: Path) -> Iterator[Row]:
    """Read each file by itself, in the order of their names; one that cannot be read ends no other.

    Results go into a folder of ``out`` for each file that was read, named by its place in the
    table.

    Raises:
        Misconfigured: a path does not exist, or the weights cannot be loaded.
    """
    given = local.files(paths, everything=True)
    for number, path in enumerate(given, start=1):
        yield _row(reader, path, out / f"{number:03d}")


def table(rows: Sequence[Row]) -> Table:
    """The rows, and how many there are of each outcome."""
    told = Table("file", box=None)
    for name in ("outcome", "view", "stored", "present", "unread"):
        told.add_column(name, no_wrap=True)
    told.add_column("why", overflow="fold")
    for row in rows:
        numbers = ("" if one is None else str(one) for one in (row.present, row.unread))
        told.add_row(escape(row.file), row.outcome, row.view, row.stored, *numbers, escape(row.why))
    return told


def counted(rows: Sequence[Row]) -> str:
    """How many files there were, and what became of them."""
    outcomes = [row.outcome for row in rows]
    parts = [f"{outcomes.count(one)} {one}" for one in ("read", "refused", "failed")]
    return f"{len(rows)} files: {', '.join(parts)}"


def _row(reader: local.Reader, path: Path, folder: Path) -> Row:
    try:
        result = reader.read([path], [], folder)
    except NotForUs as refusal:
        return Row(str(path), "refused", str(refusal))
    except (BadStudy, BadAnswer, Unreachable) as failure:
        return Row(str(path), "failed", str(failure).removeprefix(f"{path.name}: "))
    except Misconfigured:
        raise
    except Exception as bug:
        log.exception("a file could not be read by an error that should not happen")
        return Row(str(path), "failed", f"error in this program: {type(bug).__name__}")
    unread = result.not_read
    return Row(
        file=str(path),
        outcome="read" if unread is None else _NOT_READ[unread.because],
        why=result.why_this_film if unread is None else unread.reason,
        view=str(result.film.view),
        stored=_stored(result),
        present=None if unread else len(result.present),
        unread=None if unread else len(result.unread),
        folder=str(folder),
    )


def _stored(result: Report) -> str:
    orientation = result.film.orientation
    if orientation is None:
        return "not stated"
    return "standing" if orientation == STANDING else "\\".join(orientation)
