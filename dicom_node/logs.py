"""Log lines: one an event, with the job, and never the identity of a patient.

Libraries that handle data sets (pynetdicom, pydicom, highdicom, ...) put names and IDs into their
messages at several levels. Of a record that is not from this project only its source is kept:
the logger, the level and the line of code; the text is withheld. Of an exception the chain of
types and places is kept, its text only when it is one of ours. What a library tells that an
administrator has to know is told in words of our own.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any

from dicom_node.errors import NodeError

#: Loggers whose text is known to hold no patient: ours, and one that only sees the schema.
TRUSTED = ("dicom_node", "workers", "models", "alembic")

_FORMAT = "%(asctime)s %(levelname)-7s job=%(job)s %(name)s: %(message)s"
#: The text that a record of a library gets instead of its own; None: it is withheld.
Retell = Callable[[logging.LogRecord], str | None]
_job: ContextVar[str] = ContextVar("job", default="-")


@contextmanager
def about(job: int | str) -> Iterator[None]:
    """Every line logged inside carries this job."""
    token = _job.set(str(job))
    try:
        yield
    finally:
        _job.reset(token)


def configure(level: str = "INFO", retell: Retell = lambda _: None) -> None:
    """Send all loggers of this process to standard error through one formatter.

    What ``retell`` has words for is a warning in these words, without a trace.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Withholding(_FORMAT, retell))
    handler.addFilter(_tells_something)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in TRUSTED:
        logging.getLogger(name).setLevel(level)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of every start
    logging.captureWarnings(capture=True)
    # What nobody caught would else be printed with its text.
    sys.excepthook = lambda *what: _uncaught(what)
    threading.excepthook = lambda what: _uncaught(what[:3])


def _tells_something(record: logging.LogRecord) -> bool:
    """Pynetdicom tells at length of each message, and has a trace for each that it cannot take
    apart. Without its text only an exception matters that came by way of this project.
    """
    if record.name.split(".")[0] != "pynetdicom":
        return True
    return bool(record.exc_info) and _is_ours(record.exc_info[1])  # type: ignore[index]


def _is_ours(error: BaseException | None) -> bool:
    """Whether an exception passed through code of this project."""
    frames = traceback.walk_tb(error.__traceback__ if error else None)
    return any(str(one.f_globals.get("__name__")).split(".")[0] in TRUSTED for one, _ in frames)


class Withholding(logging.Formatter):
    """Adds the job; withholds what may name a patient."""

    def __init__(self, form: str, retell: Retell = lambda _: None) -> None:
        """Lines of this form."""
        super().__init__(form)
        self._retell = retell

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the places of the exception if there is one."""
        record = logging.makeLogRecord(record.__dict__)
        record.job = _job.get()
        if record.name.split(".")[0] not in TRUSTED:
            if told := self._retell(record):
                record.levelname, record.exc_info = "WARNING", None
            record.msg = told or f"(text withheld, from {record.module}:{record.lineno})"
            record.args = None
        # A cached rendering would carry the exception's text past formatException.
        record.exc_text = None
        return super().format(record)

    def formatException(  # noqa: N802 - the name is logging's
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None]
        | tuple[None, None, None],
    ) -> str:
        """The chain of exceptions as types and places."""
        return "\n".join(_chain(ei[1])) if ei[1] else ""


def _uncaught(what: Any) -> None:
    logging.getLogger(__name__).critical("not caught", exc_info=what)


def _chain(error: BaseException) -> Iterator[str]:
    if cause := error.__cause__ or (None if error.__suppress_context__ else error.__context__):
        yield from _chain(cause)
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"  {frame.filename}:{frame.lineno} in {frame.name}"
    kind = type(error).__name__
    yield f"{kind}: {error}" if isinstance(error, NodeError) else f"{kind} (text withheld)"
