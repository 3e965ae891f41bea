"""The commands about studies: which there are, the story of one, and putting one right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dicom_node.ledger import jobs, quarantined, retrying
from dicom_node.ledger.jobs import State
from dicom_node.outputs.rejection import Reason
from workers import retracting, showing
from workers.options import CONFIG, ConfigOption, JsonOption, configured, console, print_table
from workers.plain import tell
from workers.site import open_site


def add_to(app: typer.Typer) -> None:
    """Make these commands of the program."""
    app.command(name="jobs")(list_jobs)
    for command in (show, retry, retract):
        app.command()(command)


def list_jobs(
    config: ConfigOption = CONFIG,
    state: Annotated[list[State] | None, typer.Option(help="Only these; repeatable.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")] = 50,
    before: Annotated[int | None, typer.Option(help="Only before this job: the next page.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the studies: where each is on its way, and why."""
    database = open_site(configured(config)).database
    found = jobs.listing(database, states=state or (), limit=limit, before=before)
    aside = quarantined.listing(database, limit=limit)
    if as_json:
        tell(console, showing.jobs_json(found, aside))
        return
    none = "no such studies" if state or before else "no studies yet"
    print_table(showing.jobs_table(found) if found else none)
    if any(job.leased for job in found):
        tell(console, "* being worked on now")
    for one in aside:
        tell(console, showing.quarantined(one))


def show(
    job: Annotated[int, typer.Argument(help="The number that `dicom-node jobs` gives.")],
    config: ConfigOption = CONFIG,
    picture: Annotated[
        Path | None, typer.Option(help="Write the picture (PNG) here instead.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show one study: what arrived, which film and prior, each answer, each object, a picture."""
    site = open_site(configured(config))
    row = jobs.get(site.database, job)
    if as_json:
        tell(console, showing.story_json(site, row))
        return
    for part in showing.story(site, row, picture):
        tell(console, part) if isinstance(part, str) else print_table(part)


def retry(
    job: Annotated[int, typer.Argument(help="The number that `dicom-node jobs` gives.")],
    *,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Read it again, with the weights of now; also one that is done."
        ),
    ] = False,
    config: ConfigOption = CONFIG,
) -> None:
    """Put a study that failed, was refused or was retracted back on its way."""
    state = retrying.retry(open_site(configured(config)).database, job, again=again)
    tell(console, f"job {job} is back, {state}; `dicom-node show {job}` tells how it goes on")


def retract(
    job: Annotated[int, typer.Argument(help="The number that `dicom-node jobs` gives.")],
    *,
    reason: Annotated[
        Reason, typer.Option(help="Why; `safety`: nobody may look at it any more.")
    ] = Reason.QUALITY,
    forget: Annotated[
        bool,
        typer.Option("--forget", help="Delete what was received too: it can come corrected then."),
    ] = False,
    config: ConfigOption = CONFIG,
) -> None:
    """Take back all that was sent of a study, by a rejection note to each destination."""
    site = open_site(configured(config))
    tell(console, retracting.retract(site, job, reason))
    if forget:
        tell(console, retracting.forget(site, job))
