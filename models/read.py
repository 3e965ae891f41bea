"""Reading a film beside its prior: which questions, in which order, and what the answers make.

0. Is it a frontal chest radiograph at all? If not, nothing else is asked.
1. Is each finding there? On the current film and, where changes are asked for, on the prior.
2. Of what is there: at which site, where, and how it changed. With that the description.
3. The checks; what fails them is not a finding but a statement of what could not be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from dicom_node.errors import BadAnswer, Misconfigured
from dicom_node.report import About, Answered, Finding, Made, Presence, Unread
from dicom_node.study import Frame, Instance
from dicom_node.vocabulary import FindingTerm, Vocabulary
from models.asking import WHOLE_FILM, Ask, Asking, Outcome, Progress
from models.assemble import Gathered, assemble
from models.engines.base import Engine, Identity
from models.prepare import PREPARE, Prepared
from models.presence import Seen, judge
from models.questions import QUESTIONS
from models.questions.asked import Asked
from models.suitability import Suitability, check_suitable

#: Questions about what is there: each needs to know whether it is.
NEEDS = MappingProxyType(dict.fromkeys(("location", "site", "change"), "presence"))


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a film, in the order of the vocabulary.

    ``refusal`` says why nothing was: the model does not take it for a frontal chest radiograph.
    """

    findings: tuple[Finding, ...]
    unread: tuple[Unread, ...]
    free_text: str
    answers: tuple[Answered, ...]
    made: Made
    notes: tuple[str, ...] = ()
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class _Films:
    """What is looked at. ``prior`` is None where there is none or changes are not asked for.

    Of each film the views that a finding must be valid for to be asked about on it.
    """

    current: Prepared = field(repr=False)
    current_views: frozenset[str]
    prior: Prepared | None = field(repr=False)
    prior_views: frozenset[str] = frozenset()


#: How each finding was judged on one film, by name; the error where it could not be.
_Judged = dict[str, Seen | BadAnswer]
#: The outcomes by (question, finding).
_Outcomes = dict[tuple[str, str], Outcome]


def read_films(
    *,
    current: Frame,
    prior: Frame | None,
    vocabulary: Vocabulary,
    prepare: str,
    questions: Sequence[str],
    engine: Engine,
    software_version: str,
    progress: Progress | None = None,
) -> Reading:
    """Read the current film, beside the prior where there is one.

    ``prepare`` and ``questions`` are names of PREPARE and QUESTIONS. ``progress`` is told how many
    requests are answered and how many are known to be needed; the second number grows. The first
    request is always on the current film.

    Raises:
        BadStudy: a film's Patient Orientation is not that of a frontal film.
        Misconfigured: a question is named without `presence`, which it needs.
    """
    _check_names(questions)
    films = _films(current, prior if "change" in questions else None, prepare)
    asking = Asking(engine, progress)
    made = made_by(engine.identity, questions, vocabulary, software_version)
    suitable = Suitability()
    if "suitability" in questions:
        suitable = check_suitable(asking, films.current.picture)
    if suitable.refusal:
        return Reading((), (), "", asking.answered, made, suitable.notes, suitable.refusal)
    terms = vocabulary.findings.values() if "presence" in questions else ()
    now, then = _judge_presence(asking, films, list(terms))
    outcomes = _ask_details(asking, films, vocabulary, questions, now=now, then=then)
    findings: list[Finding] = []
    unread: list[Unread] = []
    for name, judged in now.items():
        if isinstance(judged, BadAnswer):
            unread.append(Unread("presence", name, str(judged)))
            continue
        gathered = Gathered(
            term=vocabulary.findings[name],
            now=judged,
            earlier=then.get(name),
            compared=films.prior is not None,
            outcomes={asked: one for (asked, of), one in outcomes.items() if of == name},
        )
        finding, gaps = assemble(gathered, vocabulary.sites_of(name), films.current.fit)
        findings.append(finding)
        unread.extend(gaps)
    free_text, gap = _description(outcomes)
    return Reading(
        findings=tuple(findings),
        unread=(*unread, *gap),
        free_text=free_text,
        answers=asking.answered,
        made=made,
        notes=suitable.notes,
    )


