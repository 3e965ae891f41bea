"""The edge: receives, decides when a study is complete, and rings for whatever is due."""

from __future__ import annotations

import logging
import socket
import threading
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

from dicom_node import commitment
from dicom_node.durable import free_bytes
from dicom_node.errors import Misconfigured, Unreachable
from dicom_node.ledger import completion, jobs, leases
from dicom_node.receive.announcements import handlers
from dicom_node.receive.door import Door
from dicom_node.receive.line import Limits
from dicom_node.receive.origin import AskedFor, Mover, never
from dicom_node.receive.recorder import Recorder
from dicom_node.receive.scan import scan
from dicom_node.receive.scp import Receiver
from dicom_node.receive.tls_line import Callers, Lines
from dicom_node.retention.ballast import NOTHING, drop_ballast
from dicom_node.spool import Spool, is_there
from dicom_node.tls import inspect
from workers import listening, owners
from workers.housekeeping import Housekeeper
from workers.site import Configuration, Site, longest_task_seconds, open_site

log = logging.getLogger(__name__)

#: A stage that has work is rung for again after this: the broker may have forgotten.
_RING_AGAIN_SECONDS = 15
#: A sign of life, and the same again where the disk did not take it.
_SHOW_LIFE_EVERY_SECONDS, _SHOW_LIFE_AGAIN_SECONDS = 600, 5


def opened(configuration: Configuration) -> Site:
    """The site of an edge, also where nothing at all is free on its disk: to be opened the ledger
    needs some room, and who deletes what may go is the edge.

    Raises:
        Misconfigured, Unreachable: as ``open_site`` says.
    """
    try:
        return open_site(configuration)
    except Unreachable:
        data = configuration.settings.node.data
        if not is_there(data) or free_bytes(data) >= NOTHING:
            raise
        drop_ballast(Spool(data))
    return open_site(configuration)


def run(site: Site, stop: threading.Event) -> None:
    """Be an edge until told to stop.

    Raises:
        Misconfigured: the port cannot be listened on.
    """
    # Not host and process id: a container that is started again has the same.
    lease = site.settings.completion.edge_lease_seconds
    recorder = Recorder(site.database, site.spool, uuid.uuid4().hex, lease)
    recorder.start()
    node, tls = site.settings.node, site.settings.tls
    place = f"{socket.gethostname()}-{node.port}."
    incoming = site.spool.incoming / f"{place}{uuid.uuid4().hex}"
    housekeeper = Housekeeper(site, incoming, recorder)
    receiver = _receiver(site, recorder, incoming, housekeeper)
    try:
        try:
            receiver.start(node.host, None if tls.only else node.port, _tls(site))
        except OSError as error:
            key = "tls.port" if error.filename == str(tls.port) else "node.port"
            why = listening.why_not(error, key)
            place = f"{node.host} port {error.filename}"
            raise Misconfigured(f"cannot listen on {place}: {why}") from None
        silent = site.settings.retention.incoming.total_seconds()
        site.spool.clear_incoming(incoming, silent, place=place)
        housekeeper.start()
        if found := scan(site.spool, site.database, recorder):
            log.warning("%d file(s) in the spool were not in the ledger; entered now", found)
        for port, how in ((None if tls.only else node.port, "in plain"), (tls.port, "by TLS")):
            if port is not None:
                log.info("listening as %s on %s port %d, %s", node.ae_title, node.host, port, how)
        _sweep_until(site, stop, recorder, receiver, housekeeper)
    finally:
        receiver.stop()
        housekeeper.stop()
        recorder.stop()


def _tls(site: Site) -> tuple[int, Lines] | None:
    section, credentials = site.settings.tls, site.settings.credentials
    if section.port is None or credentials is None:
        return None
    certificate = inspect(credentials, as_server=True)
    if certificate is not None and certificate.until < datetime.now(UTC):
        log.error("the certificate of this node has expired: no caller will accept it")
    return section.port, Lines(credentials, ask=section.client_certificate == "required")


