"""Files as they grow, answers as bytes, and associations that wait for what comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import wire
from peers import wait_until
from pydicom import dcmread
from pynetdicom.dimse_messages import C_STORE_RSP, DIMSEMessage
from pynetdicom.dimse_primitives import C_STORE
from receiving import EXPLICIT, IMPLICIT, Node, associated, dataset, encoded, part10, status
from receiving import node as run

from dicom_node.partial import data_set_of, data_set_sha256
from dicom_node.receive.incoming import Incoming
from dicom_node.receive.messages import Messages


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Node]]:
    with ExitStack() as stack:
        yield lambda: stack.enter_context(run(tmp_path))


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
def test_a_file_that_grows_is_what_it_says_of_itself(tmp_path: Path, syntax: str) -> None:
    made = dataset(SOPInstanceUID="1.2.3.4")  # of odd length with its padding, and of even
    content = encoded(made, syntax)
    file = Incoming(tmp_path, made.SOPClassUID, made.SOPInstanceUID, syntax)
    for at in range(0, len(content), 1000):
        file.write(content[at : at + 1000])
    file.close()

    assert file.path.read_bytes()[file.begin :] == content
    assert data_set_of(file.path) == (syntax, file.begin)
    assert data_set_sha256(file.path) == file.sha256
    meta = dcmread(file.path).file_meta
    assert meta.MediaStorageSOPClassUID == made.SOPClassUID
    assert meta.MediaStorageSOPInstanceUID == "1.2.3.4"


@pytest.mark.parametrize("uid", ["1.2.3", "1.2.34"])
def test_an_answer_is_what_pynetdicom_makes_of_it(tmp_path: Path, uid: str) -> None:
    answer = C_STORE()
    answer.MessageIDBeingRespondedTo, answer.Status = 7, 0xA700
    answer.AffectedSOPClassUID, answer.AffectedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", uid
    sent: list[Any] = []
    association: Any = SimpleNamespace(
        dul=SimpleNamespace(send_pdu=sent.append),
        is_requestor=False,
        requestor=SimpleNamespace(maximum_length=16384),
    )
    Messages(association, tmp_path).send_msg(answer, 3)

    theirs = C_STORE_RSP()
    theirs.primitive_to_message(answer)
    (expected,) = theirs.encode_msg(3, 16384)
    assert [list(one) for one in sent[0].presentation_data_value_list] == [
        list(one) for one in expected.presentation_data_value_list
    ]
    assert DIMSEMessage().decode_msg(sent[0])


def test_an_object_that_comes_whole_in_one_pdu_is_stored(
    start: Callable[[], Node], tmp_path: Path
) -> None:
    """Command and data set are fragments of one P-DATA-TF (PS3.8 9.3.5)."""
    node = start()
    content = encoded(dataset(), EXPLICIT)
    with wire.associated(node.port) as connection:
        connection.sendall(wire.data(*(one[6:] for one in wire.store(content))))
        assert wire.status(connection) == 0x0000
    (kept,) = node.received()
    assert kept.read_bytes().endswith(content)


def test_who_says_no_maximum_length_is_answered(start: Callable[[], Node]) -> None:
    """PS3.7 D.3.3.1 wants it of every request; found by fuzzing."""
    content = encoded(dataset(), EXPLICIT)
    with wire.associated(start().port, wire.request(longest=None)) as connection:
        connection.sendall(b"".join(wire.store(content)) + wire.ECHO)
        assert wire.status(connection) == 0x0000
        assert wire.status(connection) == 0x0000


def test_release_and_abort_are_noticed_though_nothing_is_looked_for(
    start: Callable[[], Node], tmp_path: Path
) -> None:
    node = start()
    made = dataset()
    film = part10(tmp_path / "film.dcm", made, encoded(made, EXPLICIT), EXPLICIT)
    for end in ("release", "abort"):
        with associated(node, [(made.SOPClassUID, [EXPLICIT])]) as opened:
            assert status(opened, film) == 0x0000
            opened._reactor_checkpoint.set()
            began = time.monotonic()
            getattr(opened, end)()
            assert opened.is_released == (end == "release")
            assert time.monotonic() - began < 5
    wait_until(lambda: not _threads(), "no thread of an association is left", 10)


def _threads() -> list[str]:
    return [one.name for one in threading.enumerate() if "AcceptorThread" in one.name]
