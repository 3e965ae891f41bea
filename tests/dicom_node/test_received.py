"""What the ledger knows of objects that were received."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from dicom_node.errors import Misconfigured
from dicom_node.ledger import received
from dicom_node.ledger.database import Database


def test_whether_a_study_may_be_forgotten_is_asked_while_nobody_enters_anything(
    ledger_url: str,
) -> None:
    """Else what comes between question and deletion would be deleted, though it was answered."""
    database = Database(ledger_url)
    entered = threading.Event()

    def enter() -> None:
        with database.writing():
            entered.set()

    comes = threading.Thread(target=enter)

    def check() -> None:
        comes.start()
        assert not entered.wait(1)
        raise Misconfigured("something of it still counts")

    def delete(_: Sequence[str]) -> None:
        raise AssertionError("nothing may be deleted")

    with pytest.raises(Misconfigured):
        received.forget(database, 1, "1.2.3", check, delete)
    comes.join(30)
    assert entered.is_set()
    database.close()
