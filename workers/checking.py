"""``dicom-node check``: what would go wrong, before a study does."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.util import find_spec

from dicom_node import commitment, queue
from dicom_node.archives.orthanc import Rest
from dicom_node.association import echo
from dicom_node.durable import free_bytes
from dicom_node.errors import Misconfigured, NodeError
from dicom_node.ledger import jobs
from dicom_node.peer import Peer
from dicom_node.report import Weights
from dicom_node.retention.survey import survey
from dicom_node.sections import DestinationSection, PeerSection
from dicom_node.tls import Credentials, inspect
from dicom_node.units import size_text
from workers import disk, listening, tasks
from workers.site import Configuration, celery_application, open_site

#: Before it ends, somebody has to ask for another one.
_RENEWAL = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Result:
    """One thing that was checked; ``what`` says what to do where it failed."""

    what: str
    failed: bool = False


def everything(configuration: Configuration) -> Iterator[Result]:
    """Check one thing after the other; a failed one does not end it."""
    settings = configuration.settings
    asked = sum(1 for _ in configuration.vocabulary.findings)
    yield Result(f"configuration: {len(configuration.rules)} rule(s), {asked} finding(s)")
    yield _try("ledger", partial(_ledger, configuration))
    yield _try("broker", partial(_broker, configuration))
    yield _room(configuration)
    for key, port in listening.ports(settings):
        yield _port(settings.node.host, key, port)
    yield from _certificates(configuration)
    sections: list[tuple[str, PeerSection]] = [(one.name, one) for one in settings.destinations]
    if settings.archive is not None:
        sections.insert(0, ("archive", settings.archive))
    for name, section in sections:
        peer = settings.peer(name, section)
        what = f"C-ECHO to {name} ({peer.ae_title} at {peer.host} port {peer.port})"
        yield _try(what, partial(_echo, peer))
    for destination in settings.destinations:
        if destination.commitment != "none":
            yield _commitment(configuration, destination)
        if destination.orthanc:
            what = f"REST API of {destination.name} ({destination.orthanc})"
            rest = Rest(destination.orthanc, settings.orthanc.user, settings.orthanc.password)
            yield _try(what, partial(_rest, rest))
    opened, kind = _weights(configuration)
    yield opened
    yield from _releases(configuration, kind)


def _commitment(configuration: Configuration, destination: DestinationSection) -> Result:
    """Whether a destination commits itself to what is sent, and can report it to this node."""
    settings = configuration.settings
    what = f"storage commitment of {destination.name}"
    required = destination.commitment == "required"
    try:
        offered = commitment.is_offered(settings.peer(destination.name, destination))
    except NodeError as error:
        return Result(f"{what}: not known: {error}", failed=True)
    if not offered:
        told = "not offered, and `required`" if required else "not offered; a query decides"
        return Result(f"{what}: {told}", failed=required)
    let_in = settings.receive.calling_ae_titles
    if let_in and destination.ae_title not in let_in:
        told = f"offered, but {destination.ae_title} is not in receive.calling_ae_titles"
        return Result(f"{what}: {told}, so that it cannot report", failed=True)
    return Result(f"{what}: offered")


def _releases(configuration: Configuration, kind: Weights | None) -> Iterator[Result]:
    """Destinations to which nothing will go as things are, with weights of this kind."""
    settings = configuration.settings
    for destination in settings.destinations:
        if destination.test:
            continue
        told = f"destination {destination.name} is not marked `test`"
        if kind is Weights.DEMONSTRATION:
            yield Result(f"{told}: nothing that the demonstration makes goes there", failed=True)
        elif not settings.release:
            yield Result(f"{told}: results wait until `release` is true", failed=True)


def need_torch() -> None:
    """Refuse to begin what cannot be done.

    Raises:
        Misconfigured: torch or transformers is not installed.
    """
    for package in ("torch", "transformers"):
        if find_spec(package) is None:
            raise Misconfigured(
                f"{package} is not installed; a worker needs: pip install 'dicom-node[worker]'"
            )


def _try(what: str, check: Callable[[], str]) -> Result:
    try:
        return Result(f"{what}: {check()}")
    except NodeError as error:
        return Result(f"{what}: {error}", failed=True)


def _ledger(configuration: Configuration) -> str:
    database = open_site(configuration).database
    database.try_to_write()
    database.close()
    return "opens"


def _broker(configuration: Configuration) -> str:
    broker = configuration.settings.broker
    app = celery_application(configuration.settings)
    queue.answers(app, *(stage.name for stage in jobs.STAGES))
    if not broker.url:
        return "files in the data folder"
    return "answers over TLS" if broker.url.startswith("rediss:") else "answers"


def _room(configuration: Configuration) -> Result:
    receive = configuration.settings.receive
    try:
        site = open_site(configuration)
        used = survey(site.database, site.spool, site.settings.retention)
        told = f"disk: {disk.room(site, used)}"
        site.database.close()
        free = site.spool.free_bytes()
    except NodeError:  # told of the ledger already
        try:
            free = free_bytes(configuration.settings.node.data)
        except OSError as error:
            return Result(f"disk: node.data: {error.strerror}", failed=True)
        told = f"disk: {size_text(free)} free"
    return Result(told, failed=free < receive.disk_reserve)


def _port(host: str, key: str, port: int) -> Result:
    """Whether the edge could listen there; of a port that is taken, only that it is."""
    what = f"{key}: {host} port {port}"
    try:
        listening.attempt(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return Result(f"{what} is listened on already: by this node, if it is running")
        return Result(f"{what}: {listening.why_not(error, key)}", failed=True)
    return Result(f"{what} is free")


def _certificates(configuration: Configuration) -> Iterator[Result]:
    """Of each certificate of this node, whether it can be used, and until when."""
    shown = {(one, False) for one in configuration.settings.calling_credentials}
    if (credentials := configuration.settings.credentials) is not None:
        shown.add((credentials, True))
    # What is true of it at the port is mostly true of it for callers, and told once.
    told = dict.fromkeys(_certificate(*one) for one in sorted(shown, key=str))
    yield from filter(None, told)


def _certificate(credentials: Credentials, as_server: bool) -> Result | None:
    try:
        certificate = inspect(credentials, as_server=as_server)
    except Misconfigured as error:
        return Result(f"TLS: {error}", failed=True)
    if certificate is None:
        return None
    return validity(f"TLS: {credentials.certificate}", certificate.until)


def validity(what: str, until: datetime) -> Result:
    """Whether there is time left; ``what`` names the certificate."""
    left = until - datetime.now(UTC)
    if left < timedelta(0):
        return Result(f"{what} was valid until {until:%Y-%m-%d}: replace it", failed=True)
    told = f"{what} is valid until {until:%Y-%m-%d}"
    if left < _RENEWAL:
        return Result(f"{told}: less than two weeks are left; replace it", failed=True)
    return Result(told)


def _echo(peer: Peer) -> str:
    secured = echo(peer)
    return f"answers over {secured}" if secured else "answers"


def _rest(rest: Rest) -> str:
    rest.check()
    return "answers"


def _weights(configuration: Configuration) -> tuple[Result, Weights | None]:
    """Whether they load, and of what kind they are; None where that is not known."""
    known = configuration.settings.engine.name == "demonstration"
    kind = Weights.DEMONSTRATION if known else None
    if find_spec("torch") is None:
        return Result(
            "weights: not checked: torch is not installed here (edge and sender need none)"
        ), kind
    try:
        identity = tasks.open_engine(configuration).identity
    except NodeError as error:
        return Result(f"weights: {error}", failed=True), kind
    told = f"{identity.weights} weights, digest {identity.digest[:12]}"
    return Result(f"weights: {identity.model} loads and answers ({told})"), identity.weights
