"""The evaluation as tables: on a terminal, as Markdown for the model card, and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Printed

from models.demonstration.evaluation.evaluate import Evaluation
from models.demonstration.evaluation.figures import LEAST_GROUPS
from models.demonstration.evaluation.hardness import Row
from models.demonstration.evaluation.summary import Figure, Shift
from models.demonstration.truth import FINDINGS

#: Averaged over the findings a method as simple as these may not reach more.
HARDNESS_LIMIT = 0.75
_NOTHING = "-"
_NONE = (
    f'"{_NOTHING}": there is no interval of fewer than {LEAST_GROUPS} films or pairs, nor of '
    "answers that are all alike, and no figure where a kind of answer never occurs."
)


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts. The first column is words, the others are figures. ``note`` says below it
    how it is to be read; empty where that needs no words.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def of(evaluation: Evaluation) -> tuple[Table, Table, Table]:
    """The figures, how they fall beyond the range of the training, how hard the phantoms are."""
    return (
        _figures(evaluation.trained),
        _shifted(evaluation.shifted),
        _hardness(evaluation.hardness),
    )


def show(evaluation: Evaluation, console: Console) -> None:
    """Print the tables."""
    for table in of(evaluation):
        printed = Printed(title=escape(table.title), title_justify="left")
        for number, column in enumerate(table.columns):
            side: Literal["left", "right"] = "right" if number else "left"
            printed.add_column(escape(column), justify=side, overflow="fold")
        for row in table.rows:
            printed.add_row(*map(escape, row))
        console.print(printed)
        if table.note:
            console.print(escape(table.note), soft_wrap=True, highlight=False)


def markdown(evaluation: Evaluation) -> str:
    """The tables for the model card."""
    return "\n".join(_markdown(table) for table in of(evaluation))


def as_json(evaluation: Evaluation) -> str:
    """Everything, for scripts; what cannot be told is null."""
    return json.dumps(_plain(asdict(evaluation)), indent=2, allow_nan=False) + "\n"


def _figures(trained: Sequence[Figure]) -> Table:
    columns = ("figure", "n", "value", "95 % interval", "baseline", "to reach", "reached")
    rows = [
        (
            one.name,
            str(one.of),
            _number(one.value),
            _interval(one),
            _number(one.baseline),
            _NOTHING if one.target is None else f"{one.target:.2f}",
            "" if one.met is None else "yes" if one.met else "no",
        )
        for one in trained
    ]
    note = (
        "Intervals: the films and pairs are drawn anew, each with all of its answers (bootstrap). "
        "Of whether it is a chest film the interval is exact (Clopper-Pearson). Where every first "
        "answer parses, or none, it is exact too, and each film or pair counts once, whatever the "
        f"number of its answers. {_NONE}"
    )
    return Table("Within the ranges of the training", columns, tuple(rows), note)


def _shifted(shifted: Mapping[str, Sequence[Shift]]) -> Table:
    """A row for each figure; within are the same seeds whatever lies beyond."""
    rows = [
        (same[0].name, _with_number(same[0].within, same[0].within_of), *map(_cell, same))
        for same in zip(*shifted.values(), strict=True)
    ]
    return Table(
        "Beyond the ranges of the training, and the same seeds within them: value (n), "
        "difference [95 % interval]",
        ("figure", "within", *shifted),
        tuple(rows),
        "The intervals are of the differences: the seeds are drawn anew, each with its answers "
        f"within and beyond (bootstrap). {_NONE} Films that are no chest film have no ranges, so "
        "beyond them it is not measured whether they are told apart.",
    )


def _hardness(measured: Sequence[Row]) -> Table:
    simple = [one for one in measured if one.simple]
    best = tuple(max(one.values[i] for one in simple) for i in range(len(FINDINGS)))
    rows = [
        *simple,
        Row("best of the above for each finding", best),
        *(one for one in measured if not one.simple),
    ]
    title = (
        "AUROC of methods that know nothing but grey values; those above the best must stay "
        f"below {HARDNESS_LIMIT:.2f} on average"
    )
    columns = ("method", *FINDINGS, "mean")
    cells = [(one.method, *map(_number, one.values), _number(one.mean)) for one in rows]
    return Table(title, columns, tuple(cells))


def _cell(one: Shift) -> str:
    if math.isnan(one.difference):
        return _with_number(one.value, one.of)
    low_high = _NOTHING if math.isnan(one.low) else f"[{one.low:+.2f}, {one.high:+.2f}]"
    return f"{_with_number(one.value, one.of)} {one.difference:+.2f} {low_high}"


def _with_number(value: float, of: int) -> str:
    return _NOTHING if math.isnan(value) else f"{value:.3f} ({of})"


def _number(value: float) -> str:
    return _NOTHING if math.isnan(value) else f"{value:.3f}"


def _interval(one: Figure) -> str:
    return _NOTHING if math.isnan(one.low) else f"[{one.low:.3f}, {one.high:.3f}]"


def _markdown(table: Table) -> str:
    lines = [
        f"**{table.title}**",
        "",
        _line(table.columns),
        _line([":--", *["--:"] * (len(table.columns) - 1)]),
        *(_line(row) for row in table.rows),
        "",
        *((table.note, "") if table.note else ()),
    ]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(value: object) -> object:
    """The same without NaN, which JSON does not have."""
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
