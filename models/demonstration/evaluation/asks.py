"""What the evaluation asks of a phantom, what is true of it, and how right an answer is. No torch.

The questions are the node's own, put as the node puts them: presence and suitability scored, all
with their second try.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dicom_node.findings_file import shipped
from dicom_node.geometry import Box
from dicom_node.report import About, Presence
from models.asking import WHOLE_FILM, Ask, Asking, Outcome
from models.demonstration.drawing.phantoms import chest, other, pair
from models.demonstration.evaluation.figures import iou
from models.demonstration.evaluation.film import prepared
from models.demonstration.ranges import SHIFTED, TRAINED, Ranges
from models.demonstration.truth import FINDINGS, Pair, Phantom
from models.engines.base import Engine
from models.prepare import Prepared
from models.questions import QUESTIONS
from models.questions.asked import Asked
from models.questions.change import KINDS
from models.questions.location import Box2d

#: The longer side of the films, in pixels.
SIDE = 512
TRAINED_NAME = "trained"
RANGES: dict[str, Ranges] = {TRAINED_NAME: TRAINED, **SHIFTED}
YES, NO = Presence.PRESENT.value, Presence.ABSENT.value

#: What is true: a box, or the answer in a word.
Truth = Box2d | str


@dataclass(frozen=True, slots=True)
class AskedCase:
    """One phantom: a film, a pair, or a film of something else. ``ranges`` is a key of RANGES."""

    kind: Literal["film", "pair", "other"]
    seed: int
    ranges: str = TRAINED_NAME

    @property
    def drawn_as(self) -> tuple[str, int]:
        """Its kind and seed, which decide its findings, whatever the ranges."""
        return self.kind, self.seed


@dataclass(frozen=True, slots=True)
class Put:
    """A question to be put, and the true answer."""

    ask: Ask
    truth: Truth


@dataclass(frozen=True, slots=True)
class Told:
    """How a question was answered.

    ``about`` is the name of a finding or of a part of the anatomy. ``right`` is 1 or 0, for a box
    the intersection over union; 0 for an answer that cannot be used. ``score`` is the probability
    of yes, where it was asked for. ``first_try``: the model's own words could be used.
    """

    case: AskedCase
    question: str
    about: str
    truth: Truth
    right: float
    score: float | None
    first_try: bool


def put(case: AskedCase) -> list[Put]:
    """All that is asked of a phantom."""
    match case.kind:
        case "film":
            return _of_film(chest(case.seed, RANGES[case.ranges], SIDE))
        case "other":
            film = prepared(other(case.seed, SIDE).grey)
            return [_suitability(film, NO)]
        case "pair":
            return _of_pair(pair(case.seed, RANGES[case.ranges], SIDE))


def answered(case: AskedCase, engine: Engine) -> list[Told]:
    """Ask all that is asked of a phantom: one batch, and one of second tries."""
    questions = put(case)
    outcomes = Asking(engine, None).ask([one.ask for one in questions])
    return [_told(case, *both) for both in zip(questions, outcomes, strict=True)]


def rightness(answer: Truth, truth: Truth) -> float:
    """1 or 0 for words, intersection over union for boxes."""
    if isinstance(answer, str) or isinstance(truth, str):
        return float(answer == truth)
    return iou(answer, truth)


def _of_film(phantom: Phantom) -> list[Put]:
    film = prepared(phantom.grey)
    signs = {sign.name: sign for sign in phantom.signs}
    questions = [_suitability(film, YES)]
    for name in FINDINGS:
        asked = Asked(_phrase(name))
        questions.append(_put("presence", name, asked, film, YES if name in signs else NO))
    for name, box in phantom.anatomy.items():
        questions.append(_location(name, shipped().sites[name].phrase, film, box))
    for name, sign in signs.items():
        phrase, sites = _phrase(name), shipped().sites_of(name)
        questions.append(_location(name, phrase, film, sign.box))
        if len(sites) > 1:
            asked = Asked(phrase, tuple(one.phrase for one in sites))
            questions.append(_put("site", name, asked, film, shipped().sites[sign.site].phrase))
    return questions


def _of_pair(both: Pair) -> list[Put]:
    """Of findings that both films show: what is new or resolved, the node tells by presence."""
    pictures = tuple(prepared(film.grey).picture for film in (both.prior, both.current))
    return [
        Put(Ask("change", name, About.BOTH, Asked(_phrase(name)), pictures), str(kind))
        for name, kind in both.changes.items()
        if kind in KINDS
    ]


def _phrase(finding: str) -> str:
    return shipped().findings[finding].phrase


def _suitability(film: Prepared, truth: str) -> Put:
    return _put("suitability", WHOLE_FILM, Asked(""), film, truth)


def _location(name: str, phrase: str, film: Prepared, box: Box) -> Put:
    return _put("location", name, Asked(phrase), film, film.fit.to_model(box))


def _put(question: str, about: str, asked: Asked, film: Prepared, truth: Truth) -> Put:
    scored = question in ("presence", "suitability")
    return Put(Ask(question, about, About.CURRENT, asked, (film.picture,), scored=scored), truth)


def _told(case: AskedCase, one: Put, outcome: Outcome) -> Told:
    answer = _answer(one.ask, outcome.value)
    scores = outcome.scores if one.ask.scored else None
    return Told(
        case=case,
        question=one.ask.name,
        about=one.ask.finding,
        truth=one.truth,
        right=0.0 if answer is None else rightness(answer, one.truth),
        score=scores[0] if scores else None,
        first_try=outcome.value is not None and not outcome.enforced,
    )


def _answer(ask: Ask, value: object) -> Truth | None:
    """What the parser gave, as the truth is kept."""
    if value is None:
        return None
    match ask.name:
        case "location":
            assert isinstance(value, tuple)
            y0, x0, y1, x1 = value
            return y0, x0, y1, x1
        case "presence" | "suitability":
            return str(value)
    return QUESTIONS[ask.name].told(value, ask.asked)
