"""A round is played: studies are sent, things break, all is made whole, and the proof is made."""

from __future__ import annotations

import random
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from builders import chest
from faults import check
from faults.breaking import FAULTS, KILLED, Met
from faults.check import Problem, Sent
from faults.plan import FaultPlan, RoundPlan, StudyPlan
from faults.sender import Films, send
from faults.stage import Stage
from nodes import AE_TITLE
from numpy.typing import NDArray
from pydicom.uid import generate_uid

from dicom_node.ledger.jobs import State

#: After all is whole, what was not answered yet is sent again for so long.
_SENDING_SECONDS = 60.0
_LATE_SECONDS = 30.0


@dataclass
class Broken:
    """A fault as it went."""

    name: str
    began: float = 0.0
    met: str = "it never began"
    recovered: float | None = None  # seconds until every study of the round was final


@dataclass
class Played:
    """A round as it went."""

    plan: RoundPlan
    broken: list[Broken] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    permitted: tuple[str, ...] = ()
    seconds: float = 0.0


def play(stage: Stage, plan: RoundPlan) -> Played:
    """Play a round, and prove it."""
    began = time.monotonic()
    played = Played(plan)
    stop = threading.Event()
    stage.slow_down(plan.slowness)
    senders: list[threading.Thread] = []
    for number, one in enumerate(plan.studies):
        films = _films(stage.folder / f"round-{plan.number}" / str(number), one)
        copies = [films, Films(films.study, films.paths)][: 2 if one.odd == "twice" else 1]
        for edge, copy in enumerate(copies, one.edge):
            played.sent.append(Sent(copy, deadly=one.odd == "deadly"))
            senders.append(_thread(_send, stage, one, copy, edge, stop))
    all_films = [path for one in played.sent for path in one.films.paths]
    played.broken = [Broken(fault.name) for fault in plan.faults]
    faults = [
        _thread(_break, stage, all_films, fault, broken)
        for fault, broken in zip(plan.faults, played.broken, strict=True)
    ]
    for thread in faults:
        thread.join()
    stage.heal()
    deadline = time.monotonic() + _SENDING_SECONDS
    for thread in senders:
        thread.join(max(0.0, deadline - time.monotonic()))
    stop.set()
    ended = check.wait(stage, played.sent, stage.longest_seconds)
    _prove(stage, played, ended)
    played.seconds = time.monotonic() - began
    return played


def _prove(stage: Stage, played: Played, ended: dict[str, float]) -> None:
    played.permitted = tuple(
        FAULTS[one.name].permits for one in played.plan.faults if FAULTS[one.name].permits
    )
    if sum(one.met == KILLED for one in played.broken) >= stage.attempts:
        # All of these may have met one study: a node cannot tell that it is not the study's fault.
        played.permitted += (check.DEADLY,)
    played.problems = check.problems(stage, played.sent, played.permitted)
    played.problems += [
        Problem(check.WRONG, f"the fault itself: {one.name}: {one.met}")
        for one in played.broken
        if one.met.startswith(("error", "it never"))
    ]
    if len(ended) == len({one.films.study for one in played.sent}):
        last = max(ended.values())
        for one in played.broken:
            one.recovered = max(0.0, last - one.began)


def _break(stage: Stage, films: Sequence[Path], fault: FaultPlan, broken: Broken) -> None:
    time.sleep(fault.begins)
    broken.began = time.monotonic()
    try:
        met = Met(stage, films, random.Random(fault.seed))
        broken.met = FAULTS[fault.name].do(met)
    except BaseException as error:  # noqa: BLE001 - also what pytest raises to fail
        broken.met = f"error: {error!r}"
        traceback.print_exc()


def _send(stage: Stage, one: StudyPlan, films: Films, edge: int, stop: threading.Event) -> None:
    time.sleep(one.begins)
    ports = [stage.edges[(edge + more) % 2].site.port for more in range(2)]
    if one.odd != "late":
        send(films, ports, AE_TITLE, stop, one.pause)
        return
    first = Films(films.study, films.paths[:-1], films.answered, films.statuses)
    send(first, ports, AE_TITLE, stop, one.pause)
    _wait_for(stage, films.study, one.late_after)
    send(films, ports, AE_TITLE, stop, one.pause)


def _wait_for(stage: Stage, study: str, late_after: str) -> None:
    """Until a study is so far, or takes too long for that."""
    far = {
        "received": lambda state: True,
        "on its way": lambda state: state is not State.RECEIVED,
        "final": lambda state: state.is_final,
    }[late_after]
    deadline = time.monotonic() + _LATE_SECONDS
    while time.monotonic() < deadline:
        states = [job.state for job in stage.jobs() if job.study_instance_uid == study]
        if states and all(far(state) for state in states):
            return
        time.sleep(0.1)


def _films(folder: Path, one: StudyPlan) -> Films:
    study, series = generate_uid(), generate_uid()
    number = max(one.films, 2) if one.odd == "late" else one.films
    deadly = _deadly_picture() if one.odd == "deadly" else None
    paths = [
        chest(
            folder / f"{index}.dcm",
            deadly,
            StudyInstanceUID=study,
            SeriesInstanceUID=series,
            PatientID=study[-12:],
            AccessionNumber=study[-10:],
            InstanceNumber=index + 1,
        )
        for index in range(number)
    ]
    return Films(study, paths)


def _deadly_picture() -> NDArray[np.uint16]:
    """Brighter than any film (see ``reader.py``), and not blank: the model has to see it."""
    picture = np.full((96, 80), 4000, np.uint16)
    picture[:, :8] = 400
    return picture


def _thread(work: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread
