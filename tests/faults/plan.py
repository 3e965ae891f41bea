"""What a round does: drawn from a seed, so that it can be drawn again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

#: Enough that nearly every fault meets something at work, and few enough that a round ends soon.
_STUDIES = (5, 8)
#: Until the first of them are on their way.
_LEAD_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """One study: how many films, from when on, how slowly, by which edge first, and what is odd.

    ``odd`` is empty, ``late`` (a film more once it is on its way), ``twice`` (by both edges at
    once) or ``deadly`` (it kills whoever reads it).
    """

    films: int
    begins: float  # seconds after the round began
    pause: float  # seconds between its films
    edge: int
    odd: str = ""
    late_after: str = ""


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """One fault, when, and what it draws from."""

    name: str
    begins: float
    seed: int


@dataclass(frozen=True, slots=True)
class RoundPlan:
    """One round."""

    seed: int
    number: int
    studies: tuple[StudyPlan, ...]
    faults: tuple[FaultPlan, ...]
    slowness: float  # seconds of each batch of questions

    def __str__(self) -> str:
        odd = [study.odd for study in self.studies if study.odd]
        faults = ", ".join(f"{one.name} at {one.begins:.1f}" for one in self.faults)
        more = f" ({', '.join(odd)})" if odd else ""
        return f"round {self.number}: {len(self.studies)} studies{more}; {faults}"


def draw(
    seed: int, number: int, names: Sequence[str], weights: Sequence[int], count: int
) -> RoundPlan:
    """The plan of a round: ``count`` faults of these names, and the studies that they meet."""
    rng = random.Random(f"{seed}/{number}")
    chosen = rng.choices(names, weights, k=count)
    return plan(seed, number, chosen)


def plan(seed: int, number: int, names: Sequence[str], *, spread: float = 0.9) -> RoundPlan:
    """A round with these faults. Those that are studies are drawn as studies."""
    rng = random.Random(f"{seed}/{number}/round")
    seconds = spread * len(names)  # studies come for as long as something breaks
    studies = [_study(rng, seconds) for _ in range(rng.randint(*_STUDIES))]
    faults = []
    for place, name in enumerate(names):
        if name in ODD:
            studies.append(_study(rng, seconds, ODD[name]))
        begins = _LEAD_SECONDS + place * spread + rng.uniform(0, 1.5)
        faults.append(FaultPlan(name, begins, rng.randrange(2**32)))
    return RoundPlan(seed, number, tuple(studies), tuple(faults), rng.choice((0, 0.1, 0.4)))


#: Faults that are a way in which a study comes.
ODD = {
    "late instances": "late",
    "the same study twice at once": "twice",
    "a deadly study": "deadly",
}


def _study(rng: random.Random, seconds: float, odd: str = "") -> StudyPlan:
    return StudyPlan(
        films=rng.randint(1, 3),
        begins=rng.uniform(0, seconds),
        pause=rng.choice((0, 0, 0.2, 0.8)),
        edge=rng.randint(0, 1),
        odd=odd,
        late_after=rng.choice(("received", "on its way", "final")) if odd == "late" else "",
    )
