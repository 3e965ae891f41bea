"""Deletes what may go, beside the receiving: at intervals, and at once when the disk is short.

At the same intervals it enters what another edge has left.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from dicom_node import queue
from dicom_node.errors import Unreachable
from dicom_node.ledger import announcements, commitments
from dicom_node.receive.recorder import Recorder
from dicom_node.receive.scan import scan
from dicom_node.retention.ballast import keep_ballast
from dicom_node.retention.room import make_room
from dicom_node.retention.sweep import sweep
from dicom_node.units import size_text
from workers.site import Site

log = logging.getLogger(__name__)

_SWEEP_EVERY_SECONDS = 600
#: The disk is looked at so often though nobody asks: others may fill it as well.
_LOOK_EVERY_SECONDS = 5
#: Between two attempts when nothing could be freed; each asks the ledger for every study.
_PAUSE_SECONDS = 10
_TELL_AGAIN_SECONDS = 300
#: What a living edge has not entered for so long, a dead one has left.
_LEFT_SECONDS = 120


class Housekeeper:
    """One thread, from :meth:`start` to :meth:`stop`."""

    def __init__(self, site: Site, incoming: Path, recorder: Recorder) -> None:
        """``incoming`` is the folder of this edge's unfinished objects, which stays."""
        self._site = site
        self._recorder = recorder
        self._incoming = incoming
        self._low = site.settings.receive.low_bytes
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._told = -float("inf")
        self._thread = threading.Thread(target=self._run, name="housekeeper")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after what is being deleted."""
        self._stopping.set()
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def has_ended(self) -> bool:
        """Whether nothing is deleted any more: the disk would fill."""
        return self._ended.is_set()

    def ask_for_room(self) -> None:
        """The disk is short of room; returns at once."""
        self._wanted.set()

    def _run(self) -> None:
        swept, looked = -float("inf"), time.monotonic()  # the edge has looked when it started
        try:
            while not self._stopping.is_set():
                short = self._is_short()
                if short or time.monotonic() - swept > _SWEEP_EVERY_SECONDS:
                    enough = self._clean(short=short)
                    swept = time.monotonic()
                    self._stopping.wait(0 if enough else _PAUSE_SECONDS)
                if time.monotonic() - looked > _SWEEP_EVERY_SECONDS:
                    self._enter_what_others_left()
                    looked = time.monotonic()
                self._wanted.wait(_LOOK_EVERY_SECONDS)
                self._wanted.clear()
        finally:
            self._ended.set()

    def _is_short(self) -> bool:
        try:
            return self._site.spool.free_bytes() < self._low
        except OSError:  # the disk has gone; the door answers for it
            return False

    def _clean(self, *, short: bool) -> bool:
        """Make room in the written order, then delete all whose time is over; whether it helped."""
        database, spool = self._site.database, self._site.spool
        retention = self._site.settings.retention
        try:
            enough = not short or make_room(database, spool, retention, self._low).enough
            if not enough:
                self._tell()
            sweep(database, spool, retention)
            spool.clear_incoming(self._incoming, retention.incoming.total_seconds())
            announcements.forget(database)
            commitments.forget(database)
            queue.forget(self._site.settings.node.data)
            keep_ballast(spool, self._low)
        except Unreachable as error:
            log.warning("nothing is deleted: %s; trying again", error)
            return False
        except OSError as error:
            log.error("not all is deleted: %s", error.strerror)  # noqa: TRY400 - no bug of ours
            return False
        return enough

    def _enter_what_others_left(self) -> None:
        """Another edge may have died between its answer and the ledger, and nobody start it again.

        Not where completion is decided: with a hundred thousand files it takes seconds.
        """
        site = self._site
        try:
            found = scan(site.spool, site.database, self._recorder, settled_seconds=_LEFT_SECONDS)
        except (Unreachable, OSError) as error:
            # The text of an OSError names a file.
            why = error.strerror if isinstance(error, OSError) else error
            log.warning("the spool is not looked through: %s; trying again", why)
            return
        if found:
            log.warning("%d file(s) of another edge were not in the ledger; entered now", found)

    def _tell(self) -> None:
        if time.monotonic() - self._told > _TELL_AGAIN_SECONDS:
            self._told = time.monotonic()
            log.error(
                "less than %s is free on the disk, and nothing more may be deleted for it; below "
                "%s nothing is accepted (see `dicom-node disk`)",
                size_text(self._low),
                size_text(self._site.settings.receive.disk_reserve),
            )
