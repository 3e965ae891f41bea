"""The demonstration's own commands: ``python -m models.demonstration evaluate|train|pin|grid``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dicom_node import findings_file
from dicom_node.errors import Misconfigured
from models.demonstration.evaluation import evaluate as evaluation
from models.demonstration.evaluation import sheet, tables
from models.engines import demonstration

app = typer.Typer(
    help="Phantoms, training and evaluation of the demonstration's checkpoint. It is not a medical "
    "device: it learnt from drawn films only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()


class Device(StrEnum):
    """Where a model is trained."""

    CPU = "cpu"
    CUDA = "cuda"


@app.command()
def evaluate(
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Folder of another checkpoint.", show_default="the one that ships"),
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", help="Write everything to this file.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Write the tables to this file.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A few phantoms only: does it run? No figures to tell.")
    ] = False,
) -> None:
    """Ask a checkpoint about phantoms that it was never trained on, and print what it reaches."""
    began = time.monotonic()
    size = evaluation.QUICK if quick else evaluation.FULL
    with _plainly(), _bar() as bar:
        _must_have_folders(json, markdown)
        task = bar.add_task("evaluating", total=None)
        done = evaluation.evaluate(
            checkpoint, size, lambda n, of: bar.update(task, completed=n, total=of)
        )
    tables.show(done, console)
    with _plainly():
        if json is not None:
            json.write_text(tables.as_json(done), encoding="utf-8")
        if markdown is not None:
            markdown.write_text(tables.markdown(done), encoding="utf-8")
    typer.echo(f"weights {done.digest[:12]}, {time.monotonic() - began:.0f} s")


@app.command()
def grid(
    out: Annotated[Path, typer.Argument(help="The PNG to write.")],
    beside: Annotated[
        Path | None, typer.Option(help="A picture of a real film, to judge the phantoms beside.")
    ] = None,
) -> None:
    """Draw phantoms of every kind on one sheet, with the true boxes."""
    with _plainly():
        _must_have_folders(out)
        sheet.draw(out, beside)


@app.command()
def pin() -> None:
    """Make the checkpoint in the package the one that ships: the engine opens no other."""
    with _plainly():
        digest = demonstration.pin(demonstration.folder())
    typer.echo(f"{digest} is the checkpoint that ships; commit both")


@app.command()
def train(
    folder: Annotated[
        Path, typer.Argument(help="Where the training is kept; what is there already goes on.")
    ],
    device: Annotated[Device, typer.Option(help="Where the model is trained.")] = Device.CPU,
    processes: Annotated[int, typer.Option(help="How many draw phantoms.", min=1)] = 2,
) -> None:
    """Train the checkpoint anew, from nothing but phantoms; ends in FOLDER/checkpoint.

    It takes 6 GB of memory, 2.7 GB of disk, and about three hours on two CPU cores that
    multiply matrices of bf16 (AMX); without these instructions it takes much longer.
    """
    from models.demonstration.training import loop  # torch only where it trains
    from models.demonstration.training.plan import Plan

    plan = Plan()
    steps = loop.main(folder, findings_file.shipped(), plan, device=device, processes=processes)
    with _plainly(), _bar() as bar:
        drawing = bar.add_task("drawing", total=None)
        training_ = bar.add_task("training", total=plan.steps)
        for figures in steps:
            if "drawn" in figures:
                bar.update(drawing, completed=figures["drawn"], total=figures["of"])
            else:
                bar.update(training_, completed=figures["step"])
    typer.echo(f"the checkpoint is {folder / 'checkpoint'}, its log {folder / 'log.jsonl'}")


@contextmanager
def _plainly() -> Iterator[None]:
    """End with one line where something cannot be used, read or written."""
    try:
        yield
    except (Misconfigured, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None


def _must_have_folders(*files: Path | None) -> None:
    """Said before the work, not after it.

    Raises:
        Misconfigured: the folder of a file that is to be written is not there.
    """
    for file in files:
        if file is not None and not file.parent.is_dir():
            raise Misconfigured(f"{file.parent}: is not a folder; make it first")


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)


if __name__ == "__main__":
    app()
