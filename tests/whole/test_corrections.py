"""Exactly one set of results counts in Orthanc, whatever happens on the way: all parts real."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import iocm
import pytest
from builders import IDENTITY, variant
from nodes import AE_TITLE, READ_SECONDS, Node, Site, peer
from peers import Orthanc, dcmsend, running, wait_until
from pydicom.uid import generate_uid

from dicom_node.outputs import OUTPUTS
from workers.demo import PAIR_SEED
from workers.drawn import Kind, Wanted, draw

SIDE = 512


@pytest.fixture
def films(tmp_path: Path) -> dict[str, Path]:
    """Two films of one study: the one from the bed is read until the other one comes."""
    (drawn,) = [one for one in draw(PAIR_SEED, Wanted(Kind.PAIR, side=SIDE)).films
                if str(one.when) == "current"]  # fmt: skip
    film = tmp_path / "drawn.dcm"
    film.write_bytes(drawn.dicom)
    kinds = {"first": "AP", "late": "PA"}
    return {
        name: variant(film, tmp_path / f"{name}.dcm", ViewPosition=view,
                      SOPInstanceUID=generate_uid(), SeriesDescription=None, **IDENTITY)
        for name, view in kinds.items()
    }  # fmt: skip


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path / "site")
    rules = made.folder / "rules.yaml"
    every = f"outputs: [{', '.join(OUTPUTS)}]"
    rules.write_text(re.sub(r"outputs: \[.*\]", every, rules.read_text("utf-8")), "utf-8")
    return made


def send_to(site: Site, orthanc: Orthanc, **sections: object) -> None:
    destination = peer(orthanc, name="pacs", test=True, profile="weasis", timeout_seconds=5)
    site.configure(destinations=[destination], **sections)


def wait_for(site: Site, revision: int, state: str, seconds: float = READ_SECONDS) -> int:
    """The number of a revision's job, once it is in this state."""

    def numbers() -> list[int]:
        return [
            one["id"] for one in site.jobs() if (one["revision"], one["state"]) == (revision, state)
        ]

    wait_until(lambda: bool(numbers()), f"revision {revision} is {state}: {site.jobs()}", seconds)
    (number,) = numbers()
    return number


def sent(told: dict[str, Any]) -> set[str]:
    """The results of a job that are at their destination and count."""
    return {
        one["sop_instance_uid"]
        for one in told["deliveries"]
        if one["state"] == "there" and not one["withdrawn_by"]
        and one["output"] not in ("rejection", "retraction")
    }  # fmt: skip


def test_one_set_counts_after_a_late_image_a_retraction_and_a_retry(
    site: Site, films: dict[str, Path], tmp_path: Path
) -> None:
    orthanc = Orthanc(tmp_path / "orthanc")
    send_to(site, orthanc)
    with running(orthanc, Node(site)):
        dcmsend([films["first"]], site.port, aec=AE_TITLE)
        first = wait_for(site, 1, "done")
        before = iocm.results(iocm.held(orthanc))
        assert set(before.values()) == sent(site.show(first))
        assert len(before) == len(OUTPUTS)

        dcmsend([films["late"]], site.port, aec=AE_TITLE)
        second = wait_for(site, 2, "done")
        revised = iocm.results(iocm.held(orthanc))
        assert set(revised.values()) == sent(site.show(second))
        assert len(revised) == len(OUTPUTS)
        assert not sent(site.show(first))

        told = site.command("retract", second, "--reason", "safety")
        assert told.returncode == 0, told.stderr
        wait_for(site, 2, "retracted")
        assert iocm.results(iocm.held(orthanc)) == {}
        ever = {one.SOPInstanceUID for one in iocm.held(orthanc)}
        again = site.command("retract", second)
        assert (again.returncode, "nothing was changed" in again.stdout) == (0, True)

        assert site.command("retry", second).returncode == 0
        wait_for(site, 2, "done")
        anew = iocm.results(iocm.held(orthanc))
    assert set(anew.values()) == sent(site.show(second))
    assert anew.keys() == revised.keys()
    assert not set(anew.values()) & ever, "what was rejected was sent again under its UID"


def test_one_set_counts_after_the_sender_was_killed_and_the_pacs_was_away(
    site: Site, films: dict[str, Path], tmp_path: Path
) -> None:
    """Killed once what it has to send is built, and before it is sent; a late image meanwhile."""
    orthanc = Orthanc(tmp_path / "orthanc")
    limits = {"sweep_seconds": 0.5, "reading_seconds": 60, "prior_wait_seconds": 1}
    send_to(site, orthanc, limits=limits)
    sender = Node(site, "sender")
    with running(Node(site, "edge"), Node(site, "worker")):
        sender.start()
        dcmsend([films["first"]], site.port, aec=AE_TITLE)
        first = wait_for(site, 1, "delivering")
        wait_until(lambda: bool(site.show(first)["deliveries"]), "it was built")
        os.kill(sender.pid, signal.SIGKILL)
        sender.stop()
        dcmsend([films["late"]], site.port, aec=AE_TITLE)
        wait_until(lambda: len(site.jobs()) == 2, "the late image opened a revision")
        with running(orthanc, Node(site, "sender")):
            second = wait_for(site, 2, "done", 2 * READ_SECONDS)
            wait_for(site, 1, "done")
            counts = iocm.results(iocm.held(orthanc))
    assert set(counts.values()) == sent(site.show(second))
    assert len(counts) == len(OUTPUTS)
