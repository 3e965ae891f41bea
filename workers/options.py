"""What the commands share: their options, and where they print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dicom_node import logs
from workers.site import Configuration, configure

console = Console()

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The site's node.yaml.", show_default=True)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
CONFIG = Path("config/node.yaml")


def configured(config: Path) -> Configuration:
    """The configuration of a site; what is logged is from now on as it says."""
    configuration = configure(config)
    logs.configure(configuration.settings.log.level)
    return configuration


def print_table(table: Table | str) -> None:
    """What is not a terminal is searched and copied from: nothing is folded there."""
    wide = console if console.is_terminal else Console(width=240)
    wide.print(table)
