"""The report: everything known of one study after reading, and the only thing that is delivered.

It holds no identity of the patient: objects take that from the film itself. It is kept as JSON
with a schema version, so that a later version of this project can still read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from pydantic import TypeAdapter, ValidationError

from dicom_node.errors import BadStudy
from dicom_node.geometry import Box
from dicom_node.study import Bedside, Instance, View
from dicom_node.vocabulary import Laterality

#: Raised whenever a field is added or changes its meaning; see :func:`from_json`.
#: 2: ``answers``, the questions one by one. 3: ``not_read``, ``retractions``, and a finding's
#: ``tracking_uid``.
SCHEMA_VERSION = 3


class Weights(StrEnum):
    """What kind of weights answered; every output says it."""

    MODEL = "model"  # a trained model that the site chose
    DEMONSTRATION = "demonstration"  # the small checkpoint that ships with the node


class Presence(StrEnum):
    """Whether a finding is there (CID 240)."""

    PRESENT = "present"
    ABSENT = "absent"


class ChangeKind(StrEnum):
    """How a finding differs from the prior."""

    IMPROVED = "improved"
    STABLE = "stable"
    WORSENED = "worsened"
    NEW = "new"
    RESOLVED = "resolved"
    NOT_COMPARABLE = "not comparable"


class BoxShows(StrEnum):
    """What a box is drawn around."""

    FINDING = "finding"
    SITE = "anatomical site"


class About(StrEnum):
    """Which films a question was about."""

    CURRENT = "current film"
    PRIOR = "prior"
    BOTH = "prior and current film"


class NotReadBecause(StrEnum):
    """Why a film that a rule chose was not read."""

    NOT_SUITABLE = "not suitable"  # the model does not take it for what it is to be
    UNREADABLE = "could not be read"


class PriorOutcome(StrEnum):
    """What became of the search for an earlier study."""

    USED = "used"
    NONE_FOUND = "none found"
    NOT_IN_TIME = "not retrieved in time"
    NOT_COMPARABLE = "not comparable"
    REFUSED = "refused"
    NOT_ASKED = "not asked for"


@dataclass(frozen=True, slots=True)
class Score:
    """How sure the model is, 0 to 1; a probability only if ``calibrated``."""

    value: float
    calibrated: bool = False


@dataclass(frozen=True, slots=True)
class Film:
    """A reference to the one image that was read (``frame_number`` counts from 1)."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    rows: int
    columns: int
    view: View
    acquired: datetime | None = None
    frame_number: int = 1
    orientation: tuple[str, str] | None = None  # Patient Orientation, None: taken as standing
    bedside: Bedside = ""

    @classmethod
    def of(cls, instance: Instance, frame_number: int = 1) -> Film:
        """The reference to a frame of an image."""
        return cls(
            study_instance_uid=instance.study_instance_uid,
            series_instance_uid=instance.series_instance_uid,
            sop_class_uid=instance.sop_class_uid,
            sop_instance_uid=instance.sop_instance_uid,
            rows=instance.rows,
            columns=instance.columns,
            view=instance.view,
            acquired=instance.acquired,
            frame_number=frame_number,
            orientation=instance.orientation,
            bedside=instance.bedside,
        )


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An image of the study that was not read, and why."""

    sop_instance_uid: str
    reason: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """An earlier study that was considered as prior, and the verdict on it."""

    study_instance_uid: str
    verdict: str
    day: date | None = None  # Study Date, or the day on which its film was acquired


@dataclass(frozen=True, slots=True)
class Prior:
    """What became of the search for a prior; ``film`` and ``days`` only when one was used."""

    outcome: PriorOutcome
    reason: str = ""
    film: Film | None = None
    days: int | None = None
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: its name in the vocabulary, and what was read of it.

    ``box`` is in pixels of the stored frame of the current film. ``change`` is against the prior
    named by the report, None when the study was read without one. ``tracking_uid`` is that of the
    same finding in the report on the prior, None when it is new or not known again.
    """

    name: str
    presence: Presence
    score: Score | None = None
    site: str | None = None
    laterality: Laterality | None = None
    box: Box | None = None
    box_shows: BoxShows | None = None
    change: ChangeKind | None = None
    tracking_uid: str | None = None


@dataclass(frozen=True, slots=True)
class NotRead:
    """That the film was not read at all, and why: ``reason`` is a sentence for people."""

    because: NotReadBecause
    reason: str


@dataclass(frozen=True, slots=True)
class Unread:
    """A question that got no usable answer: which question, on which finding, and why."""

    question: str
    finding: str
    reason: str


@dataclass(frozen=True, slots=True)
class Answered:
    """One question that was put to the model, and what was understood of its answer.

    ``answer`` is what the parser made of it, never the model's own words; empty where it could
    not be used: then ``reason`` says why. ``enforced``: the form of the answer was enforced.
    ``score`` is that of presence, 0 to 1, as the model has it. ``seconds`` counts all tries.
    """

    question: str
    finding: str
    about: About
    answer: str
    reason: str = ""
    enforced: bool = False
    score: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Made:
    """What is needed to make the result again."""

    software_version: str
    engine: str
    model: str
    weights: Weights
    weights_digest: str
    questions: tuple[tuple[str, str], ...] = ()  # (name of the question, its version)
    vocabulary_digest: str = ""  # of the findings and sites that could be spoken of


@dataclass(frozen=True, slots=True)
class Report:
    """The result of reading one study. ``read_at`` has a time zone.

    ``retractions`` counts how often results of this study and revision were withdrawn before.
    """

    job: str
    revision: int
    rule: str
    film: Film
    why_this_film: str
    left_out: tuple[LeftOut, ...]
    prior: Prior
    findings: tuple[Finding, ...]
    unread: tuple[Unread, ...]
    notes: tuple[str, ...]
    made: Made
    read_at: datetime
    free_text: str = ""  # the model's own words, unchecked; empty unless a rule asks for them
    answers: tuple[Answered, ...] = ()  # in the order of asking; a report of schema 1 has none
    not_read: NotRead | None = None
    retractions: int = 0
    schema_version: int = SCHEMA_VERSION

    @property
    def present(self) -> tuple[Finding, ...]:
        """The findings that are there."""
        return tuple(f for f in self.findings if f.presence is Presence.PRESENT)


_ADAPTER = TypeAdapter(Report)
_PRIOR = TypeAdapter(Prior)


def to_json(report: Report) -> str:
    """The report as JSON text, indented: people look at it."""
    return _ADAPTER.dump_json(report, indent=2).decode()


def from_json(text: str) -> Report:
    """The report that :func:`to_json` wrote, also of an older schema version: what that did not
    have yet is empty.

    Raises:
        BadStudy: the text is not a report, or of a schema version this program does not know.
    """
    try:
        report = _ADAPTER.validate_json(text)
    except ValidationError as error:
        places = sorted({".".join(map(str, problem["loc"])) for problem in error.errors()})
        where = ", ".join(filter(None, places)) or "the whole text"
        raise BadStudy(f"not a report of this program: look at {where}") from None
    if report.schema_version > SCHEMA_VERSION:
        raise BadStudy(
            f"report has schema version {report.schema_version}, this program reads up to "
            f"{SCHEMA_VERSION}: update dicom-node"
        )
    return report


def prior_to_json(prior: Prior) -> str:
    """What became of the search for a prior, as the ledger keeps it until the study is read."""
    return _PRIOR.dump_json(prior).decode()


def prior_from_json(text: str) -> Prior:
    """What :func:`prior_to_json` wrote."""
    return _PRIOR.validate_json(text)
