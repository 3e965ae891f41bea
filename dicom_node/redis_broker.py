"""Redis as broker, such that a worker outlives it.

Kombu's own transport ends a worker when Redis answers with an error (it has become a replica, its
disk is full, a queue's name holds something else), and when a list holds what is no message. Here
an error is a broker that is away for now, which Celery tries again, and what is no message is
forgotten: the ledger is the truth, and the sweeper rings again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty
from typing import Any

from kombu.transport import redis
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

# Kombu comes without complete types.
_Channel: Any = redis.Channel
_QoS: Any = redis.QoS
_Transport: Any = redis.Transport
#: What Redis or the way to it raises. Whatever else is raised over a message, the message did.
_AWAY = (RedisError, OSError)


class QoS(_QoS):  # type: ignore[misc]
    """Messages that a worker has and has not answered for yet."""

    def ack(self, delivery_tag: Any) -> None:
        """Answer for a message."""
        with self._done_with(delivery_tag):
            super().ack(delivery_tag)

    def reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        """Refuse a message."""
        with self._done_with(delivery_tag):
            super().reject(delivery_tag, requeue)

    @contextmanager
    def _done_with(self, delivery_tag: Any) -> Iterator[None]:
        """Where Redis does not take an answer, this worker is done with the message all the same:
        it would count for ever as one that the worker is at, and with as many of these as it takes
        at once it would take no other.
        """
        try:
            yield
        except Exception:
            self._quick_ack(delivery_tag)
            raise

    def restore_unacked_once(self, stderr: Any = None) -> None:
        """Give them back where a connection ends: if it ended by itself, the sweeper rings again.

        Kombu closes what is left of a lost connection a second time, then without its address,
        and what that raises would end the worker.
        """
        try:
            super().restore_unacked_once(stderr)
        except Exception:  # noqa: BLE001 - whatever is missing by then
            self._delivered.clear()

    def restore_by_tag(self, tag: Any, *where: Any, **how: Any) -> None:
        """Give back a message that was lost with its worker."""
        try:
            super().restore_by_tag(tag, *where, **how)
        except (*_AWAY, Empty):
            raise
        except Exception:  # noqa: BLE001 - whatever Kombu stumbles over in it
            _forgotten()
            self._remove_from_indices(tag).execute()


class Channel(_Channel):  # type: ignore[misc]
    """What is taken from a list or heard on a channel and cannot be decoded is forgotten."""

    QoS = QoS

    def _brpop_read(self, **options: Any) -> Any:
        return _or_forget(super()._brpop_read, **options)

    def _receive_one(self, client: Any) -> Any:
        return _or_forget(super()._receive_one, client)


class Transport(_Transport):  # type: ignore[misc]
    """Kombu's, with the channel above."""

    Channel = Channel
    connection_errors = (*_Transport.connection_errors, RedisError)

    def _deliver(self, message: Any, queue: str) -> None:
        try:
            super()._deliver(message, queue)
        except (*_AWAY, Empty):
            raise
        except Exception:
            self._refuse(message)
            raise

    def _refuse(self, message: Any) -> None:
        """A message that Celery took and stumbled over: it would block its worker for ever."""
        tag = message["properties"]["delivery_tag"] if _has_tag(message) else None
        for channel in self.channels:
            if tag in channel.qos._delivered:
                channel.basic_reject(tag, requeue=False)


def _has_tag(message: Any) -> bool:
    properties = message.get("properties") if isinstance(message, dict) else None
    return isinstance(properties, dict) and isinstance(properties.get("delivery_tag"), str)


def _or_forget(take: Callable[..., Any], *where: Any, **how: Any) -> Any:
    """Take a message.

    Raises:
        Empty: there was none, or it was none.
    """
    try:
        return take(*where, **how)
    except (*_AWAY, Empty):
        raise
    except Exception:  # noqa: BLE001 - JSON that is none or too deep, without what Celery needs, ...
        _forgotten()
        raise Empty from None


def _forgotten() -> None:
    log.warning("a message of the broker is none that a worker knows; it is forgotten")
