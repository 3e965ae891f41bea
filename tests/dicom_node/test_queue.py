"""The bell: one message says which stage has work, over Redis and over files."""

from __future__ import annotations

import base64
import json
import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from queue import Empty
from threading import Thread
from typing import Any

import pytest
from celery import Celery
from kombu.exceptions import ContentDisallowed
from peers import HOST, Redis, free_port
from redis import Redis as Client
from redis.exceptions import ReadOnlyError

from dicom_node import queue
from dicom_node.errors import Misconfigured, NodeError, Unreachable

STAGES = ("fetch", "read", "deliver")


@pytest.fixture(params=["files", "redis"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Celery:
    """An application over each broker that a site can have."""
    url = "" if request.param == "files" else request.getfixturevalue("redis").url
    return queue.application(url, tmp_path / "data", longest_task_seconds=660)


def messages(app: Celery, stage: str) -> list[Any]:
    """What waits in the queue of a stage, taken out of it."""
    taken: list[Any] = []
    with (
        app.connection_for_read() as connection,
        connection.SimpleQueue(stage) as waiting,
        suppress(Empty),
    ):
        while True:
            taken.append(waiting.get_nowait())
            taken[-1].ack()
    return taken


@pytest.mark.parametrize("stage", STAGES)
def test_ringing_puts_one_message_into_the_queue_of_that_stage(app: Celery, stage: str) -> None:
    queue.ring(app, stage)

    (message,) = messages(app, stage)
    assert message.headers["task"] == stage
    for other in set(STAGES) - {stage}:
        assert messages(app, other) == []


def test_a_message_says_which_stage_has_work_and_never_what_work(app: Celery) -> None:
    queue.ring(app, "read")

    (message,) = messages(app, "read")
    assert message.content_type == "application/json"
    arguments, named, _ = json.loads(message.body)
    assert (arguments, named) == ([], {})
    assert message.headers["argsrepr"] == "()"


def test_a_message_that_nobody_took_for_a_minute_is_worth_nothing(app: Celery) -> None:
    queue.ring(app, "read")

    (message,) = messages(app, "read")
    assert int(message.properties["expiration"]) == 60_000


def test_ringing_twice_rings_twice(app: Celery) -> None:
    queue.ring(app, "read")
    queue.ring(app, "read")

    assert len(messages(app, "read")) == 2


def test_what_is_not_json_is_not_read(app: Celery) -> None:
    """A pickle runs what it holds: whoever reaches the broker would own the worker."""
    assert app.conf.accept_content == ["json"]
    pickled = base64.b64decode("gASVBAAAAAAAAACMAGEu")
    refused, decoded = [], []
    with app.connection_for_write() as connection, connection.channel() as channel:
        producer = connection.Producer(channel)
        producer.publish(
            pickled,
            routing_key="read",
            exchange="",
            content_type="application/x-python-serialize",
            content_encoding="binary",
            declare=[app.amqp.queues.select_add("read")],
        )
        consumer = app.amqp.TaskConsumer(
            channel,
            on_decode_error=lambda message, error: refused.append(error),
            callbacks=[lambda body, message: decoded.append(body)],
        )
        with consumer:
            connection.drain_events(timeout=5)
    assert [type(error) for error in refused] == [ContentDisallowed]
    assert decoded == []


def test_a_message_is_not_given_to_another_before_the_longest_task_is_over(tmp_path: Path) -> None:
    for seconds in (60.0, 660.0, 86_400.0):
        app = queue.application("redis://nowhere:6379/0", tmp_path, longest_task_seconds=seconds)
        assert app.conf.broker_transport_options["visibility_timeout"] > seconds


def test_a_worker_that_dies_gives_its_message_back(tmp_path: Path) -> None:
    app = queue.application("", tmp_path, longest_task_seconds=60)
    assert app.conf.task_acks_late
    assert app.conf.task_reject_on_worker_lost
    assert app.conf.worker_prefetch_multiplier == 1


def test_redis_that_is_away_is_unreachable_within_seconds(tmp_path: Path) -> None:
    port = free_port()
    app = queue.application(f"redis://u:hunter2@{HOST}:{port}/0", tmp_path, longest_task_seconds=60)
    begun = time.monotonic()
    with pytest.raises(Unreachable, match="broker does not answer"):
        queue.ring(app, "read")
    assert time.monotonic() - begun < 20, "the edge rings between two sweeps"
    with pytest.raises(Unreachable) as told:
        queue.answers(app)
    assert str(told.value) == f"{HOST} port {port} does not answer: nobody listens there"


def test_redis_that_stands_still_is_unreachable_within_seconds(
    tmp_path: Path, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the edge, which rings, would never again look whether a study is complete."""
    monkeypatch.setattr(queue, "_SILENT_SECONDS", 1.0)
    app = queue.application(redis.url, tmp_path, longest_task_seconds=60)
    queue.ring(app, "read")
    os.kill(redis.pid, signal.SIGSTOP)
    thaw = threading.Timer(30, os.kill, (redis.pid, signal.SIGCONT))
    thaw.start()
    try:
        with pytest.raises(Unreachable, match="broker does not answer"):
            queue.ring(app, "read")
        with pytest.raises(Unreachable, match="does not answer: no answer in time"):
            queue.answers(app)
        assert not queue.worker_answers(app, "read@host")
    finally:
        thaw.cancel()
        os.kill(redis.pid, signal.SIGCONT)
    queue.ring(app, "read")


def test_a_worker_asks_for_its_broker_without_end(tmp_path: Path) -> None:
    app = queue.application("redis://nowhere:6379/0", tmp_path, longest_task_seconds=60)
    assert app.conf.broker_connection_max_retries is None


@pytest.mark.parametrize(
    ("command", "why"),
    [("REPLICAOF 127.0.0.1 1", "is it a replica"), ("SET read x", "a queue's name holds some")],
)
def test_redis_that_answers_and_takes_no_message_is_found_out(
    tmp_path: Path, redis: Redis, command: str, why: str
) -> None:
    app = queue.application(redis.url, tmp_path, longest_task_seconds=60)
    with Client(HOST, redis.port) as told:
        told.execute_command(*command.split())
    queue.answers(app)
    with pytest.raises(Unreachable, match=f"takes no message: .*{why}"):
        queue.answers(app, "fetch", "read")


def test_redis_that_comes_back_is_rung_again(tmp_path: Path, redis: Redis) -> None:
    app = queue.application(redis.url, tmp_path, longest_task_seconds=60)
    queue.ring(app, "read")
    redis.stop()
    with pytest.raises(Unreachable):
        queue.ring(app, "read")
    redis.start()  # it keeps nothing
    queue.ring(app, "read")
    assert len(messages(app, "read")) == 1


def test_without_a_broker_messages_are_files_below_the_data_folder(tmp_path: Path) -> None:
    data = tmp_path / "not" / "there" / "yet"
    queue.ring(queue.application("", data, longest_task_seconds=60), "deliver")
    (message,) = (data / "broker").glob("*.msg")
    assert ".deliver." in message.name
    assert {path.name for path in data.iterdir()} == {"broker"}


def test_a_data_folder_that_takes_no_message_is_told_as_that(tmp_path: Path) -> None:
    app = queue.application("", tmp_path, longest_task_seconds=60)
    (tmp_path / "broker").rename(tmp_path / "aside")
    with pytest.raises(Unreachable, match=r"^the data folder takes no message: "):
        queue.answers(app, "read")


@pytest.mark.parametrize(
    "url",
    [
        *("redis", "localhost", "http://localhost:6379", "reddis://h/0"),
        *("redis://h:port/0", "redis://h:99999/0", "redis://h/name", "redis://[::1/0"),
        *("redis://:Geheim#wort@h/0", "redis://:Geheim/wort@h/0", "redis://:Geheim?wort@h/0"),
    ],
)
def test_a_url_that_names_no_broker_is_told_before_anything_starts(
    tmp_path: Path, url: str
) -> None:
    with pytest.raises(Misconfigured, match=r"broker\.url") as told:
        queue.application(url, tmp_path, longest_task_seconds=60)
    assert "Geheim" not in str(told.value)


def test_a_password_in_the_url_is_in_no_message(tmp_path: Path) -> None:
    url = f"redis://node:Geheimwort@{HOST}:{free_port()}/0"
    app = queue.application(url, tmp_path, longest_task_seconds=60)
    with pytest.raises(NodeError) as caught:
        queue.ring(app, "read")
    assert "Geheimwort" not in str(caught.value)
    assert HOST not in str(caught.value)


def test_several_programs_use_the_broker_of_files_at_once(tmp_path: Path) -> None:
    """None of them reads half a message, or one that another has taken."""
    programs, rings = 4, 100
    taken: list[list[Any]] = [[] for _ in range(programs)]

    def ring() -> None:
        app = queue.application("", tmp_path, longest_task_seconds=60)
        for _ in range(rings):
            queue.ring(app, "read")

    def take(mine: list[Any]) -> None:
        app = queue.application("", tmp_path, longest_task_seconds=60)
        while any(one.is_alive() for one in ringing) or list((tmp_path / "broker").glob("*.msg")):
            mine += messages(app, "read")

    ringing = [Thread(target=ring) for _ in range(programs)]
    taking = [Thread(target=take, args=(mine,)) for mine in taken]
    for thread in (*ringing, *taking):
        thread.start()
    for thread in (*ringing, *taking):
        thread.join()
    found = [message.headers["id"] for mine in taken for message in mine]
    assert len(found) == len(set(found)) == programs * rings


def test_a_broken_message_ends_no_worker(tmp_path: Path) -> None:
    app = queue.application("", tmp_path, longest_task_seconds=60)
    (tmp_path / "broker" / "1_1.read.msg").write_text("")
    queue.ring(app, "read")
    assert len(messages(app, "read")) == 1


def test_a_message_that_cannot_be_given_back_does_not_stand_in_the_way(
    tmp_path: Path, redis: Redis
) -> None:
    """As Celery does when its connection is lost with a task under way."""
    app = queue.application(redis.url, tmp_path, longest_task_seconds=60)
    queue.ring(app, "read")
    connection = app.connection_for_read()
    taken: list[Any] = []
    for channel, stage in ((connection.default_channel, "read"), (connection.channel(), "fetch")):
        waiting = app.amqp.queues.select_add(stage)
        consumer = app.amqp.TaskConsumer(channel, queues=[waiting], on_message=taken.append)
        consumer.consume()
    while not taken:
        connection.drain_events(timeout=5)
    with suppress(TimeoutError):
        connection.drain_events(timeout=0.2)  # it asks for another one
    redis.stop()
    try:
        connection.collect(socket_timeout=1)
        connection.close()
    finally:
        redis.start()


@pytest.mark.parametrize("answer", ["ack", "reject"])
def test_a_message_that_redis_does_not_let_go_keeps_no_worker_from_the_next(
    tmp_path: Path, redis: Redis, answer: str
) -> None:
    """Of a worker that takes one at once, and whose task ends while Redis is a replica."""
    app = queue.application(redis.url, tmp_path, longest_task_seconds=60)
    taken: list[Any] = []
    with app.connection_for_read() as connection, Client(HOST, redis.port) as told:
        queue.ring(app, "read")
        consumer = app.amqp.TaskConsumer(
            connection.default_channel,
            queues=[app.amqp.queues.select_add("read")],
            on_message=taken.append,
            prefetch_count=1,
        )
        consumer.consume()
        connection.drain_events(timeout=5)
        told.replicaof(HOST, "1")
        with pytest.raises(ReadOnlyError):
            getattr(taken[0], answer)()
        told.replicaof("NO", "ONE")
        queue.ring(app, "read")
        connection.drain_events(timeout=5)
    assert len(taken) == 2
