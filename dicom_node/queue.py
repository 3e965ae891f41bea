"""Celery, as the bell that wakes workers: messages say which stage has work, never what work.

What is due stands in the ledger. A message that is lost is rung again by the sweeper; one that
comes twice, or too late, finds nothing to do.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from celery import Celery
from kombu.exceptions import OperationalError
from kombu.transport import resolve_transport

from dicom_node.errors import Misconfigured, Unreachable

#: A message that no worker took for so long is worth nothing: the sweeper has rung again since.
_EXPIRES_SECONDS = 60
_FILES = "filesystem://localhost"  # kombu warns at each message without a host
_EXPECTED = "expected for example redis://HOST:6379/0, or nothing"


def application(broker_url: str, data: Path, *, longest_task_seconds: float) -> Celery:
    """The Celery application of this site; an empty URL makes a broker of files below ``data``.

    Raises:
        Misconfigured: the URL is none that Celery knows.
    """
    url = broker_url or _FILES
    if not urlsplit(url).scheme:
        raise Misconfigured(f"broker.url: no address; {_EXPECTED}")
    app = Celery("dicom-node", broker=url, set_as_current=False)
    try:
        resolve_transport(urlsplit(url).scheme)
    except KeyError as error:
        raise Misconfigured(f"broker.url: {error.args[0]}; {_EXPECTED}") from None
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
        broker_connection_retry_on_startup=True,
        broker_transport_options=_transport_options(url, data, longest_task_seconds),
    )
    return app


def ring(app: Celery, stage: str) -> None:
    """Tell a worker of this stage that something is due.

    Raises:
        Unreachable: the broker does not answer; the sweeper will ring again.
    """
    try:
        app.send_task(stage, queue=stage, expires=_EXPIRES_SECONDS, retry=False)
    except (OperationalError, OSError) as error:
        raise Unreachable(f"the broker does not answer ({type(error).__name__})") from None


def forget(data: Path) -> None:
    """Delete messages that expired long ago, of a broker of files below ``data``: while no worker
    of a stage runs, nobody else does.
    """
    oldest = time.time() - 10 * _EXPIRES_SECONDS
    for message in (data / "broker").glob("*.msg"):
        with suppress(FileNotFoundError):  # a worker has taken it
            if message.stat().st_mtime < oldest:
                message.unlink()


def _transport_options(url: str, data: Path, longest_task_seconds: float) -> dict[str, object]:
    if not url.startswith(_FILES):
        # A message counts as lost, and is given to another worker, only after the longest task.
        return {"visibility_timeout": 1.2 * longest_task_seconds}
    folder, control = data / "broker", data / "broker" / "control"
    control.mkdir(parents=True, exist_ok=True)
    return {
        "data_folder_in": str(folder),
        "data_folder_out": str(folder),
        "control_folder": str(control),
        "polling_interval": 0.2,
    }
