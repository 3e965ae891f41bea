"""The sentences that text, picture and DICOM objects share, so that all say the same."""

from __future__ import annotations

from dicom_node.report import (
    BoxShows,
    ChangeKind,
    Film,
    Finding,
    Made,
    Presence,
    Prior,
    Report,
    Score,
    Unread,
    Weights,
)
from dicom_node.study import View
from dicom_node.vocabulary import Laterality, Vocabulary

NOT_VERIFIED = "AI made this; nobody verified it. Not for diagnosis."
UNCHECKED = "Words of the model, unchecked"

_ORIGIN = {
    Weights.MODEL: "",
    Weights.DEMONSTRATION: (
        "DEMONSTRATION: a small checkpoint made for trying out; its findings mean nothing."
    ),
}
_VIEW = {
    View.PA: "PA",
    View.AP: "AP",
    View.FRONTAL: "frontal (PA or AP not stated)",
    View.LATERAL: "lateral",
    View.UNKNOWN: "view not stated",
}
_IN_BED = {
    "portable": (
        "Portable film: an effusion or a pneumothorax may not show if the patient was not upright."
    ),
    "supine": "Supine film: an effusion or a pneumothorax may not show.",
}
#: Findings of the shipped vocabulary that speak of size; a site may ask them on other views.
_OF_SIZE = {"cardiomegaly", "enlarged mediastinum"}
_CHANGE = {
    ChangeKind.IMPROVED: "improved since the prior",
    ChangeKind.STABLE: "stable since the prior",
    ChangeKind.WORSENED: "worsened since the prior",
    ChangeKind.NEW: "new since the prior",
    ChangeKind.RESOLVED: "resolved since the prior",
    ChangeKind.NOT_COMPARABLE: "not comparable with the prior",
}


def origin(report: Report) -> str:
    """What must be said of weights that are not a site's model; empty for those."""
    return _ORIGIN[report.made.weights]


def maker(made: Made) -> str:
    """Which model read, with which weights."""
    return f"{made.model} ({made.weights} weights, {made.weights_digest}) by {made.engine}"


def title(name: str) -> str:
    """The name of a finding at the start of a line."""
    return name[:1].upper() + name[1:]


def score(value: Score) -> str:
    """``87.3 %`` and what kind of number it is."""
    kind = "probability" if value.calibrated else "score of presence, not calibrated"
    return f"{percent(value)} % ({kind})"


def percent(value: Score) -> str:
    """A score in percent with one decimal, as all outputs give it."""
    return f"{100 * value.value:.1f}"


def place(finding: Finding, vocabulary: Vocabulary) -> str:
    """Where a finding is, in words; empty if that was not read."""
    if finding.site is not None:
        site = vocabulary.sites[finding.site]
        side = finding.laterality if site.laterality is None else None
        return " ".join(filter(None, (side, site.phrase)))
    if finding.laterality is Laterality.BILATERAL:
        return "both sides"
    return f"{finding.laterality} side" if finding.laterality else ""


def change(kind: ChangeKind) -> str:
    """A change against the prior, in words."""
    return _CHANGE[kind]


def statement(finding: Finding, vocabulary: Vocabulary) -> str:
    """One line on one finding: presence, place, change, score, and what its box shows."""
    parts = [str(finding.presence)]
    if finding.presence is Presence.PRESENT and (where := place(finding, vocabulary)):
        parts.append(where)
    if finding.change is not None:
        parts.append(change(finding.change))
    if finding.score is not None:
        parts.append(score(finding.score))
    if finding.box is not None:
        shown = "the finding" if finding.box_shows is BoxShows.FINDING else "its anatomical site"
        parts.append(f"box around {shown}")
    return f"{title(finding.name)}: {', '.join(parts)}"


def label(finding: Finding, vocabulary: Vocabulary) -> str:
    """What stands beside a box: finding, place, change and score, as short as can be."""
    parts = [title(finding.name), place(finding, vocabulary)]
    if finding.change is not None:
        parts.append(str(finding.change))
    if finding.score is not None:
        parts.append(f"{percent(finding.score)} %")
    return ", ".join(filter(None, parts))


