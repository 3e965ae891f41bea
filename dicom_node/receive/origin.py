"""Where an object comes from, and whether this node has asked for it.

An archive sends what is retrieved by C-MOVE through the same port as what it routes. Most say by
which AE it was asked (Move Originator Application Entity Title, PS3.7 9.1.1.1.8); it is optional.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum, auto

from dicom_node.ledger import arrivals
from dicom_node.ledger.database import Database
from dicom_node.receive.header import Header

log = logging.getLogger(__name__)

#: A study is routed while it is new; with a weekend in between.
_STILL_ROUTED = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an object came from. ``originator`` is the AE that asked for it by C-MOVE, if any."""

    calling: str
    originator: str


class Asked(Enum):
    """Whether this node has asked for an object, so that it is a prior and not to be read."""

    NO = auto()
    YES = auto()
    PERHAPS = auto()  # it may be routed just now: a prior, and to be read as well


AskedFor = Callable[[Header, Origin], Asked]


def never(_: Header, __: Origin) -> Asked:
    """Of a node that retrieves nothing by C-MOVE."""
    return Asked.NO


class Mover:
    """Of a node that retrieves by C-MOVE from one archive."""

    def __init__(self, database: Database, ae_title: str, archive_ae_title: str) -> None:
        """``ae_title`` is the node's own; of the archive it is not known yet what it says."""
        self._database = database
        self._own = ae_title
        self._archive = archive_ae_title
        self._says = False  # by which AE it was asked

    def asked_for(self, header: Header, origin: Origin) -> Asked:
        """Whether this node has asked for an object.

        Without Move Originator, of a study that is being retrieved, it is one or the other: then
        no image is lost. What an archive that never says it retrieves is a prior alone, or each old
        film would be read; but a study of these days may be routed at the same time.

        Raises:
            Unreachable: the ledger has to be asked, and does not answer.
        """
        if origin.originator:
            own = origin.originator == self._own
            self._says = self._says or (own and origin.calling == self._archive)
            return Asked.YES if own else Asked.NO
        if origin.calling != self._archive:
            return Asked.NO
        if not arrivals.asked_for(self._database, header.study_instance_uid, self._archive):
            return Asked.NO
        if self._says or _is_new(header.study_date):
            log.info("an object of a study that is being retrieved may be routed: it is read, too")
            return Asked.PERHAPS
        return Asked.YES


def _is_new(day: date | None) -> bool:
    return day is None or day >= datetime.now().astimezone().date() - _STILL_ROUTED
