"""A process that sends files by pynetdicom, over several associations at once.

``python -m bench.sender PORT AE_TITLE FILE...``, a file for each association with the paths that it
sends. Says ``ready`` once all are open, and begins at a line of its standard input.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, _config
from pynetdicom.sop_class import (
    ComputedRadiographyImageStorage,  # type: ignore[attr-defined]  # made at import
    CTImageStorage,  # type: ignore[attr-defined]  # made at import
)


class _Kept(threading.Event):
    """Never set: who waits at it waits on."""

    def set(self) -> None:
        pass


@contextmanager
def parked(association: Any) -> Iterator[None]:
    """Keep pynetdicom's own thread away, which else takes an answer off the queue now and then,
    when it comes quickly: its waiting sender then waits until its time is up.
    """
    gate = association._reactor_checkpoint
    gate.clear()
    time.sleep(0.1)  # by then it waits there
    association._reactor_checkpoint = _Kept()
    yield
    association._reactor_checkpoint = gate
    gate.set()


def open_association(port: int, ae_title: str) -> Any:
    ae = AE(ae_title="BENCH")
    ae.dimse_timeout = ae.network_timeout = 300
    for sop_class in (ComputedRadiographyImageStorage, CTImageStorage):
        ae.add_requested_context(sop_class, ExplicitVRLittleEndian)
    association = ae.associate("127.0.0.1", port, ae_title=ae_title)
    assert association.is_established
    return association


def send(association: Any, paths: list[Path], refused: list[Path]) -> None:
    for path in paths:
        answer = association.send_c_store(path)
        if answer.get("Status") != 0x0000:
            refused.append(path)
            sys.stderr.write(f"answered {answer.get('Status', 'by nothing')}\n")


def main(port: int, ae_title: str, lists: list[Path]) -> int:
    """How many objects were not answered 0000."""
    _config.STORE_SEND_CHUNKED_DATASET = True  # a file's bytes as they are, piece by piece
    _config.LOG_HANDLER_LEVEL = "none"
    refused: list[Path] = []
    shares = [[Path(line) for line in one.read_text().splitlines()] for one in lists]
    opened = [open_association(port, ae_title) for _ in shares]
    threads = [
        threading.Thread(target=send, args=(association, share, refused))
        for association, share in zip(opened, shares, strict=True)
    ]
    with ExitStack() as stack:
        for association in opened:
            stack.enter_context(parked(association))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sys.stdout.write("sent\n")
        sys.stdout.flush()
    for association in opened:
        association.release()
    return len(refused)


if __name__ == "__main__":
    sys.exit(min(main(int(sys.argv[1]), sys.argv[2], [Path(one) for one in sys.argv[3:]]), 99))
