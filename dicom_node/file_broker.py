"""The broker of files, such that several programs may use it at once.

Kombu's own one writes a message under the name by which others look for it, and they move it away
while it is written: a worker that then reads half a message ends
(https://github.com/celery/kombu/issues/398). Here a message has its name once it is whole, and is
taken by a rename, which only one can do.
"""

from __future__ import annotations

import fcntl
import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils import json

log = logging.getLogger(__name__)

#: The scheme of its URL, which this module makes known to Kombu.
SCHEME = "dicom-node-files"


# Kombu comes without complete types.
_Channel: Any = filesystem.Channel
_Transport: Any = filesystem.Transport
_json: Any = json


class Channel(_Channel):  # type: ignore[misc]
    """Messages are files ``TIME_UUID.QUEUE.msg`` of one folder."""

    def _put(self, queue: str, payload: Any, **_: Any) -> None:
        message = Path(self.data_folder_out) / f"{time.time_ns()}_{uuid.uuid4()}.{queue}.msg"
        whole = message.with_name(f"{message.name}.new")
        whole.write_text(_json.dumps(payload), encoding="utf-8")
        whole.rename(message)

    def _get(self, queue: str) -> Any:
        for message in sorted(Path(self.data_folder_in).iterdir()):
            if not message.name.endswith(f".{queue}.msg"):
                continue
            mine = message.with_name(f"{message.name}.taken")
            try:
                message.rename(mine)
            except FileNotFoundError:  # another worker was faster
                continue
            text = mine.read_text(encoding="utf-8")
            mine.unlink()
            try:
                return _json.loads(text)
            except ValueError:  # its machine stood still before it was on the disk
                log.warning("a message of the broker of files is broken; the sweeper rings again")
        raise Empty

    def get_table(self, exchange: str) -> Any:
        """The queues of an exchange, not while another program writes them."""
        with self._alone():
            return super().get_table(exchange)

    def _queue_bind(self, *binding: Any) -> None:
        with self._alone():
            super()._queue_bind(*binding)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (Path(self.control_folder) / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


class Transport(_Transport):  # type: ignore[misc]
    """Kombu's, with the channel above. A disk that is away is a broker that is: a worker connects
    again, and does not end.
    """

    Channel = Channel
    connection_errors = (*_Transport.connection_errors, OSError)


TRANSPORT_ALIASES[SCHEME] = f"{__name__}:{Transport.__name__}"
