"""Celery's tasks: each wakes up, takes at most one job of its stage, and rings for the next.

The only file, with ``dicom_node/queue.py``, that knows Celery.
"""

from __future__ import annotations

import itertools
import logging
import socket
import sys
import time
import warnings
from functools import cached_property
from typing import Any

from celery import Celery, signals
from celery.apps import worker as celerys_worker
from celery.exceptions import SecurityWarning
from celery.worker import state as celerys_state

from dicom_node import logs, queue, tls
from dicom_node.errors import Misconfigured, NodeError
from dicom_node.ledger import jobs, leases, stalled
from dicom_node.ledger.database import Database
from dicom_node.ledger.jobs import Stage
from dicom_node.spool import is_there
from models.engines import ENGINES, LOOKS
from models.engines.base import Engine, EngineOptions
from workers import owners, way
from workers.consuming import Retold
from workers.hearing import Around, Hearing
from workers.site import (
    Configuration,
    Site,
    celery_application,
    longest_task_seconds,
    open_site,
)

log = logging.getLogger(__name__)

READER: tuple[Stage, ...] = (jobs.READ,)
SENDER: tuple[Stage, ...] = (jobs.FETCH, jobs.DELIVER, jobs.RETRACT)
#: Threads of a sender: one study that waits for a slow archive must not hold up the others.
_SENDER_THREADS = 4


class Worker:
    """What a worker process needs, opened at its first task: after Celery's fork, not before."""

    def __init__(self, configuration: Configuration) -> None:
        """Open nothing yet."""
        self._configuration = configuration
        self._looked = False
        self._turns = {stage: itertools.count(1) for stage in jobs.STAGES}

    @cached_property
    def site(self) -> Site:
        """The ledger and the files."""
        return open_site(self._configuration)

    @cached_property
    def engine(self) -> Engine:
        """The model, loaded (CUDA does not survive a fork)."""
        return open_engine(self._configuration)

    def work(self, stage: Stage) -> None:
        """Take one job of this stage; what stands in the way of it is for the next message."""
        try:
            self._work(stage)
        except NodeError as error:
            log.warning("%s: %s; trying again", stage.name, error)

    def _work(self, stage: Stage) -> None:
        chosen = self._configuration.settings
        work: way.Work = {
            jobs.FETCH: way.fetch,
            jobs.READ: lambda site, job: way.read(site, job, self.engine),
            jobs.DELIVER: way.deliver,
            jobs.RETRACT: way.retract,
        }[stage]
        if stage is jobs.READ and not self._engine_opens():
            return
        self._end_leases_of_the_dead()
        begun = time.monotonic()
        taken = way.take(
            self.site,
            stage,
            work,
            owner=owners.me(),
            lease_seconds=longest_task_seconds(chosen),
            turn=next(self._turns[stage]),
        )
        if taken and time.monotonic() - begun > queue.EXPIRES_SECONDS / 2:
            self.site.ring(stage)  # what was rung when it was taken is worth nothing soon

    def _end_leases_of_the_dead(self) -> None:
        """Once: this process may have the place of one that was killed, and has its message."""
        if not self._looked:
            leases.end(self.site.database, owners.is_dead)
            self._looked = True

    def _engine_opens(self) -> bool:
        """Before a job is taken: weights that cannot be loaded are no study's fault."""
        try:
            return self.engine is not None
        except Misconfigured as error:
            # At its start the worker said so already, unless it shows by loading only.
            if stalled.explain(self.site.database, jobs.READ, f"cannot be read yet: {error}"):
                _say_unreadable(error)
            return False


def open_engine(configuration: Configuration) -> Engine:
    """The engine that ``node.yaml`` names.

    Raises:
        Misconfigured: the weights cannot be loaded; one line that says how to get them.
    """
    return ENGINES[configuration.settings.engine.name](_options(configuration))


def _options(configuration: Configuration) -> EngineOptions:
    section = configuration.settings.engine
    return EngineOptions(
        model=section.model,
        revision=section.revision,
        device=section.device,
        max_new_tokens=section.max_new_tokens,
        threads=section.threads,
    )


def _say_unreadable(error: Misconfigured) -> None:
    log.error("nothing can be read: %s", error)


