"""How a worker lives with its broker: when it asks again, and what its log says meanwhile."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from logging import WARNING, LogRecord
from typing import Any
from urllib.parse import urlsplit

from celery.exceptions import CPendingDeprecationWarning
from celery.worker import consumer
from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as NoAnswer

#: Redis that answers with an error does so at once: without a pause a worker would do nothing else.
_PAUSE_SECONDS = 5.0
#: The logger for what a task raised: that is no broker.
_TASKS = "celery.app.trace"
_REDIS = "kombu.transport.redis"
_AWAY = (OSError, OperationalError, NoConnection, NoAnswer)
_Consumer: Any = consumer.Consumer


class Consumer(_Consumer):  # type: ignore[misc]
    """Celery's, which does not hurry to connect again."""

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """What goes wrong before anything is heard."""
        super().on_connection_error_before_connected(exc)
        time.sleep(_PAUSE_SECONDS)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """What goes wrong later."""
        # Of what a later version may do with tasks that run meanwhile; Celery turns it on at start.
        warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
        super().on_connection_error_after_connected(exc)
        time.sleep(_PAUSE_SECONDS)


class Retold:
    """What Celery and Kombu log of a broker that is away, in words of our own: theirs are withheld,
    and their traces tell nothing that an administrator could mend.
    """

    def __init__(self, broker_url: str) -> None:
        """For the broker of this URL, of which user and password are left out."""
        parts = urlsplit(broker_url)
        self._broker = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.scheme else ""

    def __call__(self, record: LogRecord) -> str | None:
        """The line for a record; None where it is about something else."""
        if record.name == _TASKS or record.name.split(".")[0] not in ("celery", "kombu"):
            return None
        for error in _errors(record):
            if isinstance(error, ResponseError):
                return self._line("answers with an error", error)
            if isinstance(error, _AWAY):
                return self._line("does not answer", error)
        if record.name == _REDIS and record.levelno == WARNING:  # of a connection that it drops
            return self._line("does not answer", NoAnswer())
        return None

    def _line(self, does: str, error: BaseException) -> str:
        return (
            f"the broker{f' {self._broker}' if self._broker else ''} {does} "
            f"({type(error).__name__}); trying again; see broker.url and `dicom-node check`"
        )


def _errors(record: LogRecord) -> Iterator[BaseException]:
    values = record.args if isinstance(record.args, tuple) else ()
    for value in (*values, *(record.exc_info or ())):
        if isinstance(value, BaseException):
            yield value
