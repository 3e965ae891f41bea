"""An archive of which every answer is chosen: Storage and Storage Commitment SCP, by pynetdicom."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from peers import HOST, free_port
from pydicom import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.presentation import AllStoragePresentationContexts
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)

INSTANCE = str(StorageCommitmentPushModelInstance)
#: Instead of an answer to N-ACTION the association is aborted.
ABORTS = -1
#: Behaviours are called with the archive, the association and the request's information.
Behaviour = Callable[["Committer", Any, Dataset], None]


class Committer:
    """The archive. ``behaviour`` is what it does once it was asked, None if it cannot be asked;
    ``answer`` is the status of its answer to that, ``store`` gives those to C-STORE.
    """

    def __init__(
        self,
        behaviour: Behaviour | None,
        *,
        node_port: int = 0,
        answer: int = 0x0000,
        store: Callable[[Any], int] = lambda _: 0x0000,
    ) -> None:
        self.aet = "COMMITTER"
        self.dicom_port = free_port()
        self.node_port = node_port
        self.behaviour = behaviour
        self.answer = answer
        self.store = store
        self.refuses: tuple[str, ...] = ()  # classes that it does not take
        self.finds = True  # what it holds
        self.stored: list[str] = []
        self.asked: list[Dataset] = []  # information of each N-ACTION
        self.queries = 0
        self.reported: list[int | None] = []  # statuses that the node answered

    def report(
        self,
        information: Dataset | None,
        *,
        event: int = 1,
        calling: str = "",
        instance: str = INSTANCE,
        scp: bool | None = True,
    ) -> int | None:
        """Report on an association that the archive opens; what the node answers, -1 if it does
        not accept. ``scp`` is the role that is proposed, None for no role selection.
        """
        ae = AE(ae_title=calling or self.aet)
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
        ae.add_requested_context(StorageCommitmentPushModel)
        roles = [] if scp is None else [
            build_role(StorageCommitmentPushModel, scu_role=not scp, scp_role=scp)
        ]  # fmt: skip
        opened = ae.associate(HOST, self.node_port, ae_title="DICOMNODE", ext_neg=roles)
        if not opened.is_established or not opened.accepted_contexts:
            return -1
        for context in opened.accepted_contexts if scp is None else ():
            context._as_scp = True  # as one that knows nothing of roles
        try:
            return self.send(opened, information, event=event, instance=instance)
        finally:
            opened.release()

    def send(
        self, association: Any, information: Dataset | None, *, event: int = 1,
        instance: str = INSTANCE,
    ) -> int | None:  # fmt: skip
        """Report on an association that is open."""
        status, _ = association.send_n_event_report(
            information, event, StorageCommitmentPushModel, instance
        )
        answered: int | None = status.get("Status")
        self.reported.append(answered)
        return answered

    def _find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        self.queries += 1
        if self.finds and str(event.identifier.SOPInstanceUID) in self.stored:
            yield 0xFF00, event.identifier
        yield 0x0000, None

    def _store(self, event: Any) -> int:
        status = self.store(event)
        if status == 0:
            self.stored.append(str(event.request.AffectedSOPInstanceUID))
        return status

    def _action(self, event: Any) -> tuple[int, None]:
        information = event.action_information
        self.asked.append(information)
        if self.answer == ABORTS:
            event.assoc.abort()
        if self.behaviour is not None and self.answer == 0:
            arguments = (self, event.assoc, information)
            threading.Thread(target=self.behaviour, args=arguments, daemon=True).start()
        return self.answer, None

    @contextmanager
    def running(self) -> Iterator[Committer]:
        """While it listens."""
        ae = AE(ae_title=self.aet)
        ae.supported_contexts = [
            one for one in AllStoragePresentationContexts if one.abstract_syntax not in self.refuses
        ]
        for service in (Verification, StudyRootQueryRetrieveInformationModelFind):
            ae.add_supported_context(service)
        if self.behaviour is not None:
            ae.add_supported_context(StorageCommitmentPushModel)
        handlers = [
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_C_FIND, self._find),
            (evt.EVT_N_ACTION, self._action),
        ]
        server = ae.start_server((HOST, self.dicom_port), block=False, evt_handlers=handlers)
        try:
            yield self
        finally:
            server.shutdown()


def reports_here(archive: Committer, association: Any, asked: Dataset) -> None:
    """On the association of the request, a little after its answer."""
    time.sleep(0.3)
    archive.send(association, of(asked))


def reports_twice(archive: Committer, association: Any, asked: Dataset) -> None:
    """By both ways."""
    reports_here(archive, association, asked)
    archive.report(of(asked))


def reports_never(_: Committer, __: Any, ___: Dataset) -> None:
    """It has promised, and does nothing."""


def fails(reason: int, *, times: int = 1) -> Behaviour:
    """The first object fails for a reason, so many times; the others are committed."""

    def behave(archive: Committer, association: Any, asked: Dataset) -> None:
        time.sleep(0.3)
        if len(archive.asked) > times:
            archive.send(association, of(asked))
        else:
            first = str(asked.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
            archive.send(association, of(asked, failed={first: reason}), event=2)

    return behave


def of(
    asked: Dataset,
    *,
    failed: dict[str, int] | None = None,
    only: Sequence[str] | None = None,
    also: Sequence[str] = (),
) -> Dataset:
    """The report on a request: all of it committed, but for what has ``failed``; ``only`` some of
    its objects, and ``also`` some that were not asked about.
    """
    failed = failed or {}
    named = [str(item.ReferencedSOPInstanceUID) for item in asked.ReferencedSOPSequence]
    chosen = [uid for uid in named if only is None or uid in only]
    information = Dataset()
    information.TransactionUID = asked.TransactionUID
    good = [_item(uid) for uid in [*chosen, *also] if uid not in failed]
    if good:
        information.ReferencedSOPSequence = good
    if failed:
        information.FailedSOPSequence = [_item(uid, reason) for uid, reason in failed.items()]
    return information


def _item(uid: str, reason: int | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.34"
    item.ReferencedSOPInstanceUID = uid
    if reason is not None:
        item.FailureReason = reason
    return item
