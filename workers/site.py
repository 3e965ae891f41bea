"""One site, put together: its settings, rules, vocabulary, files, ledger and bell."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from celery import Celery

from dicom_node import findings_file, queue, rules, settings, yamlfile
from dicom_node.archives import ARCHIVES, Archive
from dicom_node.errors import Misconfigured, Unreachable
from dicom_node.ledger import received
from dicom_node.ledger.database import Database
from dicom_node.ledger.jobs import Stage
from dicom_node.outputs import OUTPUTS
from dicom_node.rules import Known, Rule
from dicom_node.settings import Settings
from dicom_node.spool import Spool, is_there
from dicom_node.vocabulary import Vocabulary
from models.engines import ENGINES
from models.prepare import PREPARE
from models.questions import QUESTIONS
from models.read import NEEDS

log = logging.getLogger(__name__)

_NOT_MOUNTED = (
    "node.data: {data} is empty, and the ledger knows of files in it; is its disk mounted? If they "
    "are lost, make the folder {data}/studies"
)

#: A lease outlives the time limit that ends the work, so that it never runs out under it.
_LEASE_MARGIN = 1.1


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the files say, checked."""

    settings: Settings
    rules: tuple[Rule, ...]
    vocabulary: Vocabulary


@dataclass(frozen=True, slots=True)
class Site:
    """A configuration with its ledger, files and bell opened."""

    configuration: Configuration
    database: Database
    spool: Spool
    celery: Celery

    @property
    def settings(self) -> Settings:
        """The site's settings."""
        return self.configuration.settings

    def retry_seconds(self, attempts: int) -> float:
        """How long to wait after so many attempts: longer and longer."""
        delivery = self.settings.delivery
        doubled: float = delivery.first_retry_seconds * 2.0 ** min(attempts - 1, 30)
        return min(doubled, delivery.longest_retry_seconds)

    def ring(self, stage: Stage) -> None:
        """Wake a worker of this stage; if the broker is away, the sweeper does it later."""
        try:
            queue.ring(self.celery, stage.name)
        except Unreachable as error:
            log.warning("%s; the sweeper rings again", error)

    def archive(self) -> Archive | None:
        """Where priors are looked for; None when the site names no archive."""
        section = self.settings.archive
        if section is None:
            return None
        peer = self.settings.peer("archive", section)
        least_free = self.settings.receive.least_for_priors
        return ARCHIVES[section.protocol](peer, section.retrieve, least_free)


def configure(path: Path) -> Configuration:
    """The configuration that ``node.yaml`` at this path begins.

    Raises:
        Misconfigured: one line for each fault in any of its files.
    """
    loaded = settings.load(path)
    _known_name(path, "engine.name", loaded.engine.name, list(ENGINES))
    if loaded.archive is not None:
        _known_name(path, "archive.protocol", loaded.archive.protocol, list(ARCHIVES))
    known = Known(
        prepare=PREPARE.keys(), questions=QUESTIONS.keys(), outputs=OUTPUTS.keys(), needs=NEEDS
    )
    for name, section in loaded.profiles.items():
        for output in section.outputs or ():
            _known_name(path, f"profiles.{name}.outputs", output, list(OUTPUTS))
    vocabulary = findings_file.load(loaded.findings)
    return Configuration(loaded, rules.load(loaded.rules, known), vocabulary)


def open_site(configuration: Configuration) -> Site:
    """The site, with its ledger brought up to date.

    Raises:
        Misconfigured: the ledger's or the broker's URL cannot be used.
        Unreachable: the ledger does not answer, or the disk of the data folder is not mounted.
    """
    chosen = configuration.settings
    data = chosen.node.data
    with _made(data):
        data.mkdir(mode=0o700, parents=True, exist_ok=True)  # the ledger may lie in it
    database = Database(chosen.ledger_url)
    if not is_there(data) and received.are_kept(database):
        # Folders made where it is to be mounted would take what comes, and hide what is awaited.
        database.close()
        raise Unreachable(_NOT_MOUNTED.format(data=data))
    with _made(data):
        spool = Spool(data)
    return Site(
        configuration=configuration,
        database=database,
        spool=spool,
        celery=celery_application(chosen),
    )


@contextmanager
def _made(data: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Misconfigured(
            f"node.data: {data} cannot be made or written: {error.strerror}"
        ) from None


def celery_application(chosen: Settings) -> Celery:
    """The bell of a site. Opened apart from the ledger: a Celery parent must hold no connection
    that its children inherit.
    """
    return queue.application(
        chosen.broker.url,
        chosen.node.data,
        longest_task_seconds=longest_task_seconds(chosen),
        authority=chosen.broker.authority,
    )


def longest_task_seconds(chosen: Settings) -> float:
    """What the longest task may take; leases and visibility are derived from it."""
    # Beside the time for priors a query may take its time once for each study that is looked at,
    # and once to count the images of the study itself.
    archive = chosen.archive.timeout_seconds if chosen.archive else 0
    fetching = chosen.limits.prior_wait_seconds + 6 * archive
    # Between two looks at its lease a sender connects, sends, is answered, and awaits a report.
    sending = 4 * max((one.timeout_seconds for one in chosen.destinations), default=0)
    sending += chosen.delivery.commitment_open_seconds
    return _LEASE_MARGIN * max(chosen.limits.reading_seconds, fetching, sending)


def _known_name(path: Path, key: str, name: str, valid: list[str]) -> None:
    if name not in valid:
        place = yamlfile.read(path).where(tuple(key.split(".")))
        raise Misconfigured(f"{place}: {key}: {yamlfile.unknown(name, valid)}")
