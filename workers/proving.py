"""What a destination has accepted counts as there once that is proven.

By its storage commitment where it offers that, else by a query; ``docs/delivery.md`` has the rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dicom_node.archives import ARCHIVES
from dicom_node.archives.orthanc import Rest
from dicom_node.errors import Rejected, Unreachable
from dicom_node.ledger import corrections
from dicom_node.ledger.deliveries import Delivery, DeliveryState
from workers import committing
from workers.errand import Errand


def prove(errand: Errand, before: set[int]) -> Mapping[int, str]:
    """Prove what can be proven now; why of some objects it never can be, by their rows.

    What was accepted at an earlier attempt (rows ``before``) and is still not found is sent again.

    Raises:
        Unreachable: the destination does not answer.
        Rejected: it will not have us.
    """
    rows = errand.rows(DeliveryState.SENT)
    if not rows or errand.destination.commitment == "none":
        _query(errand, rows, before)
        return {}
    asked = committing.commit(errand, rows)
    for row in asked.committed:
        _is_there(errand, row, "committed by the destination")
    _query(errand, asked.to_query, before)
    return asked.never


def accept_found(errand: Errand, refused: Mapping[int, str]) -> dict[int, str]:
    """Of what was refused, though it may be there, take as accepted what a query finds; why of the
    others, by their rows, unless it could not be asked.
    """
    left = dict(refused)
    for row in errand.rows(DeliveryState.SENDING) if errand.destination.verify == "query" else ():
        if row.id not in left:
            continue
        if not errand.lease.holds():
            return {}  # nobody has asked: it is sent again, by who has the study
        try:
            found = _has(errand, row)
        except Rejected:  # of the query: the refusal says more
            break
        except Unreachable as error:  # others may be proven all the same
            told = f"{left[row.id]}, and cannot be asked whether it has it: {error}"
            errand.outcome(row, DeliveryState.SENDING, told)
            return {}
        if found:
            reason = f"{left.pop(row.id)} when it was sent again, and has it"
            errand.outcome(row, DeliveryState.SENT, reason)
    return left


def _query(errand: Errand, rows: Sequence[Delivery], before: set[int]) -> None:
    for row in rows:
        if errand.destination.verify == "none":
            _is_there(errand, row, "accepted, and not asked about")
            continue
        if not errand.lease.holds():
            return
        try:
            found = _has(errand, row)
        except Rejected as error:  # of the query, not of the object
            reason = f"accepted, but {error}; if it cannot be asked, set verify: none"
            errand.outcome(row, DeliveryState.SENT, reason)
            continue
        if found:
            _is_there(errand, row, "found by a query")
        elif row.id in before:
            reason = "accepted, but a query does not find it: it is sent again"
            # An index may only be slow: whoever takes it back has to name it.
            errand.outcome(row, DeliveryState.SENDING, reason)


def _has(errand: Errand, row: Delivery) -> bool:
    archive = ARCHIVES["dimse"](errand.peer, "c-get")
    made = row.made
    return archive.has_instance(
        errand.job.study_instance_uid, made.series_instance_uid, made.sop_instance_uid
    )


def _is_there(errand: Errand, row: Delivery, how: str) -> None:
    _clear(errand, row)
    errand.outcome(row, DeliveryState.THERE, how)


def _clear(errand: Errand, row: Delivery) -> None:
    """Delete what an object has taken back or the place of, at an Orthanc; only what is ours."""
    if not errand.destination.orthanc:
        return
    section = errand.site.settings.orthanc
    rest = Rest(errand.destination.orthanc, section.user, section.password)
    for one in corrections.withdrawn(errand.site.database, row):
        rest.delete(one.made.sop_instance_uid)
