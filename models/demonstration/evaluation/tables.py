"""The evaluation as tables: on a terminal, as Markdown for the model card, and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from models.demonstration.evaluation.evaluate import Evaluation
from models.demonstration.evaluation.hardness import Row
from models.demonstration.evaluation.summary import Figure
from models.demonstration.truth import FINDINGS

#: Averaged over the findings a method as simple as these may not reach more.
HARDNESS_LIMIT = 0.75
_NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table of texts. The first column is words, the others are figures."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def sheets(evaluation: Evaluation) -> tuple[Sheet, Sheet, Sheet]:
    """The figures, how they fall beyond the range of the training, how hard the phantoms are."""
    return (
        _figures(evaluation.trained),
        _shifted(evaluation.trained, evaluation.shifted),
        _hardness(evaluation.hardness),
    )


def show(evaluation: Evaluation, console: Console) -> None:
    """Print the tables."""
    for sheet in sheets(evaluation):
        table = Table(title=escape(sheet.title), title_justify="left")
        for number, column in enumerate(sheet.columns):
            table.add_column(escape(column), justify="right" if number else "left", overflow="fold")
        for row in sheet.rows:
            table.add_row(*map(escape, row))
        console.print(table)


def markdown(evaluation: Evaluation) -> str:
    """The tables for the model card."""
    return "\n".join(_markdown(sheet) for sheet in sheets(evaluation))


def as_json(evaluation: Evaluation) -> str:
    """Everything, for scripts; what cannot be told is null."""
    return json.dumps(_plain(asdict(evaluation)), indent=2, allow_nan=False) + "\n"


def _figures(trained: Sequence[Figure]) -> Sheet:
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
    return Sheet("Within the ranges of the training", columns, tuple(rows))


def _shifted(trained: Sequence[Figure], shifted: dict[str, tuple[Figure, ...]]) -> Sheet:
    rows = []
    for place, one in enumerate(trained):
        others = [figures[place] for figures in shifted.values()]
        cells = [_fallen(other, one) for other in others]
        rows.append((one.name, _number(one.value), *cells))
    title = "Beyond the ranges of the training: value [95 % interval], difference to within"
    return Sheet(title, ("figure", "within", *shifted), tuple(rows))


def _hardness(measured: Sequence[Row]) -> Sheet:
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
    return Sheet(title, columns, tuple(cells))


def _fallen(other: Figure, one: Figure) -> str:
    if math.isnan(other.value):
        return _NOTHING
    return f"{_number(other.value)} {_interval(other)} {other.value - one.value:+.2f}"


def _number(value: float) -> str:
    return _NOTHING if math.isnan(value) else f"{value:.3f}"


def _interval(one: Figure) -> str:
    return _NOTHING if math.isnan(one.low) else f"[{one.low:.2f}, {one.high:.2f}]"


def _markdown(sheet: Sheet) -> str:
    lines = [
        f"**{sheet.title}**",
        "",
        _line(sheet.columns),
        _line([":--", *["--:"] * (len(sheet.columns) - 1)]),
        *(_line(row) for row in sheet.rows),
        "",
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
