"""Part 10 files as a worker reads them, in a process that may crash or hang without harm."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from campaign import Tally

from dicom_node.errors import NodeError
from dicom_node.headers import read_study
from dicom_node.pixels import read_frame
from dicom_node.pixels.decoding import decode
from dicom_node.receive.assessment import read as read_assessment
from dicom_node.receive.header import read_header

_LONGEST_SECONDS = 60


def _frame(path: Path) -> None:
    for instance in read_study([path]).instances:
        read_frame(instance)


READERS: tuple[Callable[[Path], Any], ...] = (read_header, _frame, decode, read_assessment)


def read(tally: Tally, inputs: Sequence[bytes], folder: Path) -> None:
    """What each reader makes of each file: it is read, or refused by one of our own errors."""
    left = list(inputs)
    while left:
        done = _in_child(tally, left, folder / "input.dcm")
        if done < len(left):
            tally.fault(left[done], "the process that read it died or hung")
            done += 1
        left = left[done:]


def _in_child(tally: Tally, inputs: Sequence[bytes], path: Path) -> int:
    """How many were read before the process died."""
    context = multiprocessing.get_context("fork")
    mine, its = context.Pipe(duplex=False)
    child = context.Process(target=_read_all, args=(inputs, path, its))
    child.start()
    its.close()
    done = 0
    try:
        while done < len(inputs):
            outcome, seconds = mine.recv()
            tally.inputs += 1
            tally.milliseconds.append(1000 * seconds)
            tally.stored += outcome == "read"
            tally.refused += outcome == "refused"
            if outcome not in ("read", "refused"):
                tally.fault(inputs[done], outcome)
            done += 1
    except EOFError:
        pass
    child.join()
    return done


def _read_all(inputs: Sequence[bytes], path: Path, told: Any) -> None:
    for content in inputs:
        path.write_bytes(content)
        signal.alarm(_LONGEST_SECONDS)  # ends the process
        begun = time.monotonic()
        outcome = _outcome(path)
        told.send((outcome, time.monotonic() - begun))


def _outcome(path: Path) -> str:
    outcome = "read"
    for reader in READERS:
        try:
            reader(path)
        except NodeError:
            outcome = "refused"
        except BaseException as error:  # noqa: BLE001 - that is what is looked for
            place = error.__traceback__
            while place is not None and place.tb_next is not None:
                place = place.tb_next
            where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else ""
            return f"{type(error).__name__} at {where}"
    return outcome
