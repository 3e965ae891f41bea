"""What a worker's log says of a broker that is away."""

from __future__ import annotations

import logging

import pytest
from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import ReadOnlyError

from workers.consuming import Retold

URL = "rediss://node:Geheimwort@redis.example.org:6379/0"


def record(name: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, __file__, 1, "Cannot: %s", arguments, None)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NoConnection("Geheimwort"), "does not answer (ConnectionError)"),
        (OperationalError("Geheimwort"), "does not answer (OperationalError)"),
        (ReadOnlyError("Geheimwort"), "answers with an error (ReadOnlyError)"),
    ],
)
def test_a_broker_that_is_away_is_named_without_user_and_password(
    error: Exception, told: str
) -> None:
    assert Retold(URL)(record("celery.worker.consumer.consumer", URL, error, "...")) == (
        f"the broker rediss://redis.example.org:6379 {told}; trying again; see broker.url and "
        "`dicom-node check`"
    )


def test_a_connection_that_kombu_drops_for_want_of_an_answer_is_told() -> None:
    dropped = record("kombu.transport.redis")
    dropped.levelno = logging.WARNING
    assert "does not answer (TimeoutError)" in str(Retold(URL)(dropped))


def test_what_a_task_raised_and_what_others_say_is_not_told_of_the_broker() -> None:
    retold = Retold(URL)
    assert retold(record("celery.app.trace", NoConnection())) is None
    assert retold(record("pynetdicom.acse", NoConnection())) is None
    assert retold(record("celery.worker", ValueError())) is None
