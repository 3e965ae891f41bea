"""A destination is asked to commit itself to what it has accepted, and what it reports is acted on.

Nothing waits for ever: a report that does not come in time is asked for once more, later and
later, where the site requires it, and else a query decides.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from dicom_node import commitment
from dicom_node.errors import Rejected, Unreachable
from dicom_node.ledger import commitments
from dicom_node.ledger.commitments import OF_THE_CLASS, Commitment, Standing
from dicom_node.ledger.deliveries import Delivery, DeliveryState
from dicom_node.uids import derived_uid
from workers.errand import Errand

log = logging.getLogger(__name__)

#: A Failure Reason of the transaction, which sending again cannot mend either.
_DUPLICATE_TRANSACTION = 0x0131
_MOST_DOUBLINGS = 8


@dataclass(slots=True)
class Asked:
    """What is known after asking.

    ``to_query`` are objects on which a query decides; ``never`` says of some rows why they cannot
    be proven as the site requires.
    """

    committed: list[Delivery] = field(default_factory=list)
    to_query: list[Delivery] = field(default_factory=list)
    never: dict[int, str] = field(default_factory=dict)


def commit(errand: Errand, rows: Sequence[Delivery]) -> Asked:
    """Ask about what was not asked about yet, wait a little, and act on what is known then."""
    database = errand.site.database
    refusal = _ask(errand, rows, commitments.of(database, rows))
    asked = Asked()
    known = commitments.of(database, rows)
    for row in rows:
        _act(errand, row, known[row.id], refusal, asked)
    return asked


def _ask(
    errand: Errand, rows: Sequence[Delivery], known: dict[int, Commitment]
) -> Rejected | Unreachable | None:
    """Ask in one transaction; why it could not be asked."""
    again = (Standing.UNASKED, Standing.SILENT) if _is_required(errand) else (Standing.UNASKED,)
    wanted = [row for row in rows if known[row.id].standing in again and row.made.sop_class_uid]
    delivery = errand.site.settings.delivery
    if not wanted or not errand.lease.holds():
        return None
    doublings = min(max(known[row.id].asked for row in wanted), _MOST_DOUBLINGS)
    transaction = derived_uid("commitment", uuid.uuid4())
    database, peer = errand.site.database, errand.peer
    if not commitments.enter(
        database,
        errand.job,
        wanted,
        transaction,
        ae_title=peer.ae_title,
        seconds=delivery.commitment_seconds * 2**doublings,
    ):
        return None
    objects = [(row.made.sop_class_uid, row.made.sop_instance_uid) for row in wanted]
    try:
        commitment.ask(
            peer, transaction, objects, database=database, seconds=delivery.commitment_open_seconds
        )
    except (Rejected, Unreachable) as error:
        commitments.expect_nothing(database, transaction)
        log.info("%s", error)
        return error
    return None


def _act(
    errand: Errand,
    row: Delivery,
    known: Commitment,
    refusal: Rejected | Unreachable | None,
    asked: Asked,
) -> None:
    match known.standing:
        case Standing.COMMITTED:
            asked.committed.append(row)
        case Standing.FAILED:
            _failed(errand, row, known.failure, asked)
        case Standing.OPEN:
            errand.outcome(row, DeliveryState.SENT, _waits(errand))
        case _ if not _is_required(errand):
            asked.to_query.append(row)
        case _ if isinstance(refusal, Rejected):
            asked.never[row.id] = _never(errand, row, str(refusal))
        case _:
            errand.outcome(row, DeliveryState.SENT, str(refusal or _waits(errand)))


def _failed(errand: Errand, row: Delivery, failure: int, asked: Asked) -> None:
    """The destination does not commit itself to an object that it has accepted."""
    why = f"{errand.destination.name} does not commit itself to it ({commitment.told(failure)})"
    if failure in OF_THE_CLASS and not _is_required(errand):
        asked.to_query.append(row)
        return
    commitments.settle(errand.site.database, row)
    if failure in OF_THE_CLASS:
        asked.never[row.id] = _never(errand, row, why)
    elif failure == _DUPLICATE_TRANSACTION:
        errand.outcome(row, DeliveryState.SENT, f"{why}: it is asked again")
    else:
        # Not kept for sure, but not gone for sure either: whoever takes it back has to name it.
        errand.outcome(row, DeliveryState.SENDING, f"{why}: it is sent again")


def _never(errand: Errand, row: Delivery, why: str) -> str:
    reason = (
        f"accepted, but {why}, and destinations.commitment is `required`: switch it on there, or "
        "set `offered` here and `dicom-node retry`"
    )
    errand.outcome(row, DeliveryState.SENT, reason)
    return reason


def _waits(errand: Errand) -> str:
    node, tls = errand.site.settings.node, errand.site.settings.tls
    return (
        f"accepted; {errand.destination.name} has not reported on its storage commitment yet, to "
        f"{node.ae_title} at this node's port {tls.port if tls.only else node.port}"
    )


def _is_required(errand: Errand) -> bool:
    return errand.destination.commitment == "required"
