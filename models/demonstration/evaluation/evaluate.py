"""The evaluation: phantoms never trained on, asked as films are, by the engine that reads films.

Each phantom is asked alone, so the answers do not depend on which process asks it.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

from models.demonstration.evaluation import hardness
from models.demonstration.evaluation.asks import TRAINED_NAME, AskedCase, Told, answered, put
from models.demonstration.evaluation.baselines import Guesses, Known, learn
from models.demonstration.evaluation.summary import Figure, Shift, compare, summarise
from models.demonstration.ranges import FIRST_TRAINING_SEED, SHIFTED
from models.engines import demonstration
from models.engines.base import Engine, EngineOptions, Identity

#: Two cores, and one thread on each: the sums of a product are then added in the same order.
_PROCESSES, _THREADS = 2, 1
#: Seeds of the evaluation, by what they are for; none may reach FIRST_TRAINING_SEED.
_FILMS, _PAIRS, _OTHERS, _HARDNESS = 0, 10_000, 20_000, 30_000
_PART = 25  # films that one task draws

#: How many steps are done, and of how many.
Progress = Callable[[int, int], None]
_In = TypeVar("_In")
_Out = TypeVar("_Out")


@dataclass(frozen=True, slots=True)
class Size:
    """How many phantoms are asked about.

    ``shifted_films`` and ``shifted_pairs`` are for each of SHIFTED, ``learnt`` are films and as
    many pairs that the baselines come from, ``hardness`` are films to fit simple methods to and as
    many to try them on; none of these is shown to the model.
    """

    films: int
    pairs: int
    others: int
    shifted_films: int
    shifted_pairs: int
    learnt: int
    hardness: int


FULL = Size(240, 160, 40, 40, 40, 300, 400)
QUICK = Size(1, 1, 1, 1, 0, 4, 25)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """``shifted`` has the figures of each of SHIFTED, in the order of ``trained``, all of the same
    seeds.
    """

    digest: str
    size: Size
    trained: tuple[Figure, ...]
    shifted: dict[str, tuple[Shift, ...]]
    hardness: tuple[hardness.Row, ...]


def evaluate(checkpoint: Path | None, size: Size, progress: Progress) -> Evaluation:
    """Ask the checkpoint in this folder, or the one that ships, about fixed phantoms.

    Raises:
        Misconfigured: the folder holds no checkpoint of the demonstration.
    """
    steps = _Steps(progress, _count(size))
    spawn = multiprocessing.get_context("spawn")  # a thread of torch does not survive a fork
    with ProcessPoolExecutor(_PROCESSES, mp_context=spawn) as pool:
        digest = pool.submit(_identity, checkpoint).result().digest
        rows = hardness.measure(*_drawn(pool, size, steps))
        guesses = _guesses(pool, size, steps)
        told = _flat(_each(pool, partial(_answered, checkpoint), _cases(size), steps))
    within, *beyond = (
        [one for one in told if one.case.ranges == name] for name in (TRAINED_NAME, *SHIFTED)
    )
    shifted = {name: compare(one, within) for name, one in zip(SHIFTED, beyond, strict=True)}
    return Evaluation(digest, size, summarise(within, guesses), shifted, tuple(rows))


class _Steps:
    """Tells how far the evaluation is."""

    def __init__(self, progress: Progress, of: int) -> None:
        self._progress, self._of, self._done = progress, of, 0
        progress(0, of)

    def step(self) -> None:
        self._done += 1
        self._progress(self._done, self._of)


def _count(size: Size) -> int:
    """Steps of the whole evaluation."""
    return len(_cases(size)) + len(_learnt(size)) + 2 * len(_parts(0, size.hardness))


def _cases(size: Size) -> list[AskedCase]:
    cases = [AskedCase("film", _FILMS + i) for i in range(size.films)]
    cases += [AskedCase("pair", _PAIRS + i) for i in range(size.pairs)]
    cases += [AskedCase("other", _OTHERS + i) for i in range(size.others)]
    for name in SHIFTED:
        cases += [AskedCase("film", _FILMS + i, name) for i in range(size.shifted_films)]
        cases += [AskedCase("pair", _PAIRS + i, name) for i in range(size.shifted_pairs)]
    assert all(case.seed < FIRST_TRAINING_SEED for case in cases)
    return cases


def _learnt(size: Size) -> list[AskedCase]:
    """Training phantoms, for the baselines."""
    seeds = range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + size.learnt)
    return [AskedCase("film", seed) for seed in seeds] + [AskedCase("pair", seed) for seed in seeds]


def _guesses(pool: ProcessPoolExecutor, size: Size, steps: _Steps) -> Guesses:
    return learn(_flat(_each(pool, _known, _learnt(size), steps)))


def _drawn(
    pool: ProcessPoolExecutor, size: Size, steps: _Steps
) -> tuple[hardness.Films, hardness.Films]:
    """Films to fit simple methods to, and films to try them on."""
    fitted, tried = (
        hardness.joined(_each(pool, hardness.draw, _parts(first, size.hardness), steps))
        for first in (FIRST_TRAINING_SEED, _HARDNESS)
    )
    return fitted, tried


def _parts(first: int, count: int) -> list[range]:
    last = first + count
    return [range(begin, min(begin + _PART, last)) for begin in range(first, last, _PART)]


def _each(
    pool: ProcessPoolExecutor, work: Callable[[_In], _Out], given: Sequence[_In], steps: _Steps
) -> list[_Out]:
    """What becomes of each, in their order."""
    done = []
    for result in pool.map(work, given):
        done.append(result)
        steps.step()
    return done


def _flat(parts: Sequence[Sequence[_Out]]) -> list[_Out]:
    return [one for part in parts for one in part]


def _answered(checkpoint: Path | None, case: AskedCase) -> list[Told]:
    return answered(case, _engine(checkpoint))


def _known(case: AskedCase) -> list[Known]:
    return [(one.ask.name, one.ask.finding, one.truth) for one in put(case)]


def _identity(checkpoint: Path | None) -> Identity:
    return _engine(checkpoint).identity


@cache
def _engine(checkpoint: Path | None) -> Engine:
    """Opened once in each process; it never sees what kind of device the machine has besides."""
    options = EngineOptions(model=None, revision=None, device="cpu", threads=_THREADS)
    if checkpoint is None:
        return demonstration.open_engine(options)
    return demonstration.open_checkpoint(checkpoint, options)
