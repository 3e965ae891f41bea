"""Which image of a study is read, and why not the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from dicom_node.errors import NotForUs
from dicom_node.report import LeftOut
from dicom_node.study import Instance, Study, View

_UNKNOWN_TIME = datetime(1, 1, 1)  # noqa: DTZ001 - films state local times


@dataclass(frozen=True, slots=True)
class Choice:
    """The film to read, why it was chosen, and what was assumed of it."""

    film: Instance
    why: str
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()


def choose_film(
    study: Study,
    *,
    modalities: Collection[str],
    body_parts: Collection[str],
    views: Sequence[str],
    unknown_view: Literal["read as frontal", "refuse"],
) -> Choice:
    """The one image to read: of the view that stands first in ``views``; of several the latest,
    of several at one time the largest.

    Raises:
        NotForUs: no image fits; the text says why.
    """
    reasons: dict[str, str] = {}
    fitting: list[Instance] = []
    for one in study.instances:
        reason = _unfit(one, modalities, body_parts, views, unknown_view)
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
        return Choice(film, why, left_out)
    note = "The film does not state its view: read as frontal, as the rule says."
    return Choice(replace(film, view=View.FRONTAL), why, left_out, (note,))


def _unfit(
    one: Instance,
    modalities: Collection[str],
    body_parts: Collection[str],
    views: Sequence[str],
    unknown_view: str,
) -> str:
    """Why an image cannot be read; empty if it can."""
    view_fits = one.view in views or (one.view is View.UNKNOWN and unknown_view != "refuse")
    checks = (
        (one.rows and one.columns, "has no pixels"),
        (one.modality in modalities, f"Modality is {one.modality or 'not stated'}"),
        (one.body_part in body_parts, f"Body Part Examined is {one.body_part or 'not stated'}"),
        (one.presentation_intent != "FOR PROCESSING", "is FOR PROCESSING"),
        (view_fits, "view is not stated" if one.view is View.UNKNOWN else f"view is {one.view}"),
    )
    return next((reason for fits, reason in checks if not fits), "")


def _rank(one: Instance, views: Sequence[str]) -> tuple[int, datetime, int, str]:
    """Greater is better; the UID makes the order certain."""
    preferred = -views.index(one.view) if one.view in views else -len(views)
    return (
        preferred,
        one.acquired or _UNKNOWN_TIME,
        one.rows * one.columns,
        one.sop_instance_uid,
    )


def _why(film: Instance, fitting: list[Instance]) -> str:
    alike = sum(one.view is film.view for one in fitting)
    if len(fitting) == 1:
        return f"the only image that fits ({film.view})"
    if alike == 1:
        others = ", ".join(sorted({str(one.view) for one in fitting if one.view is not film.view}))
        return f"{film.view} is preferred over {others}"
    return f"the latest of {alike} images of view {film.view}"


def _second(one: Instance, film: Instance) -> str:
    if one.view is not film.view:
        return f"{film.view} is preferred over {one.view}"
    return "another image of the same view was acquired later or is larger"


def _none_fits(reasons: list[str]) -> str:
    if not reasons:
        return "the study holds no image"
    told = (f"{reason} ({count})" if count > 1 else reason
            for reason, count in Counter(reasons).items())  # fmt: skip
    return f"no image fits: {', '.join(told)}"
