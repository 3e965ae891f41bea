"""What is drawn from a seed: films of a phantom, as DICOM files, and what is true of them.

The generator draws, ``dicom_node`` makes DICOM objects of it; here they meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dicom_node import phantom_films
from dicom_node.phantom_films import DrawnFilm, Modality, Photometric
from dicom_node.report import ChangeKind
from models.demonstration.drawing import phantoms
from models.demonstration.truth import Phantom

#: How long before the current film of a pair the earlier one counts as taken.
PRIOR_DAYS = 183
#: Longer side of a film where nothing else is asked for, pixels.
SIDE = 1024


class Kind(StrEnum):
    """What is drawn from a seed; the names of the files begin with it."""

    CHEST = "phantom"
    PAIR = "pair"
    OTHER = "other"


class When(StrEnum):
    """Which film of a pair; the name of its files ends with it."""

    PRIOR = "prior"
    CURRENT = "current"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be drawn; ``side`` is the longer side of a film, pixels."""

    kind: Kind = Kind.CHEST
    side: int = SIDE
    modality: Modality = Modality.CR
    photometric: Photometric = Photometric.MONOCHROME2


@dataclass(frozen=True, slots=True)
class Film:
    """A drawn film: its files are called ``name`` and an ending. ``when`` is None in no pair.

    ``dicom`` is the content of its DICOM file, ``phantom`` the truth about it.
    """

    name: str
    phantom: Phantom
    film: DrawnFilm
    dicom: bytes = field(repr=False)
    when: When | None = None


@dataclass(frozen=True, slots=True)
class Drawn:
    """All that was drawn from a seed: one film, or a pair with the prior first.

    ``changes`` has what became of the findings of a pair, by name.
    """

    seed: int
    kind: Kind
    films: tuple[Film, ...]
    changes: Mapping[str, ChangeKind] = field(default_factory=dict)


def draw(seed: int, wanted: Wanted) -> Drawn:
    """Draw what is wanted from a seed, 0 or greater. The same seed and wishes, the same films."""
    if wanted.kind is Kind.PAIR:
        pair = phantoms.pair(seed, side=wanted.side)
        prior = _film(seed, wanted, pair.prior, When.PRIOR)
        current = _film(seed, wanted, pair.current, When.CURRENT)
        return Drawn(seed, wanted.kind, (prior, current), pair.changes)
    generator = phantoms.other if wanted.kind is Kind.OTHER else phantoms.chest
    return Drawn(seed, wanted.kind, (_film(seed, wanted, generator(seed, side=wanted.side)),))


def _film(seed: int, wanted: Wanted, phantom: Phantom, when: When | None = None) -> Film:
    # A seed gives three different phantoms, which must not share one Patient ID.
    kind = "" if wanted.kind is Kind.CHEST else str(wanted.kind)
    source = " ".join(filter(None, (kind, "seed", str(seed), when)))
    film = DrawnFilm(
        grey=phantom.grey,
        spacing=phantom.spacing,
        person=phantom_films.person(seed, kind),
        taken=phantom_films.taken(seed, PRIOR_DAYS if when is When.PRIOR else 0),
        about="CHEST PA" if phantom.chest else "NO CHEST FILM",
        comments=f"Drawn by a program from {source}. Not a person, not for diagnosis.",
        modality=wanted.modality,
        photometric=wanted.photometric,
    )
    name = "-".join(filter(None, (wanted.kind, str(seed), when)))
    return Film(name, phantom, film, phantom_films.encode(film), when)
