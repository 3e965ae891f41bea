"""An honest PACS that sends: what was not answered 0x0000 it sends again, and it keeps a record."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from peers import HOST
from pydicom import dcmread
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE

SUCCESS = 0x0000
NO_ASSOCIATION = "no association"
_PAUSE_SECONDS = 0.5
_PART_BYTES = 4096


@dataclass
class Films:
    """What is sent of one study, and what was answered."""

    study: str
    paths: list[Path]
    answered: set[Path] = field(default_factory=set)
    statuses: list[str] = field(default_factory=list)

    @property
    def left(self) -> list[Path]:
        return [path for path in self.paths if path not in self.answered]


def associate(port: int, called: str, seconds: float = 10) -> Any:
    """An association that may or may not be established."""
    ae = AE(ae_title="SENDER")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = seconds
    ae.add_requested_context(ComputedRadiographyImageStorage, ExplicitVRLittleEndian)
    return ae.associate(HOST, port, ae_title=called)


def send(
    films: Films, ports: Sequence[int], called: str, stop: threading.Event, pause: float = 0.0
) -> None:
    """Until all is answered 0x0000; each time at the next of the ports."""
    attempt = 0
    while films.left and not stop.is_set():
        _try(films, ports[attempt % len(ports)], called, pause)
        attempt += 1
        if films.left:
            stop.wait(_PAUSE_SECONDS)


def _try(films: Films, port: int, called: str, pause: float) -> None:
    association = associate(port, called)
    if not association.is_established:
        films.statuses.append("rejected" if association.is_rejected else NO_ASSOCIATION)
        return
    try:
        for path in films.left:
            status = association.send_c_store(path).get("Status")
            films.statuses.append("no answer" if status is None else f"{status:04X}")
            if status == SUCCESS:
                films.answered.add(path)
            time.sleep(pause)
    except (RuntimeError, ValueError):  # as pynetdicom says that the association has ended
        films.statuses.append("cut off")
    finally:
        if association.is_established:
            association.release()


def send_in_part(path: Path, port: int, called: str, *, part: float, end: str) -> str:
    """Send the first part of an object, then ``abort``, ``close`` or be ``silent``."""
    association = associate(port, called)
    if not association.is_established:
        return NO_ASSOCIATION
    messages = list(_pieces(association, path))
    for one in messages[: max(1, int(part * len(messages)))]:
        association.dul.send_pdu(one)
    time.sleep(0.3)
    if end == "abort":
        association.abort()
    elif end == "close":
        association.dul.socket.close()
    else:
        deadline = time.monotonic() + 15
        while association.is_established and time.monotonic() < deadline:
            time.sleep(0.1)
        told = "still open after 15 s" if association.is_established else "cut off"
        association.abort()
        return told
    return end


def _pieces(association: Any, path: Path) -> Any:
    film = dcmread(path)
    request = C_STORE()
    request.MessageID = 1
    request.AffectedSOPClassUID = film.SOPClassUID
    request.AffectedSOPInstanceUID = film.SOPInstanceUID
    request.Priority = 0
    request.DataSet = io.BytesIO(data_set_bytes(path))
    message = C_STORE_RQ()
    message.primitive_to_message(request)
    (context,) = association.accepted_contexts
    return message.encode_msg(context.context_id, _PART_BYTES)


def data_set_begin(path: Path) -> int:
    """Where the data set of a Part 10 file begins: behind its group 2 (PS3.10 7.1)."""
    with path.open("rb") as file:
        head = file.read(144)
    return 144 + int.from_bytes(head[140:144], "little")


def data_set_bytes(path: Path) -> bytes:
    """The data set of a Part 10 file, as it is encoded."""
    return path.read_bytes()[data_set_begin(path) :]
