"""From the files of a study and the outcome of the search for a prior to the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import dicom_node
from dicom_node.errors import BadStudy, Gone
from dicom_node.headers import read_study
from dicom_node.pixels import read_frame
from dicom_node.report import Film, NotRead, NotReadBecause, Prior, PriorOutcome, Report
from dicom_node.rules import Plan
from dicom_node.study import Frame
from dicom_node.vocabulary import Vocabulary
from models.engines.base import Engine
from models.read import Reading, made_by, read_films

Progress = Callable[[int, int], None]


def read(
    *,
    job: str,
    revision: int,
    plan: Plan,
    prior: Prior,
    prior_path: Path | None,
    vocabulary: Vocabulary,
    engine: Engine,
    progress: Progress | None = None,
) -> Report:
    """Read the film that the plan chose, beside its prior where there is one.

    A film that cannot be read, or that the model does not take for what it is to be, gives a
    report as well: one that says so.

    Raises:
        Gone: the prior is not there any more, or cannot be read any more.
    """
    try:
        earlier = prior_frame(prior_path)
    except BadStudy as error:  # it could be when it was chosen
        raise Gone(str(error)) from None
    try:
        current = read_frame(plan.choice.film)
        reading = read_films(
            current=current,
            prior=earlier,
            vocabulary=vocabulary,
            prepare=plan.rule.prepare,
            questions=plan.rule.questions,
            engine=engine,
            software_version=dicom_node.__version__,
            progress=progress,
        )
    except BadStudy as failure:
        reason = str(failure).removeprefix(f"{plan.choice.film.path.name}: ")
        unread = NotRead(NotReadBecause.UNREADABLE, reason)
        made = made_by(engine.identity, plan.rule.questions, vocabulary, dicom_node.__version__)
        return _report(job, revision, plan, prior, Reading((), (), "", (), made), not_read=unread)
    notes = (*reading.notes, *current.notes, *_of_prior(earlier))
    refused = NotRead(NotReadBecause.NOT_SUITABLE, reading.refusal) if reading.refusal else None
    return _report(job, revision, plan, prior, replace(reading, notes=notes), not_read=refused)


def _report(
    job: str, revision: int, plan: Plan, prior: Prior, reading: Reading, *, not_read: NotRead | None
) -> Report:
    return Report(
        job=job,
        revision=revision,
        rule=plan.rule.name,
        film=Film.of(plan.choice.film),
        why_this_film=plan.choice.why,
        left_out=plan.choice.left_out,
        prior=prior,
        findings=reading.findings,
        unread=reading.unread,
        notes=(*plan.choice.notes, *reading.notes),
        made=reading.made,
        read_at=datetime.now().astimezone(),
        free_text=reading.free_text,
        answers=reading.answers,
        not_read=not_read,
    )


def _of_prior(earlier: Frame | None) -> tuple[str, ...]:
    """What had to be assumed of the prior: said of it, not of the film that is read."""
    return tuple(f"On the prior: {note}" for note in (earlier.notes if earlier else ()))


def prior_frame(path: Path | None) -> Frame | None:
    """The picture of the prior film."""
    if path is None:
        return None
    (instance,) = read_study([path]).instances
    return read_frame(instance)


def without_prior(reason: str) -> Prior:
    """What the report says of a prior that nobody looked for."""
    return Prior(PriorOutcome.NOT_ASKED, reason)
