"""Threads of pynetdicom and those of the node keep out of each other's way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import receiving
from builders import chest
from peers import StoreScp
from pynetdicom import build_context
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dul import DULServiceProvider
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

from dicom_node.association import association
from dicom_node.deliver import Verdict, send
from dicom_node.peer import Peer


@pytest.fixture
def busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both threads stand still for a moment: pynetdicom's own just after it was let pass, and who
    sends before it looks for the answer.
    """
    look = DIMSEServiceProvider.get_msg

    def is_paused(association: Association) -> bool:
        return bool(vars(association).get("paused"))

    def pause(association: Association, paused: bool) -> None:
        if not paused and threading.current_thread() is association:
            time.sleep(0.15)
        vars(association)["paused"] = paused

    def get_msg(provider: DIMSEServiceProvider, block: bool = False) -> object:
        if block:
            time.sleep(0.4)
        return look(provider, block)

    monkeypatch.setattr(Association, "_is_paused", property(is_paused, pause), raising=False)
    monkeypatch.setattr(DIMSEServiceProvider, "get_msg", get_msg)


@pytest.mark.usefixtures("busy_machine")
def test_an_answer_that_comes_at_once_is_not_lost(tmp_path: Path) -> None:
    films = [chest(tmp_path / f"{number}.dcm", PatientID="TEST-1") for number in range(5)]
    with StoreScp(tmp_path / "peer") as server:
        peer = Peer("destination", server.aet, "127.0.0.1", server.dicom_port, "DICOMNODE", 5)
        answers = send(films, peer)
    assert [one.verdict for one in answers] == [Verdict.ACCEPTED] * len(films)


def test_it_stands_aside_again_after_a_request_was_served_for_it(tmp_path: Path) -> None:
    """And before it has gone on: who releases then would wait without end."""
    with StoreScp(tmp_path / "peer") as server:
        peer = Peer("destination", server.aet, "127.0.0.1", server.dicom_port, "DICOMNODE", 5)
        with association(peer, [build_context(Verification)]) as opened:
            checkpoint = opened._reactor_checkpoint
            checkpoint.clear()
            opened._is_paused = False  # as ``_serve_request`` leaves it
            with checkpoint._changed:  # nobody goes on in between
                checkpoint.set()
                checkpoint.clear()
            assert opened._is_paused
            checkpoint.set()


class Asked:
    """How often a connection's thread was asked whether it lives while it was asked already."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = self.at_once = 0
        self._asking: dict[int, int] = {}
        monkeypatch.setattr(DULServiceProvider, "is_alive", self._is_alive())

    def _is_alive(self) -> Callable[[DULServiceProvider], bool]:
        def is_alive(provider: DULServiceProvider) -> bool:
            asking = self._asking.get(id(provider), 0)
            self._asking[id(provider)] = asking + 1
            self.times += 1
            self.at_once += bool(asking)
            time.sleep(0.05)
            self._asking[id(provider)] -= 1
            return threading.Thread.is_alive(provider)

        return is_alive


def test_nobody_asks_whether_a_thread_lives_while_another_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Python 3.13 both may get an error."""
    films = [chest(tmp_path / f"{number}.dcm", PatientID="TEST-1") for number in range(3)]
    with receiving.node(tmp_path / "node") as node:
        asked = Asked(monkeypatch)
        peer = Peer("node", "DICOMNODE", "127.0.0.1", node.port, "TEST", 5)
        answers = [one for film in films for one in send([film], peer)]
        receiving.settle(lambda: len(node.studies()) == len(films))
    assert [one.verdict for one in answers] == [Verdict.ACCEPTED] * len(films)
    assert asked.times > len(films)
    assert asked.at_once == 0