def _films(current: Frame, prior: Frame | None, prepare: str) -> _Films:
    treat = PREPARE[prepare]
    return _Films(
        current=treat(current),
        current_views=_views(current.instance),
        prior=None if prior is None else treat(prior),
        prior_views=frozenset() if prior is None else _views(prior.instance),
    )


def _views(film: Instance) -> frozenset[str]:
    """A film from the bed is mostly AP, even where it is called PA."""
    return frozenset({str(film.view), "AP"} if film.bedside else {str(film.view)})


def _judge_presence(
    asking: Asking, films: _Films, terms: list[FindingTerm]
) -> tuple[_Judged, _Judged]:
    """Which findings are there, on the current film and on the prior: one batch for both."""
    now = [term for term in terms if films.current_views <= set(term.views)]
    then = [term for term in now if films.prior and films.prior_views <= set(term.views)]
    asks = [_presence(term, About.CURRENT, films.current) for term in now]
    if films.prior is not None:
        asks += [_presence(term, About.PRIOR, films.prior) for term in then]
    judged = [
        (term.name, _judged(outcome, term.threshold))
        for term, outcome in zip([*now, *then], asking.ask(asks), strict=True)
    ]
    return dict(judged[: len(now)]), dict(judged[len(now) :])


def _presence(term: FindingTerm, about: About, film: Prepared) -> Ask:
    asked = Asked(term.phrase)
    return Ask("presence", term.name, about, asked, (film.picture,), scored=True)


def _judged(outcome: Outcome, threshold: float) -> Seen | BadAnswer:
    try:
        return judge(outcome, threshold)
    except BadAnswer as error:
        return error


def _ask_details(
    asking: Asking,
    films: _Films,
    vocabulary: Vocabulary,
    questions: Sequence[str],
    *,
    now: _Judged,
    then: _Judged,
) -> _Outcomes:
    """Site, place and change of what is there, and the description: one batch for all."""
    asks: dict[tuple[str, str], Ask] = {}
    alone = (films.current.picture,)
    for name in filter(lambda one: _is_present(now[one]), now):
        term = vocabulary.findings[name]
        asked = Asked(term.phrase, tuple(site.phrase for site in vocabulary.sites_of(name)))
        if "site" in questions and len(asked.sites) > 1:
            asks["site", name] = Ask("site", name, About.CURRENT, asked, alone)
        if "location" in questions and term.boxed:
            asks["location", name] = Ask("location", name, About.CURRENT, asked, alone)
        if films.prior is not None and _is_present(then.get(name)):
            pair = (films.prior.picture, films.current.picture)
            asks["change", name] = Ask("change", name, About.BOTH, asked, pair)
    if "description" in questions:
        asks["description", WHOLE_FILM] = Ask(
            "description", WHOLE_FILM, About.CURRENT, Asked(""), alone
        )
    return dict(zip(asks, asking.ask(list(asks.values())), strict=True))


def _is_present(judged: Seen | BadAnswer | None) -> bool:
    return isinstance(judged, Seen) and judged.presence is Presence.PRESENT


def _description(outcomes: _Outcomes) -> tuple[str, tuple[Unread, ...]]:
    outcome = outcomes.get(("description", WHOLE_FILM))
    if outcome is None:
        return "", ()
    if outcome.value is None:
        return "", (Unread("description", WHOLE_FILM, outcome.reason),)
    return str(outcome.value), ()


def _check_names(questions: Sequence[str]) -> None:
    for name, needed in NEEDS.items():
        if name in questions and needed not in questions:
            raise Misconfigured(f"questions: `{name}` needs `{needed}` in the same rule")


def made_by(
    identity: Identity, questions: Sequence[str], vocabulary: Vocabulary, software_version: str
) -> Made:
    """What is needed to make a reading with these questions again."""
    return Made(
        software_version=software_version,
        engine=identity.name,
        model=identity.model,
        weights=identity.weights,
        weights_digest=identity.digest,
        questions=tuple((name, QUESTIONS[name].VERSION) for name in questions),
        vocabulary_digest=vocabulary.digest,
    )
