"""A file that is given up when nothing at all is free: the ledger needs room to be told of what is
deleted, and without the ledger nothing is deleted.
"""

from __future__ import annotations

import os
from contextlib import suppress

from dicom_node.spool import Spool, size_of

_NAME = "ballast"
_BYTES = 4 * 1024 * 1024
#: With less free, nothing is: the ledger may need so much at once.
NOTHING = 1024 * 1024


def keep_ballast(spool: Spool, low_bytes: int) -> None:
    """Lay the file aside while there is room for it: so much stays free beside it."""
    path = spool.root / _NAME
    if size_of(path) >= _BYTES or spool.free_bytes() < low_bytes + _BYTES:
        return
    with suppress(OSError), path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, _BYTES)


def drop_ballast(spool: Spool) -> None:
    """Give the file up: only for what makes room, others would use it up."""
    (spool.root / _NAME).unlink(missing_ok=True)
