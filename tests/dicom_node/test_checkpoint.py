"""No answer is taken by a thread of pynetdicom that nobody waits at."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from builders import chest
from peers import StoreScp
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider

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
