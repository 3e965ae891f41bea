"""A broker that is away, answers and will not write, or holds what is no message: the workers live
on, and their logs say so in one line each time.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from nodes import Node, Site
from peers import HOST, Redis, wait_until

from dicom_node import queue
from workers.site import celery_application, configure
from workers.tasks import READER, SENDER, answers

#: What no log of a worker may hold, whatever the broker does.
_TRACES = ("CRITICAL", "Traceback", ".py:", "withheld")


class Broker(Redis):
    """A Redis that is told what to do by hand."""

    def __init__(self, folder: Path) -> None:
        self.dump = folder / "dump"
        self.dump.mkdir(parents=True)
        super().__init__(folder, "--dir", str(self.dump))

    def tell(self, *words: str) -> str:
        """One command; the first line of the answer."""
        said = b"".join(b"$%d\r\n%s\r\n" % (len(one), one) for one in map(str.encode, words))
        with socket.create_connection((HOST, self.port), timeout=5) as line:
            line.sendall(b"*%d\r\n%s" % (len(words), said))
            return line.recv(4096).decode().splitlines()[0]


class Workers:
    """A reader and a sender at one broker."""

    def __init__(self, site: Site) -> None:
        self.configuration = configure(site.config)
        self.nodes = [Node(site, "sender"), Node(site, "worker")]

    def logs(self) -> list[str]:
        return [one.log.read_text("utf-8") for one in self.nodes]

    def count(self, line: str) -> list[int]:
        return [log.count(line) for log in self.logs()]

    def say_more(self, line: str, before: list[int]) -> bool:
        return all(now > then for now, then in zip(self.count(line), before, strict=True))

    def answer(self) -> bool:
        return all(answers(self.configuration, stages) for stages in (SENDER, READER))

    def take(self, broker: Broker) -> bool:
        """Whether they take what is rung."""
        app = celery_application(self.configuration.settings)
        for stage in (*SENDER, *READER):
            queue.ring(app, stage.name)
        time.sleep(1)
        return all(broker.tell("LLEN", one.name) == ":0" for one in (*SENDER, *READER))

    def live(self) -> bool:
        processes = [one._process for one in self.nodes]
        return all(one is not None and one.poll() is None for one in processes)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def workers(broker: Broker, tmp_path: Path) -> Iterator[Workers]:
    site = Site(tmp_path / "site")
    # What is rung costs nothing: there are no weights to load.
    site.configure(broker={"url": broker.url}, engine={"name": "transformers", "model": "nowhere"})
    found = Workers(site)
    with found.nodes[0], found.nodes[1]:
        wait_until(found.answer, "both answer")
        yield found


def _becomes_a_replica(broker: Broker) -> None:
    broker.tell("REPLICAOF", HOST, "1")


def _is_no_replica(broker: Broker) -> None:
    broker.tell("REPLICAOF", "NO", "ONE")


def _cannot_save(broker: Broker) -> None:
    broker.dump.rmdir()
    broker.tell("CONFIG", "SET", "save", "1 1")
    broker.tell("SET", "written", "something")
    wait_until(lambda: broker.tell("SET", "a", "b").startswith("-MISCONF"), "it cannot save")


def _saves_nothing(broker: Broker) -> None:
    broker.dump.mkdir()
    broker.tell("CONFIG", "SET", "save", "")
    broker.tell("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")


def _names_are_taken(broker: Broker) -> None:
    for stage in ("deliver", "read"):
        broker.tell("DEL", stage)
        broker.tell("SET", stage, "x")


def _names_are_free(broker: Broker) -> None:
    broker.tell("DEL", "deliver", "read")


def test_workers_outlive_a_broker_that_answers_with_errors_or_not_at_all(
    broker: Broker, workers: Workers
) -> None:
    """As in a failover, with a full disk of Redis, under a name that is taken, and stopped."""
    refuses, away = "answers with an error (", "does not answer (ConnectionError)"
    for broken, mended, told in (
        (_becomes_a_replica, _is_no_replica, refuses),
        (_cannot_save, _saves_nothing, refuses),
        (_names_are_taken, _names_are_free, refuses),
        (Broker.stop, Broker.start, away),
    ):
        line = f"the broker redis://{HOST}:{broker.port} {told}"
        before = workers.count(line)
        broken(broker)
        wait_until(partial(workers.say_more, line, before), f"both say: {line}")
        mended(broker)
        wait_until(lambda: workers.take(broker), "they take what is rung")
        assert workers.live()
    for node in workers.nodes:
        node.stop()
    for log in workers.logs():
        assert log.splitlines()[-1].endswith(": stopped")
        for trace in _TRACES:
            assert trace not in log, log


def _rung(tag: str, **headers: object) -> str:
    delivery = {"exchange": "", "routing_key": "read"}
    properties = {"delivery_tag": tag, "delivery_info": delivery}
    return json.dumps({"properties": properties, "headers": headers})


def test_what_is_no_message_is_forgotten_and_blocks_nobody(
    broker: Broker, workers: Workers
) -> None:
    garbage = (
        *("garbage", "{}", "[]", "null", "[" * 100_000, "\xff", '{"properties": 3}'),
        '{"__type__": "uuid", "__value__": 3}',
        _rung("x", task=[]),
        _rung("y", task="read", id="1", timelimit=3),
    )
    for number, one in enumerate(garbage):
        for stage in ("read", "deliver"):
            broker.tell("LPUSH", stage, one)
        broker.tell("HSET", "unacked", str(number), one)
        broker.tell("ZADD", "unacked_index", "0", str(number))
    broker.tell("PUBLISH", "/0.celery.pidbox", "[" * 100_000)
    wait_until(lambda: workers.take(broker), "they take what is rung")
    broker.tell("REPLICAOF", HOST, "1")  # they connect anew, and look for what was lost
    time.sleep(1)
    broker.tell("REPLICAOF", "NO", "ONE")
    wait_until(lambda: broker.tell("HLEN", "unacked") == ":0", "nothing is given back for ever")
    wait_until(lambda: workers.take(broker), "they take what is rung")
    assert workers.live()
    for log in workers.logs():
        assert log.count("it is forgotten") > len(garbage)
        for trace in _TRACES:
            assert trace not in log, log


def test_a_worker_outlives_its_broker_of_files_and_says_by_its_status_when_it_ends_by_itself(
    tmp_path: Path,
) -> None:
    """As when the disk of the data folder is away for a while."""
    site = Site(tmp_path / "site")
    configuration = configure(site.config)
    messages, aside = site.data / "broker", site.data / "aside"
    with Node(site, "sender") as node:
        wait_until(lambda: answers(configuration, SENDER), "it answers")
        messages.rename(aside)
        said = "the broker does not answer (FileNotFoundError); trying again"
        wait_until(lambda: said in node.log.read_text("utf-8"), "it says so")
        aside.rename(messages)
        wait_until(lambda: answers(configuration, SENDER), "it answers again")
        process = node._process
        assert process is not None
        assert process.poll() is None
        assert "Traceback" not in node.log.read_text("utf-8")
        (messages / "0_0.deliver.msg").write_text("{}")  # Kombu stumbles over it
        wait_until(lambda: process.poll() is not None, "it ends")
        assert process.returncode == 1
