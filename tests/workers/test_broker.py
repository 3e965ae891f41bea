"""Redis and PostgreSQL with password and TLS, and what a stranger at the broker can do."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import certificates
import peers
import pytest
from certificates import Authority
from kombu import Connection, Exchange
from nodes import Node, Site
from sqlalchemy import create_engine, text

from dicom_node import queue
from dicom_node.errors import Misconfigured, Unreachable
from dicom_node.ledger import jobs
from dicom_node.ledger.database import Database

SECRET = "open-sesame"
_COMPOSE = Path(__file__).resolve().parents[2] / "config" / "compose"


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return certificates.authority(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory, ours: Authority) -> Iterator[peers.Redis]:
    """Redis with a password; in plain for openness of the test's own hand, and by TLS."""
    shown = ours.sign("redis")
    tls_port = peers.free_port()
    options = ["--requirepass", SECRET, "--tls-port", str(tls_port), "--tls-auth-clients", "no"]
    files = ["--tls-cert-file", str(shown.certificate), "--tls-key-file", str(shown.key)]
    more = (*options, *files, "--tls-ca-cert-file", str(shown.authority))
    with peers.Redis(tmp_path_factory.mktemp("redis"), *more) as server:
        server.url = f"rediss://:{SECRET}@localhost:{tls_port}/0"
        yield server


def application(url: str, folder: Path, authority: Path | None) -> Any:
    return queue.application(url, folder, longest_task_seconds=60, authority=authority)


def test_redis_is_rung_by_tls_with_a_password_and_by_nothing_less(
    redis: peers.Redis, ours: Authority, tmp_path: Path
) -> None:
    theirs = certificates.authority(tmp_path / "theirs", "Another").certificate
    queue.answers(application(redis.url, tmp_path, ours.certificate))
    queue.ring(application(redis.url, tmp_path, ours.certificate), "read")
    for authority in (theirs, None):
        with pytest.raises(Unreachable, match=r"certificate is not accepted \(broker.authority"):
            queue.answers(application(redis.url, tmp_path, authority))
    wrong = redis.url.replace(SECRET, "open-barley")
    none = redis.url.replace(f":{SECRET}@", "")
    for url in (wrong, none):
        with pytest.raises(Unreachable, match="password") as told:
            queue.answers(application(url, tmp_path, ours.certificate))
        assert "barley" not in str(told.value)
    with pytest.raises(Misconfigured, match=r"set broker\.authority"):
        application(f"{redis.url}?ssl_cert_reqs=none", tmp_path, ours.certificate)
    with pytest.raises(Misconfigured, match="no such file"):
        application(redis.url, tmp_path, tmp_path / "gone")


