"""The command line. Everything is put together here; a user's mistake ends in one clear line."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

import dicom_node
from dicom_node import logs, report
from dicom_node.errors import Misconfigured, NodeError
from dicom_node.phantom_films import Modality, Photometric
from dicom_node.text import as_text
from workers import bench, checking, demo, disk, edge, local, phantoms, studies, supervise, tasks
from workers.drawn import SIDE, Wanted
from workers.options import CONFIG, ConfigOption, JsonOption, configured, console, print_table
from workers.plain import tell
from workers.site import open_site

app = typer.Typer(
    help="A PACS-side node that lets MedGemma draft chest X-ray findings. Not for clinical use: "
    "everything it writes is made by an AI and verified by nobody.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
log = logging.getLogger(__name__)
_MONOCHROME2 = Photometric.MONOCHROME2


def _print_version(asked: bool) -> None:
    if asked:
        tell(console, f"dicom-node {dicom_node.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Options of the program itself."""


@app.command()
def run(config: ConfigOption = CONFIG) -> None:
    """Run everything on this machine: edge, sender and worker, from one command."""
    configured(config)
    status = supervise.run(config, _stop_event())
    raise typer.Exit(status)


@app.command(name="edge")
def run_edge(config: ConfigOption = CONFIG) -> None:
    """Receive studies and keep the ledger moving (needs no torch)."""
    site = edge.opened(configured(config))
    if os.geteuid() == 0:
        log.warning("runs as root: give the node a user of its own")
    edge.run(site, _stop_event())


@app.command()
def worker(config: ConfigOption = CONFIG) -> None:
    """Read studies with the model; one process for one GPU."""
    configuration = configured(config)
    checking.need_torch()
    tasks.run_reader(configuration)


@app.command()
def sender(config: ConfigOption = CONFIG) -> None:
    """Fetch priors and deliver results (needs no torch)."""
    tasks.run_sender(configured(config))


@app.command()
def ping(
    part: Annotated[Literal["worker", "sender"], typer.Argument(help="Which part to ask.")],
    config: ConfigOption = CONFIG,
) -> None:
    """Ask whether the worker or the sender of this machine takes messages; 1 when not."""
    stages = tasks.READER if part == "worker" else tasks.SENDER
    if not tasks.answers(configured(config), stages):
        tell(console, f"the {part} does not answer")
        raise typer.Exit(1)


@app.command()
def read(
    current: Annotated[list[Path], typer.Argument(help="Files or folders of the study to read.")],
    *,
    prior: Annotated[
        list[Path] | None, typer.Option(help="Files or folders of an earlier study; repeatable.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("dicom-node-out"),
    each: Annotated[
        bool,
        typer.Option(
            "--each",
            help="Every file by itself, and one table; exits with 0 whatever is in it.",
        ),
    ] = False,
    profile: Annotated[
        str, typer.Option(help="Dialect of the objects, as in node.yaml; else every object.")
    ] = "",
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Read local files, without any network, and write the results into a folder."""
    configuration = configured(config)
    checking.need_torch()
    reader = local.Reader(configuration, Console(stderr=True), profile)
    if each:
        if prior:
            raise Misconfigured("--each takes every file by itself: leave --prior out")
        _bench(reader, current, out, as_json=as_json)
        return
    result = reader.read(current, prior or [], out)
    if as_json:
        tell(console, report.to_json(result))
    else:
        tell(console, as_text(result, configuration.vocabulary))
        tell(console, f"\nwritten to {out}:")
        for path in sorted(out.iterdir()):
            tell(console, f"  {path.name}")
    if result.not_read is not None:
        raise typer.Exit(1)


def _bench(reader: local.Reader, paths: list[Path], out: Path, *, as_json: bool) -> None:
    told = Console(stderr=True)
    rows = []
    for row in bench.each(reader, paths, out):
        rows.append(row)
        told.print(f"{row.outcome:>8}  {row.file}", markup=False, highlight=False, soft_wrap=True)
    if as_json:
        tell(console, json.dumps([asdict(row) for row in rows], indent=2))
    else:
        print_table(bench.table(rows))
        tell(console, bench.counted(rows))


studies.add_to(app)
disk.add_to(app)


@app.command()
def check(config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Check the configuration, call every peer by C-ECHO, and load the weights."""
    configuration = configured(config)
    results = []
    for result in checking.everything(configuration):
        results.append(result)
        if not as_json:
            tell(console, f"{'FAILED' if result.failed else 'ok':>6}  {result.what}")
    if as_json:
        tell(console, json.dumps([asdict(result) for result in results], indent=2))
    raise typer.Exit(1 if any(result.failed for result in results) else 0)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where to write node.yaml and the others.")],
) -> None:
    """Write a commented configuration for a site."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = [one for one in resources.files("config").iterdir() if one.name.endswith(".yaml")]
    for source in sources:
        if (folder / source.name).exists():
            raise Misconfigured(f"{folder / source.name} exists already; nothing was written")
    for source in sources:
        with resources.as_file(source) as path:
            shutil.copyfile(path, folder / source.name)
        tell(console, f"wrote {folder / source.name}")
    site = folder / "node.yaml"
    tell(console, f"\nnow edit {site}, then: dicom-node check -c {site}")


@app.command()
def migrate(config: ConfigOption = CONFIG) -> None:
    """Bring the ledger up to date; safe while several programs run."""
    open_site(configured(config))
    tell(console, "the ledger is up to date")


@app.command()
def phantom(
    seed: Annotated[
        int, typer.Option(min=0, max=phantoms.MAX_SEED, help="From 1000000 on: trained on.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the films.")],
    *,
    count: Annotated[int, typer.Option(min=1, help="How many seeds, counting from --seed.")] = 1,
    pair: Annotated[bool, typer.Option("--pair", help="An earlier and a current film.")] = False,
    other: Annotated[bool, typer.Option("--other", help="No chest, whatever its header.")] = False,
    side: Annotated[int, typer.Option(min=128, max=4096, help="Longer side, pixels.")] = SIDE,
    modality: Annotated[Modality, typer.Option(help="Kind of DICOM object.")] = Modality.CR,
    photometric: Annotated[Photometric, typer.Option(help="How greys are stored.")] = _MONOCHROME2,
) -> None:
    """Draw chest films with known truth: as DICOM, with the truth as JSON and as a picture."""
    wanted = Wanted(phantoms.kind(pair=pair, other=other), side, modality, photometric)
    phantoms.run(range(seed, seed + count), wanted, out, console)


@app.command(name="demo")
def run_demo(
    out: Annotated[Path, typer.Option(help="Folder for what the demo makes.")] = Path("demo-out"),
) -> None:
    """Show the main job: a small PACS, the node, a film with its prior, and the results."""
    raise typer.Exit(demo.run(out, console))


def main() -> None:
    """The program ``dicom-node``. Exit status 2 means: the configuration cannot be used."""
    logs.configure()
    try:
        app()
    except Misconfigured as error:
        _fail(error, supervise.MISCONFIGURED)
    except NodeError as error:
        _fail(error, 1)


def _fail(error: NodeError, status: int) -> None:
    sys.stderr.write(f"dicom-node: {error}\n")
    sys.exit(status)


def _stop_event() -> threading.Event:
    """Set by SIGTERM and by Ctrl-C."""
    stop = threading.Event()
    handler: Callable[[int, Any], None] = lambda *_: stop.set()  # noqa: E731 - typed for mypy
    signal.signal(signal.SIGTERM, handler)
    signal.signal(signal.SIGINT, handler)
    return stop
