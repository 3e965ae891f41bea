"""How a DIMSE-N message (PS3.7 10) is answered: it is done, or a status says why it is not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import BinaryIO, TypeVar

from pydicom import Dataset

from dicom_node.errors import Unreachable
from dicom_node.headers import CORRUPT, items_in

log = logging.getLogger(__name__)

#: Statuses, PS3.7 Annex C.
SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
NO_SUCH_INSTANCE = 0x0112
RESOURCE_LIMITATION = 0x0213

_MOST_ITEMS = 50_000  # each takes a hundred times its bytes once it is decoded

Answer = tuple[Dataset, None]
_Read = TypeVar("_Read")


class Refused(Exception):
    """What was sent cannot be used; ``comment`` names the attribute and holds no value."""

    def __init__(self, status: int, comment: str, error_id: int | None = None) -> None:
        """``error_id`` is the Error ID (0000,0903)."""
        super().__init__(comment)
        self.answer = answer(status, comment)
        if error_id is not None:
            self.answer.ErrorID = error_id


def answered(what: str, work: Callable[[], None]) -> Answer:
    """Do what a message asks for, and say how it went; ``what`` names the message in the log."""
    try:
        work()
    except Refused as refused:
        log.warning("%s answered %04X: %s", what, refused.answer.Status, refused)
        return refused.answer, None
    except Unreachable as error:
        log.error("%s answered 0110: %s", what, error)  # noqa: TRY400 - no bug of ours
        return answer(PROCESSING_FAILURE, "the ledger does not answer; try again"), None
    return answer(SUCCESS), None


def decoded(encoded: BinaryIO | None, read: Callable[[], _Read]) -> _Read:
    """What is read of an encoded data set.

    Raises:
        Refused: it has too many items, or is corrupt.
    """
    if encoded is not None and items_in(encoded) > _MOST_ITEMS:
        raise Refused(RESOURCE_LIMITATION, f"more than {_MOST_ITEMS} items")
    try:
        return read()
    except CORRUPT as error:
        told = f"the data set cannot be decoded ({type(error).__name__})"
        raise Refused(PROCESSING_FAILURE, told) from None


def answer(status: int, comment: str = "") -> Dataset:
    """The command set's part of an answer that a handler of pynetdicom gives."""
    made = Dataset()
    made.Status = status
    if comment:
        made.ErrorComment = comment[:64]  # VR LO
    return made
