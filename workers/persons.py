"""Whose a revision is: its results take the place of those of the same patient alone.

The door and retention are to see to it that no study becomes that of two patients. This holds where
they fail: what was sent of one patient is neither superseded nor withdrawn by what is of another.
"""

from __future__ import annotations

from collections.abc import Callable

from dicom_node.errors import BadStudy
from dicom_node.identity import of_two
from dicom_node.ledger import corrections, readings, revisions
from dicom_node.ledger.jobs import Job, State
from dicom_node.outputs import source
from dicom_node.report import Report
from dicom_node.study import Patient
from workers import correcting
from workers.site import Site

_TO_SEND = (State.READ, State.DELIVERING)


def guard(site: Site, job: Job, patient: Callable[[], Patient]) -> None:
    """Let a revision go on only if its patient is that of each earlier revision whose results
    stand, or are about to be sent. ``patient`` is asked where there is one.

    Raises:
        BadStudy: it is of another one, or whose an earlier revision is cannot be told any more.
        Unreachable: the ledger or the disk does not answer.
    """
    if job.revision == 1:
        return
    standing = {row.job for row in corrections.before(site.database, job).rows}
    for one in revisions.listing(site.database, job.study_instance_uid):
        if one.revision < job.revision and (one.id in standing or one.state in _TO_SEND):
            _compare(site, one, patient())


def of_film(site: Site, job: Job, result: Report) -> Patient:
    """Whose the film is that a job read.

    Raises:
        BadStudy: nothing of it is kept any more.
        Unreachable: the disk cannot be read now.
    """
    film = site.spool.film(job.study_instance_uid, result.film.sop_instance_uid)
    path = film if film.exists() else correcting.header(site, job, result)
    return source.whose(path, result.film)[1]


def _compare(site: Site, earlier: Job, patient: Patient) -> None:
    revision = f"revision {earlier.revision} of this study, whose results stand"
    try:
        result = readings.of(earlier)
        before = source.whose(correcting.header(site, earlier, result), result.film)[1]
    except BadStudy as error:
        raise BadStudy(f"it may be of another patient than {revision}: {error}") from None
    if differs := of_two(before, patient):
        raise BadStudy(f"it is of another patient than {revision}: {differs} differs")