def _receiver(site: Site, recorder: Recorder, incoming: Path, housekeeper: Housekeeper) -> Receiver:
    receive, archive = site.settings.receive, site.settings.archive
    asked_for: AskedFor = never
    if archive is not None and archive.retrieve == "c-move":
        asked_for = Mover(site.database, site.settings.node.ae_title, archive.ae_title).asked_for
    return Receiver(
        door=Door(
            ae_title=site.settings.node.ae_title,
            calling_ae_titles=receive.calling_ae_titles,
            addresses=receive.addresses,
            maximum_associations=receive.maximum_associations,
            maximum_per_sender=receive.maximum_associations_per_sender,
            reserve_bytes=receive.disk_reserve,
            low_bytes=receive.low_bytes,
            ask_for_room=housekeeper.ask_for_room,
        ),
        spool=site.spool,
        recorder=recorder,
        asked_for=asked_for,
        incoming=incoming,
        limits=Limits(
            maximum_pdu_bytes=receive.maximum_pdu_bytes,
            association_seconds=receive.association_seconds,
            message_seconds=receive.message_seconds,
            idle_seconds=receive.idle_seconds,
            maximum_object_bytes=receive.maximum_object,
            object_seconds=receive.object_seconds,
            lowest_bytes_per_second=receive.lowest_bytes_per_second,
            without_object_seconds=receive.without_object_seconds,
        ),
        announcements=[*handlers(site.database), *commitment.handlers(site.database)],
        callers=Callers(site.settings.tls.callers),
    )


def _sweep_until(
    site: Site, stop: threading.Event, recorder: Recorder, receiver: Receiver, keeper: Housekeeper
) -> None:
    rung: dict[str, float] = {}
    shows_life = 0.0
    while not stop.wait(site.settings.limits.sweep_seconds):
        if recorder.has_ended or receiver.has_ended or keeper.has_ended:
            raise RuntimeError("a part of the edge ended; the next start enters what is missing")
        try:
            # Before the ledger is asked: this edge lives also while that is away.
            if time.monotonic() > shows_life:
                shows_life = time.monotonic() + _show_life(receiver)
            _sweep(site, rung)
        except Unreachable as error:
            log.warning("%s; trying again", error)
        except OSError as error:  # its disk is away
            log.warning("the data folder: %s; trying again", error.strerror)


def _show_life(receiver: Receiver) -> float:
    """Returns in how many seconds the next time is. Who rings goes on where the disk takes no sign:
    what is delivered makes room.
    """
    try:
        receiver.show_life()
    except OSError as error:
        log.warning("the data folder: %s; trying again", error.strerror)
        return _SHOW_LIFE_AGAIN_SECONDS
    return _SHOW_LIFE_EVERY_SECONDS


def _sweep(site: Site, rung: dict[str, float]) -> None:
    section = site.settings.completion
    ready = completion.complete(
        site.database,
        section.quiet_seconds,
        section.ceiling_seconds,
        announced_after=section.announced_seconds,
        count=section.count_seconds,
    )
    for job in ready:
        log.info("study complete, job %d", job)
        rung.pop(jobs.FETCH.name, None)
    _free_what_nobody_holds(site)
    waiting = jobs.waiting(site.database)
    for stage in jobs.STAGES:
        due = time.monotonic() - rung.get(stage.name, -_RING_AGAIN_SECONDS) >= _RING_AGAIN_SECONDS
        if stage.name in waiting and due:
            rung[stage.name] = time.monotonic()
            site.ring(stage)


def _free_what_nobody_holds(site: Site) -> None:
    """What a worker held that was killed on this machine, or holds by a clock that was wrong."""
    if dead := leases.end(site.database, owners.is_dead):
        log.warning("%d worker(s) of this machine died at their work; it is taken up again", dead)
    wrong = leases.set_right(
        site.database,
        longest_lease=longest_task_seconds(site.settings),
        longest_wait=site.settings.delivery.longest_retry_seconds,
        edge_lease=site.settings.completion.edge_lease_seconds,
    )
    if wrong:
        log.warning("the clock was put back; %d job(s) would have waited for it", wrong)
