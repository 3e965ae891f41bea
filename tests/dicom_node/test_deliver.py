"""Delivery: each status is read, and each way of not being accepted is told apart."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import chest, variant
from peers import free_port
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, evt
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.sop_class import Verification

from dicom_node.association import echo
from dicom_node.deliver import NO_STATUS, Verdict, send
from dicom_node.errors import BadStudy, Rejected, Unreachable
from dicom_node.peer import Peer


def peer(port: int, ae_title: str = "PEER") -> Peer:
    return Peer("destination", ae_title, "127.0.0.1", port, "DICOMNODE", 5)


@contextmanager
def server(
    answer: Callable[[Any], int], more: Sequence[Any] = (), **settings: Any
) -> Iterator[Peer]:
    """A Storage SCP that gives the statuses that a test wants: no product can be made to."""
    ae = AE(ae_title="PEER")
    for name, value in settings.items():
        setattr(ae, name, value)
    ae.add_supported_context(ComputedRadiographyImageStorage, ExplicitVRLittleEndian)
    ae.add_supported_context(Verification)
    port = free_port()
    running = ae.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, answer), *more]
    )
    try:
        yield peer(port)
    finally:
        running.shutdown()


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (0x0000, Verdict.ACCEPTED),
        (0x0111, Verdict.ACCEPTED),  # it is there already
        (0xB000, Verdict.WARNING),
        (0xB007, Verdict.WARNING),
        (0xA700, Verdict.LATER),
        (0xA7FF, Verdict.LATER),
        (0x0110, Verdict.LATER),
        (0x0213, Verdict.LATER),
        (0xA900, Verdict.REFUSED),
        (0xC000, Verdict.REFUSED),
        (0xFE00, Verdict.REFUSED),  # none of C-STORE
        (0x0124, Verdict.REFUSED),
    ],
)
def test_each_status(tmp_path: Path, status: int, verdict: Verdict) -> None:
    film = chest(tmp_path / "film.dcm")
    with server(lambda _: status) as destination:
        (sent,) = send([film], destination)
    assert (sent.status, sent.verdict) == (status, verdict)
    assert (sent.reason == "") is (status == 0)


def test_one_refused_object_does_not_hold_up_the_next(tmp_path: Path) -> None:
    first = chest(tmp_path / "1.dcm")
    films = [
        first,
        *(
            variant(first, tmp_path / f"{n}.dcm", SOPInstanceUID=generate_uid(), InstanceNumber=n)
            for n in (2, 3)
        ),
    ]

    def answer(event: Any) -> int:
        return 0xC000 if event.dataset.InstanceNumber == 2 else 0

    with server(answer) as destination:
        sent = send(films, destination)
    assert [one.status for one in sent] == [0, 0xC000, 0]


def test_all_go_through_one_association(tmp_path: Path) -> None:
    films = [chest(tmp_path / f"{n}.dcm") for n in range(3)]
    seen = set()

    def answer(event: Any) -> int:
        seen.add(event.assoc)
        return 0

    with server(answer) as destination:
        send(films, destination)
    assert len(seen) == 1


def test_a_peer_that_dies_in_the_middle_leaves_the_rest_for_later(tmp_path: Path) -> None:
    films = [chest(tmp_path / f"{n}.dcm") for n in range(3)]
    count = iter(range(3))

    def answer(event: Any) -> int:
        if next(count) == 1:
            event.assoc.dul.socket.close()  # as when a process is killed
        return 0

    with server(answer) as destination:
        sent = send(films, destination)
    assert [one.verdict for one in sent] == [Verdict.ACCEPTED, Verdict.LATER, Verdict.LATER]


def test_a_peer_that_leaves_between_two_objects_takes_no_answer_back(tmp_path: Path) -> None:
    """What was accepted is there, whatever becomes of the others."""
    films = [chest(tmp_path / f"{n}.dcm") for n in range(3)]
    there: list[Any] = []

    def answer(event: Any) -> int:
        there.append(event.assoc)
        return 0

    def leave() -> bool:
        if there:
            there[0].abort()
            time.sleep(0.5)
        return True

    with server(answer) as destination:
        sent = send(films, destination, go_on=leave)
    assert [one.verdict for one in sent] == [Verdict.ACCEPTED, Verdict.LATER, Verdict.LATER]
    assert {one.status for one in sent[1:]} == {NO_STATUS}


def test_a_peer_that_never_answers_an_object_is_left(tmp_path: Path) -> None:
    films = [chest(tmp_path / f"{n}.dcm") for n in range(2)]
    release = threading.Event()

    def answer(_: Any) -> int:
        release.wait(60)
        return 0

    with server(answer) as destination:
        sent = send(films, replace(destination, timeout_seconds=2))
        release.set()
    assert [(one.verdict, one.status) for one in sent] == [(Verdict.LATER, NO_STATUS)] * 2


def test_a_peer_that_stops_reading_does_not_hold_the_sender_for_ever(tmp_path: Path) -> None:
    """The film is larger than what two sockets hold, so that a write waits for the peer."""
    film = chest(tmp_path / "film.dcm", np.zeros((5000, 5000), np.uint16))
    release = threading.Event()

    def stop_reading(event: Any) -> None:
        if isinstance(event.pdu, P_DATA_TF):
            release.wait(60)

    try:
        with server(lambda _: 0, more=[(evt.EVT_PDU_RECV, stop_reading)]) as destination:
            begun = time.monotonic()
            (sent,) = send([film], replace(destination, timeout_seconds=2))
            assert time.monotonic() - begun < 30
            release.set()
    finally:
        release.set()
    assert (sent.verdict, sent.status) == (Verdict.LATER, NO_STATUS)


@pytest.mark.parametrize("held", [False, True])
def test_who_lost_its_study_sends_no_more_of_it(tmp_path: Path, *, held: bool) -> None:
    films = [chest(tmp_path / f"{n}.dcm") for n in range(3)]
    turns = iter([True, held, held])
    with server(lambda _: 0) as destination:
        sent = send(films, destination, go_on=lambda: next(turns))
    rest = Verdict.ACCEPTED if held else Verdict.LATER
    assert [one.verdict for one in sent] == [Verdict.ACCEPTED, rest, rest]


def test_a_file_that_goes_in_between_takes_no_answer_back(tmp_path: Path) -> None:
    films = [chest(tmp_path / f"{n}.dcm") for n in range(3)]
    turns = iter([lambda: None, films[1].unlink, lambda: None])
    with server(lambda _: 0) as destination:
        sent = send(films, destination, go_on=lambda: next(turns)() is None)
        with pytest.raises(BadStudy, match="no longer in the spool"):
            send(films, destination)
    verdicts = [(one.verdict, one.tried) for one in sent]
    assert verdicts == [(Verdict.ACCEPTED, True), (Verdict.LATER, False), (Verdict.ACCEPTED, True)]


def test_what_the_peer_does_not_take_is_refused_and_named(tmp_path: Path) -> None:
    films = [
        chest(tmp_path / "cr.dcm"),
        chest(tmp_path / "dx.dcm", SOPClassUID="1.2.840.10008.5.1.4.1.1.1.1"),
    ]
    with server(lambda _: 0) as destination:
        sent = send(films, destination)
    assert [one.verdict for one in sent] == [Verdict.ACCEPTED, Verdict.REFUSED]
    assert "does not take Digital X-Ray Image Storage" in sent[1].reason


def test_nobody_there() -> None:
    with pytest.raises(Unreachable, match="does not answer at its host and port"):
        echo(peer(free_port()))


def test_the_wrong_titles_are_refused_for_good() -> None:
    with server(lambda _: 0, require_called_aet=True) as destination:
        with pytest.raises(Rejected, match="is its AE title really 'OTHER'"):
            echo(peer(destination.port, "OTHER"))
        echo(destination)
    with (
        server(lambda _: 0, require_calling_aet=["SOMEBODY"]) as destination,
        pytest.raises(Rejected, match="make 'DICOMNODE' known there"),
    ):
        echo(destination)


def test_a_busy_peer_is_tried_again_later() -> None:
    with server(lambda _: 0, maximum_associations=1) as destination:
        occupying = AE(ae_title="OTHER")
        occupying.add_requested_context(Verification)
        held = occupying.associate("127.0.0.1", destination.port)
        with pytest.raises(Unreachable, match="local limit exceeded"):
            echo(destination)
        held.release()
