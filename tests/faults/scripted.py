"""A PACS that answers as a fault wants it: run as a program, told what to do through a file.

``FOLDER/mood.json`` holds ``{"id": 7, "mood": "A700", "times": 3}``: of its next occasions so many
go that way. ``FOLDER/held/`` are the objects that it holds, ``FOLDER/said.jsonl`` what it answered.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)

STATUSES = {"A700": 0xA700, "C000": 0xC000, "B000": 0xB000}
REJECTIONS = {"rejects": (1, 1, 1), "is busy": (2, 3, 2)}  # PS3.8 Table 9-21
OF_ASSOCIATIONS = (*REJECTIONS, "knows no class", "says nothing to associations")
#: Moods in which an object is stored whatever the sender hears.
_STORING = ("", "B000", "stores and cuts")
_KEYS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
_SILENT_SECONDS = 30.0


class Pacs:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held = folder / "held"
        self._held.mkdir(parents=True, exist_ok=True)
        self._headers = {path.stem: _header(path) for path in self._held.glob("*.dcm")}
        self._lock = threading.Lock()
        self._mood: dict[str, Any] = {"id": 0, "mood": "", "times": 0}

    def serve(self, aet: str, port: int) -> None:
        ae = AE(ae_title=aet)
        ae.network_timeout = ae.acse_timeout = 10
        ae.add_supported_context(Verification)
        ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
        for context in AllStoragePresentationContexts:
            ae.add_supported_context(context.abstract_syntax)
        ae.start_server(
            ("127.0.0.1", port),
            evt_handlers=[
                (evt.EVT_REQUESTED, self.requested),
                (evt.EVT_PDU_RECV, self.came),
                (evt.EVT_C_STORE, self.store),
                (evt.EVT_C_FIND, self.find),
            ],
        )

    def requested(self, event: Any) -> None:
        if not any(_is_storage(one) for one in event.assoc.requestor.requested_contexts):
            return
        mood = self._take(*OF_ASSOCIATIONS)
        if mood in REJECTIONS:
            self._say(mood, "")
            event.assoc.acse.send_reject(*REJECTIONS[mood])
            event.assoc.kill()
        elif mood == "knows no class":
            self._say(mood, "")
            event.assoc.acceptor.supported_contexts = [
                one for one in event.assoc.acceptor.supported_contexts if not _is_storage(one)
            ]
        elif mood:
            self._say(mood, "")
            _wait_for_the_end(event.assoc)

    def came(self, event: Any) -> None:
        """Only the first part of what is sent, if it is to be cut off in the middle."""
        if type(event.pdu).__name__ != "P_DATA_TF" or not _stores(event.assoc):
            return
        if self._take("cuts"):
            self._say("cuts", "")
            event.assoc.dul.socket.close()

    def store(self, event: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        mood = self._take(*STATUSES, "says nothing", "stores and cuts")
        if mood in _STORING:
            self._keep(uid, event)
        self._say(mood or "0000", uid)
        if mood == "says nothing":
            _wait_for_the_end(event.assoc)
        if mood == "stores and cuts":
            event.assoc.dul.socket.close()
        return STATUSES.get(mood, 0x0000)

    def find(self, event: Any) -> Any:
        wanted = event.identifier
        with self._lock:
            headers = list(self._headers.values())
        for one in headers:
            if all(wanted.get(key) in ("", None, one[key]) for key in _KEYS):
                answer = Dataset()
                answer.QueryRetrieveLevel = wanted.get("QueryRetrieveLevel", "IMAGE")
                for key in _KEYS:
                    setattr(answer, key, one[key])
                yield 0xFF00, answer

    def _keep(self, uid: str, event: Any) -> None:
        content: bytes = event.encoded_dataset()
        place = self._held / f"{uid}.dcm"
        with self._lock:
            if not place.exists():
                aside = place.with_suffix(".part")
                aside.write_bytes(content)
                aside.rename(place)
                self._headers[uid] = _header(place)
        self._say("held", uid, hashlib.sha256(event.request.DataSet.getvalue()).hexdigest())

    def _say(self, what: str, uid: str, digest: str = "") -> None:
        line = json.dumps({"at": time.time(), "what": what, "uid": uid, "sha256": digest})
        with (self._folder / "said.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _take(self, *moods: str) -> str:
        """The mood that it is in for this occasion, if it is one of these."""
        with self._lock:
            try:
                told = json.loads((self._folder / "mood.json").read_text())
            except FileNotFoundError:
                return ""
            if told["id"] != self._mood["id"]:
                self._mood = told
            if self._mood["mood"] not in moods or self._mood["times"] <= 0:
                return ""
            self._mood["times"] -= 1
            return str(self._mood["mood"])


def _is_storage(context: Any) -> bool:
    return context.abstract_syntax not in (
        Verification,
        StudyRootQueryRetrieveInformationModelFind,
    )


def _stores(association: Any) -> bool:
    return any(_is_storage(one) for one in association.accepted_contexts)


def _wait_for_the_end(association: Any) -> None:
    deadline = time.monotonic() + _SILENT_SECONDS
    while time.monotonic() < deadline and association.dul.socket is not None:
        if not association.dul.is_alive() or association.is_aborted:
            return
        if association.dul.socket.socket is None:
            return
        time.sleep(0.1)


def _header(path: Path) -> dict[str, str]:
    header = dcmread(path, specific_tags=list(_KEYS))
    return {key: str(header[key].value) for key in _KEYS}


if __name__ == "__main__":
    where, title, number = sys.argv[1:]
    os.environ.pop("LD_PRELOAD", None)
    Pacs(Path(where)).serve(title, int(number))