def score_of(finding: Finding, longest: int) -> str:
    """What the score of a finding is the score of, in at most ``longest`` characters: the finding
    and its change first, because a viewer cuts what stands beside a box at the edge.
    """
    calibrated = finding.score is not None and finding.score.calibrated
    changed = f" ({finding.change})" if finding.change is not None else ""
    rest = f"{changed}, {'probability' if calibrated else 'certainty'}"
    return f"{title(finding.name)[: longest - len(rest)]}{rest}"


def tag(number: int, finding: Finding, vocabulary: Vocabulary) -> list[str]:
    """A label as lines: the number and the finding, then where it is, its change and score."""
    name, *rest = label(finding, vocabulary).split(", ")
    return [f"{number} {name}", *([", ".join(rest)] if rest else [])]


def unread(gap: Unread) -> str:
    """One line on a question that got no usable answer."""
    return f"{title(gap.finding)}: {gap.question} not read ({gap.reason})"


def film(shown: Film) -> str:
    """View, bed and time of acquisition of a film; nothing of the patient."""
    when = f"{shown.acquired:%Y-%m-%d %H:%M}" if shown.acquired else "date not stated"
    return ", ".join(filter(None, (_VIEW[shown.view], shown.bedside, when)))


def interval(prior: Prior) -> str:
    """How long before the current film the prior was taken."""
    if prior.days is None:
        return "interval not known"
    return f"{prior.days} day{'' if prior.days == 1 else 's'} earlier"


def comparison(report: Report) -> str:
    """What became of the prior, as a sentence; empty where the current film was not read."""
    prior = report.prior
    if report.not_read is not None:
        return ""
    if prior.film is not None:
        return f"Compared with a film of {interval(prior)}: {film(prior.film)}."
    because = f" ({prior.reason})" if prior.reason else ""
    return f"Read without a prior: {prior.outcome}{because}."


def chosen(report: Report) -> str:
    """Which film was to be read, and why that one."""
    film = "Film read" if report.not_read is None else "Film chosen"
    return f"{film}: {report.film.sop_instance_uid}, {report.why_this_film}."


def limits(report: Report) -> list[str]:
    """What the reader has to keep in mind: assumptions, films left out, meaning of the numbers."""
    left_out = [f"Not read: {one.sop_instance_uid} ({one.reason})." for one in report.left_out]
    if report.not_read is not None:
        return [*report.notes, *left_out]
    lines = [*report.notes, *_of_the_film(report), *left_out]
    if report.film.orientation is None:
        lines.append("The film does not state Patient Orientation: taken as standing as stored.")
    if any(f.score is not None and not f.score.calibrated for f in report.findings):
        lines.append("Scores rank how sure the model was of presence; they are not probabilities.")
    if any(finding.box is not None for finding in report.findings):
        lines.append("Boxes are coarse; they are not outlines and nothing may be measured in them.")
    asked = ", ".join(finding.name for finding in report.findings)
    lines.append(f"Only these were asked and answered: {asked or 'nothing'}.")
    return lines


def _of_the_film(report: Report) -> list[str]:
    """What the way in which the film was taken keeps from being said."""
    film, lines = report.film, []
    named = {one.name for one in report.findings} | {gap.finding for gap in report.unread}
    if (film.bedside or film.view is not View.PA) and not named & _OF_SIZE:
        lines.append(f"{_title(film)}: heart size and width of the mediastinum are not assessed.")
    if film.bedside:
        lines.append(_IN_BED[film.bedside])
    return lines


def _title(shown: Film) -> str:
    """What kind of film it is; where a film from the bed is called PA, that it is from the bed."""
    if shown.bedside and shown.view is View.PA:
        return f"{title(shown.bedside)} film"
    return f"{title(_VIEW[shown.view])} film"


def selected(report: Report) -> str:
    """What a selection of what to look at says to people."""
    return " ".join(filter(None, ("AI, not verified:", summary(report), origin(report))))


def withdrawn(why: str) -> str:
    """What a rejection note says to people."""
    return f"AI results withdrawn: {why}"


def summary(report: Report) -> str:
    """The result in one sentence, or why there is none."""
    if report.not_read is not None:
        because, reason = title(report.not_read.because), report.not_read.reason.rstrip(".")
        return f"{because}: {reason}. This says nothing about findings."
    if not report.findings:
        return "Nothing could be read: no question got a usable answer."
    if not report.present:
        return "No finding above threshold."
    return "Above threshold: " + ", ".join(finding.name for finding in report.present) + "."