class Trap:
    """What runs when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self._mark),)


def put(url: str, authority: Authority, body: Any, **how: Any) -> None:
    """A message of somebody who knows the password."""
    secured = {"ssl_ca_certs": str(authority.certificate)}
    with Connection(url, ssl=secured) as connection:
        exchange: Any = how.pop("exchange", "")
        with connection.Producer() as producer:
            producer.publish(body, exchange=exchange, **how)


def test_no_message_of_a_stranger_is_executed_or_ends_the_worker(
    redis: peers.Redis, ours: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DICOM_NODE_BROKER__URL", redis.url)
    site = Site(tmp_path / "site")
    site.configure(broker={"authority": str(ours.certificate)})
    mark = tmp_path / "executed"
    with Node(site, "sender") as sender:
        app = application(redis.url, tmp_path / "ours", ours.certificate)
        asked = app.control.inspect(timeout=1)
        peers.wait_until(lambda: bool(asked.ping()), "the sender answers")
        pickled = pickle.dumps([[Trap(mark)], {}, {}])
        yaml = f"!!python/object/apply:os.mkdir ['{mark}']".encode()
        task = {"id": "1", "task": "deliver", "lang": "py"}
        broadcast = Exchange("celery.pidbox", type="fanout")
        for queued in ({"routing_key": "deliver"}, {"exchange": broadcast, "declare": [broadcast]}):
            for content, body in (
                ("application/x-python-serialize", pickled),
                ("application/x-yaml", yaml),
                ("application/json", b"[" * 100_000),
                ("application/json", b"\xff{"),
            ):
                put(redis.url, ours, body, headers=task, content_type=content,
                    content_encoding="binary", **queued)  # fmt: skip
        for name, arguments in (
            ("os.mkdir", [str(mark)]),
            ("deliver", [str(mark)] * 3),
            ("deliver", ["x" * 20_000_000]),
            ("celery.map", [{"task": "os.mkdir"}, [str(mark)]]),
        ):
            put(redis.url, ours, [arguments, {}, {}], serializer="json", routing_key="deliver",
                headers={"id": "2", "task": name, "lang": "py"})  # fmt: skip
        put(redis.url, ours, {"method": "os.mkdir", "arguments": {"path": str(mark)}},
            serializer="json", exchange=broadcast, declare=[broadcast])  # fmt: skip
        time.sleep(2)
        assert site.command("ping", "sender").returncode == 0, sender.said
        queue.ring(app, "deliver")
        with app.connection_for_read() as connection:
            waiting = connection.default_channel.client
            peers.wait_until(lambda: waiting.llen("deliver") == 0, "all messages are taken")
        assert sender._process is not None
        assert sender._process.poll() is None
    assert not mark.exists()
    said = sender.log.read_text("utf-8", "replace")
    assert said.count("ContentDisallowed") == 4, "tasks and orders are refused alike"
    assert SECRET not in said
    assert str(mark) not in said, "what strangers say is kept out of the log"


class SecurePostgreSQL(peers.PostgreSQL):
    """Once :meth:`lock` was called, by TLS and with a password only."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        super().__init__(folder)
        shown = authority.sign("postgresql")
        for name, file in (("server.crt", shown.certificate), ("server.key", shown.key)):
            copy = self._data / name
            shutil.copy(file or "", copy)
            copy.chmod(0o600)
            if self._user:
                shutil.chown(copy, self._user)

    def command(self) -> list[str]:
        return [*super().command(), "-cssl=on"]

    def lock(self, url: str, password: str) -> None:
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text(f"ALTER ROLE node PASSWORD '{password}'"))
        engine.dispose()
        shutil.copy(_COMPOSE / "pg_hba.conf", self._data / "pg_hba.conf")
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)
        time.sleep(1)


@pytest.mark.skipif(
    not any(Path("/usr/lib/postgresql").glob("*/bin")) and os.environ.get("CI") != "true",
    reason="PostgreSQL is not installed; on Debian: apt install postgresql",
)
def test_the_ledger_is_reached_by_tls_with_a_password_and_by_nothing_less(
    ours: Authority, tmp_path: Path
) -> None:
    theirs = certificates.authority(tmp_path / "theirs", "Another").certificate
    with SecurePostgreSQL(tmp_path / "postgresql", ours) as server:
        url = server.new_database()
        server.lock(url, SECRET)
        known = url.replace("node@", f"node:{SECRET}@")
        verified = f"{known}?sslmode=verify-full&sslrootcert="
        database = Database(f"{verified}{ours.certificate}")
        assert jobs.listing(database, limit=1) == []
        database.close()
        for wrong, why in (
            (url, "it asks for a password"),
            (f"{known}?sslmode=disable", "not without TLS"),
            (f"{verified}{theirs}", "its certificate is not accepted"),
            (f"{verified.replace(SECRET, 'open-barley')}{ours.certificate}", "or the password"),
        ):
            with pytest.raises(Unreachable, match=why) as told:
                Database(wrong)
            assert SECRET not in str(told.value)
            assert "barley" not in str(told.value)


def test_check_says_that_the_broker_is_reached_over_tls(
    redis: peers.Redis, ours: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path / "site")
    site.configure(broker={"authority": str(ours.certificate)}, engine={"name": "transformers"})
    monkeypatch.setenv("DICOM_NODE_BROKER__URL", redis.url)
    said = site.command("check")
    assert "broker: answers over TLS" in said.stdout
    assert SECRET not in said.stdout + said.stderr