def run_reader(configuration: Configuration) -> None:
    """Run the GPU worker: one process, one study at a time, stopped when one takes too long.

    Weights that are not there are told at once. It runs all the same: they may come, and the
    studies wait.
    """
    try:
        LOOKS[configuration.settings.engine.name](_options(configuration))
    except Misconfigured as error:
        _say_unreadable(error)
    limit = configuration.settings.limits.reading_seconds
    _run(
        configuration,
        READER,
        f"--pool=prefork --concurrency=1 --time-limit={limit:.0f}".split(),
    )


def run_sender(configuration: Configuration) -> None:
    """Run the sender: it fetches priors, and delivers or takes back results. It needs no torch.

    Raises:
        Misconfigured: it would have to call by TLS with files that cannot be used.
    """
    for credentials in configuration.settings.calling_credentials:
        tls.inspect(credentials, as_server=False)
    _run(
        configuration,
        SENDER,
        f"--pool=threads --concurrency={_SENDER_THREADS}".split(),
    )


def answers(configuration: Configuration, stages: tuple[Stage, ...]) -> bool:
    """Whether the worker for these stages on this machine takes messages."""
    app = celery_application(configuration.settings)
    return queue.worker_answers(app, f"{_name(stages)}@{socket.gethostname()}")


def _name(stages: tuple[Stage, ...]) -> str:
    return "-".join(stage.name for stage in stages)


def _run(configuration: Configuration, stages: tuple[Stage, ...], pool: list[str]) -> None:
    app = celery_application(configuration.settings)
    worker = Worker(configuration)
    statuses: list[int] = []
    for stage in stages:
        _register(app, worker, stage)

    @signals.setup_logging.connect(weak=False)  # type: ignore[untyped-decorator]  # Celery's
    def _setup_logging(**_: Any) -> None:
        logs.configure(configuration.settings.log.level, Retold(configuration.settings.broker.url))

    @signals.worker_shutdown.connect(weak=False)  # type: ignore[untyped-decorator]  # Celery's
    def _say_goodbye(sender: Any, **_: Any) -> None:
        statuses.append(sender.exitcode or 0)
        log.info("worker for %s: stopped", told)

    _watch(app, configuration, stages)
    _quieten()
    told = ", ".join(stage.name for stage in stages)
    log.info("worker for %s", told)
    names = ",".join(stage.name for stage in stages)
    app.worker_main(
        [
            "--quiet",
            "worker",
            f"--queues={names}",
            f"--hostname={_name(stages)}@%h",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
            *pool,
        ]
    )
    if any(statuses):  # Celery keeps it to itself, and what starts it takes 0 for an end by order
        sys.exit(1)


def _watch(app: Celery, configuration: Configuration, stages: tuple[Stage, ...]) -> None:
    """Once the worker is ready, see to it that it hears."""
    chosen = configuration.settings

    def is_busy() -> bool:
        return bool(len(celerys_state.reserved_requests) + len(celerys_state.active_requests))

    def is_left(stage: Stage) -> bool:
        if not is_there(chosen.node.data):  # its disk is not mounted: make nothing
            return False
        database = Database(chosen.ledger_url)  # for this once: see `celery_application`
        try:
            return stalled.is_left(database, stage, chosen.limits.deaf_seconds)
        finally:
            database.close()

    hearing = Hearing(stages, Around(is_busy, is_left, lambda stage: queue.ring(app, stage.name)))

    @signals.task_received.connect(weak=False)  # type: ignore[untyped-decorator]  # Celery's
    def _heard(request: Any, **_: Any) -> None:
        hearing.heard(request.name)

    @signals.worker_ready.connect(weak=False)  # type: ignore[untyped-decorator]  # Celery's
    def _begin(**_: Any) -> None:
        hearing.watch(chosen.limits.deaf_seconds)


def _quieten() -> None:
    """What Celery tells past the log, and its warning of root, which fears pickles: it gets none,
    and the edge warns of root once for all parts.
    """
    celerys_worker.safe_say = lambda *_: None
    warnings.filterwarnings("ignore", category=SecurityWarning)


def _register(app: Celery, worker: Worker, stage: Stage) -> None:
    def work() -> None:
        worker.work(stage)

    app.task(work, name=stage.name)
