"""``dicom-node disk``: what takes how much, what may go, and when."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer
from rich.table import Table

from dicom_node.retention.survey import RESULTS, Use, survey
from dicom_node.units import duration_text, size_text
from workers.options import CONFIG, ConfigOption, JsonOption, configured, console, print_table
from workers.plain import tell
from workers.site import Site, open_site


def add_to(app: typer.Typer) -> None:
    """Make this a command of the program."""
    app.command()(disk)


def disk(config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Tell what takes how much of the disk, how long it stays, and what goes when room is short."""
    site = open_site(configured(config))
    used = survey(site.database, site.spool, site.settings.retention)
    if as_json:
        marks = {
            "free_bytes": site.spool.free_bytes(),
            "disk_low_bytes": site.settings.receive.low_bytes,
            "disk_reserve_bytes": site.settings.receive.disk_reserve,
        }
        tell(console, json.dumps(marks | {"uses": [asdict(one) for one in used]}, indent=2))
        return
    tell(console, room(site, used))
    print_table(_table(used))


def room(site: Site, used: list[Use]) -> str:
    """What is free, from where on something happens, and what could be freed, as a line."""
    receive = site.settings.receive
    early = sum(one.early_bytes for one in used)
    return (
        f"{size_text(site.spool.free_bytes())} free; below {size_text(receive.low_bytes)} room is "
        f"made ({size_text(early)} may go now), below {size_text(receive.disk_reserve)} nothing is "
        "accepted"
    )


def _table(used: list[Use]) -> Table:
    table = Table("what", box=None)
    for name in ("count", "size", "stays", "may go early"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in used:
        numbers = (str(one.count), size_text(one.bytes), _stays(one), size_text(one.early_bytes))
        table.add_row(one.what, *numbers)
    return table


def _stays(one: Use) -> str:
    if one.seconds is not None:
        return duration_text(one.seconds)
    return "as its study" if one.what == RESULTS else "until it has ended"
