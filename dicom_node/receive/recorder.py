"""Enters what the door received into the ledger, in batches and off the path of the answer.

The spool is the truth of what was received: what an edge had not entered when it died, the scan
at the next start enters.
"""

from __future__ import annotations

import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from dicom_node.errors import BadStudy, Unreachable
from dicom_node.ledger import arrivals
from dicom_node.ledger.arrivals import Arrival, Entered
from dicom_node.ledger.assessments import Assessment
from dicom_node.ledger.database import Database
from dicom_node.partial import data_set_sha256
from dicom_node.receive import assessment
from dicom_node.spool import Spool
from dicom_node.study import Priority

log = logging.getLogger(__name__)

#: Why an object is set aside whose UID came before with other bytes.
CONFLICT = "an object of this SOP Instance UID came before with other bytes"
#: The same for one of whose bytes nothing can be said without decoding both.
REENCODED = "an object of this SOP Instance UID came before in another transfer syntax"
#: Of an object that was set aside by an edge that died before it could enter why.
FORGOTTEN = "found in quarantine at start, and not in the ledger; dump it to see what it is"

_BATCH_SECONDS = 0.2
_PAUSE_SECONDS = 1.0  # when the ledger does not answer
_AGAIN_SECONDS = 10.0  # when a file cannot be read


@dataclass(frozen=True, slots=True)
class Opened:
    """An association was accepted."""

    association: str


@dataclass(frozen=True, slots=True)
class Closed:
    """An association ended."""

    association: str


@dataclass(frozen=True, slots=True)
class Stored:
    """An object lies in the spool."""

    path: Path
    calling: str  # AE title that sent it; empty where the scan at start found it
    study_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    opens_job: bool
    association: str
    priority: Priority
    sha256: str = ""  # of its data set, where it is known


@dataclass(frozen=True, slots=True)
class SetAside:
    """An object lies in quarantine."""

    path: Path
    reason: str


Fact = Opened | Closed | Stored | SetAside


class Recorder:
    """One thread that enters facts in the order in which they were told."""

    def __init__(self, database: Database, spool: Spool, edge: str, lease_seconds: float) -> None:
        """``lease_seconds``: for so long after its last sign of life an edge's associations hold
        back their studies.
        """
        self._database = database
        self._spool = spool
        self._edge = edge
        self._lease = lease_seconds
        self._facts: queue.SimpleQueue[Fact] = queue.SimpleQueue()
        self._unreadable: dict[Path, tuple[float, Stored]] = {}  # and when it is tried again
        self._ending = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Enter what is left, and end."""
        self._ending.set()
        self._thread.join()

    @property
    def has_ended(self) -> bool:
        """Whether nothing is entered any more: an edge that goes on would lose what it receives."""
        return self._ended.is_set()

    def tell(self, fact: Fact) -> None:
        """Something happened at the door."""
        self._facts.put(fact)

    def _run(self) -> None:
        try:
            self._enter_until_told()
        finally:
            self._ended.set()

    def _enter_until_told(self) -> None:
        renewed = time.monotonic()
        while not (self._ending.is_set() and self._facts.empty()):
            time.sleep(_BATCH_SECONDS)
            facts = [self._facts.get_nowait() for _ in range(self._facts.qsize())]
            facts += self._due()
            self._insist(lambda facts=facts: self._enter(facts))  # type: ignore[misc]
            if time.monotonic() - renewed > self._lease / 3:
                self._insist(self._renew)
                renewed = time.monotonic()

    def _insist(self, enter: Callable[[], None]) -> None:
        """Until the ledger answers, or the edge ends. All entering may be done twice."""
        while True:
            try:
                enter()
            except Unreachable as error:
                log.warning("%s; trying again", error)
            else:
                return
            if self._ending.is_set():
                log.error("not entered in the ledger; the next start of an edge does it")
                return
            self._ending.wait(_PAUSE_SECONDS)

    def _enter(self, facts: list[Fact]) -> None:
        """Neighbouring objects in one transaction; nothing overtakes anything."""
        for kind, group in itertools.groupby(facts, type):
            if kind is Stored:
                self._enter_stored([fact for fact in group if isinstance(fact, Stored)])
                continue
            for fact in group:
                match fact:
                    case Opened(association):
                        arrivals.open_association(
                            self._database, association, self._edge, self._lease
                        )
                    case Closed(association):
                        arrivals.close_association(self._database, association)
                    case SetAside(path, reason):
                        arrivals.quarantined(self._database, self._spool.below(path), reason)

    def _enter_stored(self, facts: list[Stored]) -> None:
        entered = arrivals.entered_of(
            self._database, [(one.study_instance_uid, one.sop_instance_uid) for one in facts]
        )
        found = []
        for fact in facts:
            known = entered.get((fact.study_instance_uid, fact.sop_instance_uid))
            try:
                found.append(self._arrival(fact, known))
            except OSError as error:  # one bad file holds up no other
                log.error("a received file: %s; trying again", error.strerror)  # noqa: TRY400 - no bug of ours
                # By then its association may be over, and is not to be opened again.
                alone = replace(fact, association="")
                self._unreadable[fact.path] = (time.monotonic() + _AGAIN_SECONDS, alone)
        arrivals.record(
            self._database,
            [one for one in found if one is not None],
            edge=self._edge,
            lease=self._lease,
        )

    def _due(self) -> list[Stored]:
        """Objects whose files could not be read, and are to be tried again now."""
        due = [fact for at, fact in self._unreadable.values() if at <= time.monotonic()]
        for fact in due:
            del self._unreadable[fact.path]
        return due

    def _arrival(self, stored: Stored, known: Entered | None) -> Arrival | None:
        """The object as the ledger enters it; None when the ledger knew it from long ago."""
        if not stored.path.exists():  # handled below before the ledger went away
            return None
        digest = stored.sha256 or data_set_sha256(stored.path)
        if known is not None and known.sha256 != digest:
            place = self._spool.set_aside(stored.path)
            arrivals.quarantined(self._database, self._spool.below(place), CONFLICT)
            return None
        if known is not None and known.deleted:
            # Its study ended long ago, and retention has deleted it since.
            log.info("an object came again whose study has ended; see dicom-node jobs")
            path = self._spool.below(stored.path)
            self._spool.delete(stored.study_instance_uid, [path])
            return None
        return Arrival(
            study_instance_uid=stored.study_instance_uid,
            sop_instance_uid=stored.sop_instance_uid,
            sop_class_uid=stored.sop_class_uid,
            path=self._spool.below(stored.path),
            calling=stored.calling,
            sha256=digest,
            opens_job=stored.opens_job,
            association=stored.association,
            priority=stored.priority,
            assessment=_assessment(stored),
        )

    def _renew(self) -> None:
        arrivals.renew_associations(self._database, self._edge, self._lease)
        arrivals.forget_associations(self._database)


def _assessment(stored: Stored) -> Assessment | None:
    """What an object says of our results; None where it is no assessment, or cannot be read."""
    if not assessment.is_assessment(stored.path, stored.sop_class_uid):
        return None
    try:
        return assessment.read(stored.path)
    except BadStudy as error:
        log.warning("an assessment is not understood: %s", error)
        return None
