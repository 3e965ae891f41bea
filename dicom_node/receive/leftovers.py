"""What an association leaves behind that ended in the middle: files of which nothing was answered.

pynetdicom deletes the file of an object once its handler has returned, and no other.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)


def delete_leftovers(association: Any) -> None:
    """Delete the files of an ended association that came in part, or that nobody has looked at."""
    found = 0
    if (message := association.dimse.message) is not None:
        found += _delete(message._data_set_file, message._data_set_path)
    while not association.dimse.msg_queue.empty():
        _, waiting = association.dimse.msg_queue.get_nowait()
        if waiting is not None:
            found += _delete(waiting._dataset_file, waiting._dataset_path)
    if found:
        log.warning(
            "an association ended within %d object(s); they were not answered and are not kept",
            found,
        )


def delete_unserved(message: Any) -> None:
    """Delete the file of a message that nobody is going to look at, if it has one."""
    if path := getattr(message, "_dataset_path", None):
        _delete(message._dataset_file, path)


def _delete(file: Any, path: Path | None) -> int:
    """One file, closed and deleted; returns how many there were."""
    if path is None:
        return 0
    with suppress(OSError):  # a full disk: what is still to be written is not wanted
        file.close()
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.error("%s cannot be deleted: %s", path.name, error.strerror)  # noqa: TRY400 - no bug of ours
    return 1
