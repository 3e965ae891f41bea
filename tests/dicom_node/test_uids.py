"""Derived UIDs: valid, the same for the same, different for the different."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from pydicom.uid import UID

from dicom_node.uids import derived_uid

#: Of what an earlier version of this project made: must never change, or results come twice.
KNOWN: dict[tuple[object, ...], str] = {
    ("sr", "1.2.3", 1): "2.25.135277195696853829471997736642488563354",
    (): "2.25.127287991100662524364543423035648325256",
}


@pytest.mark.parametrize("parts", KNOWN)
def test_what_was_made_once_is_made_again(parts: tuple[object, ...]) -> None:
    assert derived_uid(*parts) == KNOWN[parts]


def test_another_process_derives_the_same() -> None:
    command = "from dicom_node.uids import derived_uid; print(derived_uid('a', 'Müller', 2))"
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", command],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == derived_uid("a", "Müller", 2)


def test_it_is_a_uuid_derived_uid() -> None:
    """PS3.5 B.2 and 9.1: at most 64 characters, a number without leading zeros, of version 5."""
    for number in range(500):
        uid = derived_uid("any", number)
        assert UID(uid).is_valid
        assert re.fullmatch(r"2\.25\.[1-9][0-9]{0,38}", uid)
        value = int(uid.removeprefix("2.25."))
        assert value < 2**128
        assert value >> 76 & 0xF == 5
        assert value >> 62 & 0b11 == 0b10


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "bc"), ("ab", "c")),
        (("a", "b"), ("b", "a")),
        (("a",), ("a", "")),
        (("",), ()),
        (('a", "b',), ("a", "b")),
        (("a, b",), ("a", "b")),
        (("a\\",), ("a",)),
        (("1.2.3", 1), ("1.2.3", 2)),
        (("1.2", "3"), ("1.2.3",)),
    ],
)
def test_different_names_give_different_uids(
    one: tuple[object, ...], other: tuple[object, ...]
) -> None:
    assert derived_uid(*one) != derived_uid(*other)


def test_a_number_is_named_as_it_is_written() -> None:
    assert derived_uid("x", 7) == derived_uid("x", "7")


def test_many_are_all_different() -> None:
    assert len({derived_uid("1.2.3", output, number) for output in ("sr", "seg")
                for number in range(2000)}) == 4000  # fmt: skip
