"""No log line holds an identity, whoever wrote it."""

from __future__ import annotations

import io
import logging
import sys
import threading
import warnings

import pytest
from celery import Celery

from dicom_node import logs
from dicom_node.errors import BadStudy
from dicom_node.spool import checked_uid

SECRET = "Doe^Jane"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr("sys.excepthook", sys.excepthook)
    monkeypatch.setattr("threading.excepthook", threading.excepthook)
    logs.configure("DEBUG")
    logging.getLogger().setLevel(logging.DEBUG)
    return stream


def test_text_of_a_library_that_handles_data_sets_is_withheld(written: io.StringIO) -> None:
    logging.getLogger("highdicom.sr").debug("identifier: %s", SECRET)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        # An earlier test may have begun it, and pytest taken the way of warnings back since.
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn(f"invalid value for VR PN: {SECRET}", stacklevel=1)

    assert SECRET not in written.getvalue()
    assert written.getvalue().count("text withheld") == 2


def test_pynetdicom_is_heard_only_where_something_broke(written: io.StringIO) -> None:
    logger = logging.getLogger("pynetdicom.acse")
    logger.error("identifier: %s", SECRET)
    try:
        int(SECRET)
    except ValueError:
        logger.exception("what a peer sent cannot be decoded: %s", SECRET)
    assert written.getvalue() == ""
    try:
        checked_uid(None)  # type: ignore[arg-type]
    except TypeError:
        logger.exception("Exception raised in user's handler: %s", SECRET)
    assert "TypeError (text withheld)" in written.getvalue()
    assert SECRET not in written.getvalue()


def test_text_of_a_foreign_exception_is_withheld_and_its_place_kept(written: io.StringIO) -> None:
    try:
        try:
            raise ValueError(SECRET)
        except ValueError as inner:
            raise KeyError(SECRET) from inner
    except KeyError:
        logging.getLogger("workers.way").exception("stopped")

    assert SECRET not in written.getvalue()
    assert "ValueError (text withheld)" in written.getvalue()
    assert "KeyError (text withheld)" in written.getvalue()
    assert "test_logs.py" in written.getvalue()


def test_our_own_errors_keep_their_text(written: io.StringIO) -> None:
    try:
        raise BadStudy("pixels cannot be decoded")
    except BadStudy:
        logging.getLogger("workers.way").exception("stopped")

    assert "BadStudy: pixels cannot be decoded" in written.getvalue()


def test_each_line_carries_the_job_it_is_about(written: io.StringIO) -> None:
    log = logging.getLogger("workers.way")
    log.info("outside")
    with logs.about(17):
        log.info("inside")

    outside, inside = written.getvalue().splitlines()
    assert "job=- " in outside
    assert "job=17 " in inside


def test_what_nobody_catches_is_withheld_too(written: io.StringIO) -> None:
    """In a thread, and at the top of a program."""

    def fail() -> None:
        raise ValueError(SECRET)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    try:
        fail()
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    assert written.getvalue().count("ValueError (text withheld)") == 2
    assert SECRET not in written.getvalue()


def test_what_celery_says_of_a_task_that_failed_is_withheld(written: io.StringIO) -> None:
    app = Celery("tests", set_as_current=False)

    @app.task
    def read() -> None:
        raise ValueError(SECRET)

    read.apply()
    logging.getLogger("celery.app.trace").error("Task read raised unexpected: %s", SECRET)
    assert SECRET not in written.getvalue()
    assert "celery.app.trace" in written.getvalue()
