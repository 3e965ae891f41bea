"""Which image of a study is read, and why not the others."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from dicom_node.errors import NotForUs
from dicom_node.geometry import is_frontal
from dicom_node.report import LeftOut
from dicom_node.study import Instance, Study, View

_TERM = re.compile(r"[A-Z0-9]{2,16}")
_UNKNOWN_TIME = datetime(1, 1, 1)  # noqa: DTZ001 - films state local times
#: Films of one view taken within so long are repeats; later ones are of another moment of the
#: patient's day.
_REPEATED_WITHIN = timedelta(minutes=60)

_Rank = tuple[int, bool, bool, datetime, int, tuple[int, int], str]


@dataclass(frozen=True, slots=True)
class Choice:
    """The film to read, why it was chosen, and what was assumed of it."""

    film: Instance
    why: str
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a rule reads; ``originals`` are the images that a copy may have been made from."""

    modalities: Collection[str]
    body_parts: Collection[str]
    views: Sequence[str]
    unknown_view: str
    originals: frozenset[str]


def choose_film(
    study: Study,
    *,
    modalities: Collection[str],
    body_parts: Collection[str],
    views: Sequence[str],
    unknown_view: Literal["read as frontal", "refuse"],
) -> Choice:
    """The one image to read: of the view that stands first in ``views``; of several one that was
    not taken in bed, then one that is PRIMARY, then the latest; of several of one moment the
    largest, then the first by series and instance number.

    Raises:
        NotForUs: no image fits; the text says why.
    """
    wanted = _Wanted(modalities, body_parts, views, unknown_view, _originals(study))
    reasons: dict[str, str] = {}
    fitting: list[Instance] = []
    for one in study.instances:
        reason = _unfit(one, wanted)
        if reason:
            reasons[one.sop_instance_uid] = reason
        else:
            fitting.append(one)
    if not fitting:
        raise NotForUs(_none_fits(list(reasons.values())))
    fitting.sort(key=lambda one: _rank(one, views), reverse=True)
    film = fitting[0]
    for one in fitting[1:]:
        reasons[one.sop_instance_uid] = _second(one, film)
    left_out = tuple(
        LeftOut(one.sop_instance_uid, reasons[one.sop_instance_uid])
        for one in study.instances
        if one is not film
    )
    why = _why(film, fitting)
    if film.view is not View.UNKNOWN:
        return Choice(film, why, left_out, _taken_from(film))
    note = "The film does not state its view: read as frontal, as the rule says."
    return Choice(replace(film, view=View.FRONTAL), why, left_out, (note,))


def _originals(study: Study) -> frozenset[str]:
    """What is FOR PROCESSING does not count: every film FOR PRESENTATION is made from that."""
    return frozenset(
        one.sop_instance_uid
        for one in study.instances
        if one.presentation_intent != "FOR PROCESSING"
    )


def _unfit(one: Instance, wanted: _Wanted) -> str:
    """Why an image cannot be read; empty if it can."""
    unknown = one.view is View.UNKNOWN
    view_fits = one.view in wanted.views or (unknown and wanted.unknown_view != "refuse")
    copied = wanted.originals & set(one.sources) - {one.sop_instance_uid}
    checks = (
        (one.rows and one.columns, "has no pixels"),
        (one.modality in wanted.modalities, f"Modality is {_quoted(one.modality)}"),
        (one.body_part in wanted.body_parts,
         f"Body Part Examined is {_quoted(one.body_part)}"),
        (one.presentation_intent != "FOR PROCESSING", "is FOR PROCESSING"),
        (not one.processed, f"is a processed copy by {one.processed}"),
        (not copied, "is a copy of another image of the study by Source Image Sequence"),
        (not one.doubt, one.doubt),
        (view_fits, "view is not stated" if unknown else f"view is {one.view}"),
        (is_frontal(one.orientation), "Patient Orientation is not that of a frontal film"),
    )  # fmt: skip
    return next((reason for fits, reason in checks if not fits), "")


def _quoted(value: str) -> str:
    """A term as it stands; what is no single plain word may be a text about somebody."""
    if not value:
        return "not stated"
    return value if _TERM.fullmatch(value) else "no defined term"


def _rank(one: Instance, views: Sequence[str]) -> _Rank:
    """Greater is better; the UID makes the order certain."""
    preferred = -views.index(one.view) if one.view in views else -len(views)
    series, instance = one.number
    return (
        preferred,
        not one.bedside,
        not one.secondary,
        one.acquired or _UNKNOWN_TIME,
        one.rows * one.columns,
        (-series, -instance),
        one.sop_instance_uid,
    )


def _taken_from(film: Instance) -> tuple[str, ...]:
    return (f"The view was taken from {film.view_from}.",) if film.view_from else ()


def _why(film: Instance, fitting: list[Instance]) -> str:
    if len(fitting) == 1:
        return f"the only image that fits ({film.view})"
    alike = [one for one in fitting if one.view is film.view]
    if len(alike) == 1:
        others = ", ".join(sorted({str(one.view) for one in fitting if one is not film}))
        return f"{film.view} is preferred over {others}"
    return f"{_best(film, alike[1])} of {len(alike)} images of view {film.view}"


def _best(film: Instance, next_best: Instance) -> str:
    """What the film is before the image that comes after it."""
    if film.bedside != next_best.bedside and not film.bedside:
        return "the best (not taken in bed)"
    if film.secondary != next_best.secondary:
        return "the best (PRIMARY)"
    if film.acquired != next_best.acquired:
        return "the latest"
    if film.rows * film.columns != next_best.rows * next_best.columns:
        return "the largest of one moment"
    return "by series and instance number the first of one moment"


def _second(one: Instance, film: Instance) -> str:
    """Why an image that fits is not the one that is read."""
    if one.view is not film.view:
        return f"{film.view} is preferred over {one.view}"
    if one.bedside and not film.bedside:
        return f"{one.bedside} film; one that was not taken in bed is preferred"
    if one.secondary and not film.secondary:
        return "is SECONDARY in Image Type; a PRIMARY image is preferred"
    if one.acquired is None and film.acquired is not None:
        return "its time of acquisition is not stated; one with a time is preferred"
    return _at_another_time(one, film)


def _at_another_time(one: Instance, film: Instance) -> str:
    if one.acquired is None or film.acquired is None or one.acquired == film.acquired:
        smaller = one.rows * one.columns < film.rows * film.columns
        return f"another image of the same moment{', smaller' if smaller else ''}"
    before = film.acquired - one.acquired
    if before < _REPEATED_WITHIN:
        return f"repeated {_span(before)} later"
    return f"taken {_span(before)} before the film that is read"


def _span(time: timedelta) -> str:
    """``40 s``, ``5 min``, ``5 h 10 min``, ``2 d 3 h``."""
    minutes, seconds = divmod(int(time.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    while parts[0][0] == 0 and len(parts) > 1:
        parts.pop(0)
    shown = parts[:2] if parts[0][1] in ("d", "h") else parts[:1]
    return " ".join(f"{count} {unit}" for count, unit in shown if count)


def _none_fits(reasons: list[str]) -> str:
    if not reasons:
        return "the study holds no image"
    told = (f"{reason} ({count})" if count > 1 else reason
            for reason, count in Counter(reasons).items())  # fmt: skip
    return f"no image fits: {', '.join(told)}"
