"""Celery, as the bell that wakes workers: messages say which stage has work, never what work.

What is due stands in the ledger. A message that is lost is rung again by the sweeper; one that
comes twice, or too late, finds nothing to do.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from ssl import CERT_REQUIRED
from urllib.parse import urlsplit

from celery import Celery
from kombu.exceptions import OperationalError
from kombu.transport import TRANSPORT_ALIASES, resolve_transport

from dicom_node import file_broker
from dicom_node.errors import Misconfigured, Unreachable

#: A message that no worker took for so long is worth nothing: the sweeper has rung again since.
EXPIRES_SECONDS = 60
_ANSWER_SECONDS, _PING_SECONDS = 5.0, 5.0
#: Redis that has gone with its machine, or stands still, is waited for no longer: its client would
#: wait for ever, and with it who rings, which is the edge between two looks at the ledger.
_SILENT_SECONDS = 10.0
_FILES = f"{file_broker.SCHEME}://localhost"  # kombu warns at each message without a host
_REDIS_PORT = 6379
#: What Redis and the way to it say, and what to look at; the first that is found.
_SAID = {
    "AuthenticationError": "it does not take the password",
    "WRONGPASS": "it does not take the password",
    "CERTIFICATE_VERIFY_FAILED": (
        "its certificate is not accepted (broker.authority, host name, date)"
    ),
    "WRONG_VERSION_NUMBER": "it does not speak TLS there (redis:// or rediss://)",
    "Connection closed by server": "it ends the connection; does it ask for TLS (rediss://)?",
    "Connection refused": "nobody listens there",
    "gaierror": "its host has no address",
    "imed out": "no answer in time",
    "ReadOnlyError": "it may only be read; is it a replica?",
    "MISCONF": "it cannot save to its own disk",
    "OutOfMemoryError": "its memory is full",
    "WRONGTYPE": "a queue's name holds something else",
    "NoPermissionError": "its user may not write",
}
# By name: who has a broker of files loads no client for Redis.
TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), "dicom_node.redis_broker:Transport"))
_EXPECTED = "expected for example redis://HOST:6379/0, or nothing"


def application(
    broker_url: str, data: Path, *, longest_task_seconds: float, authority: Path | None = None
) -> Celery:
    """The Celery application of this site; an empty URL makes a broker of files below ``data``.

    A ``rediss://`` broker has to show a certificate for its host that ``authority`` has signed;
    without ``authority``, one that this machine believes.

    Raises:
        Misconfigured: the URL is none that Celery knows, or the file of the authority is missing.
        Unreachable: the folder of a broker of files cannot be made.
    """
    url = broker_url or _FILES
    if not all(map(_is_address, url.split(";"))):  # several: the next where one is away
        raise Misconfigured(f"broker.url: no address; {_EXPECTED}")
    app = Celery("dicom-node", broker=url, set_as_current=False)
    try:
        resolve_transport(urlsplit(url).scheme)
    except KeyError as error:
        raise Misconfigured(f"broker.url: {error.args[0]}; {_EXPECTED}") from None
    if urlsplit(url).scheme == "rediss":
        app.conf.broker_use_ssl = _secured(url, authority)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        # A worker that dies gives its message back; that a study is not read twice at once is the
        # lease's doing, not the broker's.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        worker_consumer="workers.consuming:Consumer",
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # by default a worker ends after some 45 minutes
        broker_transport_options=_transport_options(url, data, longest_task_seconds),
    )
    return app


def ring(app: Celery, stage: str) -> None:
    """Tell a worker of this stage that something is due.

    Raises:
        Unreachable: the broker does not answer; the sweeper will ring again.
    """
    try:
        _send(app, stage)
    except (OperationalError, OSError) as error:
        cause = error.__cause__ or error
        raise Unreachable(f"the broker does not answer ({type(cause).__name__})") from None


def _send(app: Celery, stage: str) -> None:
    app.send_task(stage, queue=stage, expires=EXPIRES_SECONDS, retry=False)


def forget(data: Path) -> None:
    """Delete messages that expired long ago, of a broker of files below ``data``: while no worker
    of a stage runs, nobody else does.
    """
    oldest = time.time() - 10 * EXPIRES_SECONDS
    for message in (data / "broker").glob("*.msg*"):  # also what was begun, or taken and not read
        with suppress(FileNotFoundError):  # a worker has taken it
            if message.stat().st_mtime < oldest:
                message.unlink()


def answers(app: Celery, *stages: str) -> None:
    """Ask the broker whether it is there, and takes messages for these stages.

    Raises:
        Unreachable: it is not, does not take the password or a message, or its certificate is not
            good.
    """
    with app.connection_for_write() as connection:
        does = "does not answer"
        try:
            connection.ensure_connection(max_retries=1, timeout=_ANSWER_SECONDS)
            does = "takes no message"
            for stage in stages:
                _send(app, stage)
        except (OperationalError, OSError) as error:
            place = f"{connection.hostname} port {connection.port or _REDIS_PORT}"
            if connection.transport_cls == file_broker.SCHEME:
                place = "the data folder"
            raise Unreachable(f"{place} {does}: {_why(error)}") from None


def worker_answers(app: Celery, worker: str) -> bool:
    """Whether a worker of this Celery name takes messages."""
    with app.connection_for_write() as connection:
        away = (OperationalError, OSError, *connection.connection_errors)
    try:
        found = app.control.inspect(destination=[worker], timeout=_PING_SECONDS).ping()
    except away:
        return False
    return bool(found)


def _is_address(url: str) -> bool:
    """Whether a URL has its parts. A password with `#`, `/` or `?` in it ends the host before it
    begins, and what is told of such a URL would repeat the password.
    """
    try:
        parts = urlsplit(url)
        database = parts.path.strip("/") if parts.scheme in ("redis", "rediss") else ""
        return bool(parts.scheme) and parts.port != 0 and (database or "0").isdecimal()
    except ValueError:  # the port is no number, or a bracket is open
        return False


def _why(error: BaseException) -> str:
    """From a chain of exceptions, whose texts may name hosts and users."""
    told: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        told.append(f"{type(cause).__name__} {cause}")
        cause = cause.__cause__ or cause.__context__
    whole = "\n".join(told)
    return next((why for said, why in _SAID.items() if said in whole), told[-1].split()[0])


def _secured(url: str, authority: Path | None) -> dict[str, object]:
    if "ssl_" in urlsplit(url).query:  # Celery would take `none` for an answer
        raise Misconfigured("broker.url: no `ssl_...` here; set broker.authority")
    if authority is not None and not authority.is_file():
        raise Misconfigured(f"broker.authority: {authority}: no such file")
    options: dict[str, object] = {"ssl_cert_reqs": CERT_REQUIRED, "ssl_check_hostname": True}
    return options | ({"ssl_ca_certs": str(authority)} if authority else {})


def _transport_options(url: str, data: Path, longest_task_seconds: float) -> dict[str, object]:
    if not url.startswith(_FILES):
        # A message counts as lost, and is given to another worker, only after the longest task.
        return {
            "visibility_timeout": 1.2 * longest_task_seconds,
            "socket_timeout": _SILENT_SECONDS,
            "socket_connect_timeout": _SILENT_SECONDS,
        }
    folder, control = data / "broker", data / "broker" / "control"
    try:
        control.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        told = f"node.data: {data} cannot be made or written: {error.strerror}"
        raise Unreachable(told) from None
    return {
        "data_folder_in": str(folder),
        "data_folder_out": str(folder),
        "control_folder": str(control),
        "polling_interval": 0.2,
    }
