"""What a disk that is full, faulty or away does to the stage of a study."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dicom_node.durable import OF_A_DISK
from dicom_node.errors import BadStudy, Unreachable
from dicom_node.spool import Spool

_NOT_THERE = "the data folder is not there; is its disk mounted?"


@contextmanager
def disk_may_be(spool: Spool) -> Iterator[None]:
    """It is no fault of the study that is worked at, whatever was being read or written.

    Raises:
        Unreachable: the disk takes nothing, gives nothing, or the data folder is not there.
    """
    try:
        yield
    except OSError as error:
        if error.errno in OF_A_DISK:  # its text names a file
            raise Unreachable(f"the data folder: {error.strerror}") from None
        if isinstance(error, FileNotFoundError) and not spool.is_there:
            raise Unreachable(_NOT_THERE) from None
        raise
    except BadStudy:  # its file is gone
        if not spool.is_there:
            raise Unreachable(_NOT_THERE) from None
        raise
