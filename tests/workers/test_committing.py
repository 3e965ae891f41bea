"""What is sent counts as there once the destination has committed itself to it, or it is found."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import iocm
import nodes
import pytest
from builders import IDENTITY, chest
from committers import (
    ABORTS,
    Behaviour,
    Committer,
    fails,
    of,
    reports_here,
    reports_never,
    reports_twice,
)
from peers import Orthanc, echo, running, wait_until
from pydicom import Dataset, dcmread
from pynetdicom import AE
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import
    StorageCommitmentPushModel,
)
from sqlalchemy import update
from stages import Node, destination

from dicom_node import answers
from dicom_node.errors import Unreachable
from dicom_node.ledger import commitments, deliveries, jobs, leases, retrying, tables
from dicom_node.ledger.jobs import DELIVER, State
from dicom_node.outputs.rejection import Reason
from workers import checking, edge, retracting, way
from workers.errand import Lease

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
COMMITTED = "committed by the destination"
FOUND = "found by a query"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(nodes.Site(tmp_path / "site"))


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return chest(tmp_path / "film.dcm", None, **IDENTITY)


def read(node: Node, film: Path, archive: Any, *, wait: float = 3, **more: object) -> int:
    """A study that waits to be delivered to an archive."""
    node.open(
        destinations=[destination(archive, **({"verify": "query"} | more))],
        delivery={"commitment_open_seconds": wait, "first_retry_seconds": 1},
    )
    job = node.receive(film)
    assert node.fetch()
    assert node.read()
    return job


@contextmanager
def listening(node: Node) -> Iterator[None]:
    """While an edge of the node listens on its port."""
    stop = threading.Event()
    running = threading.Thread(target=edge.run, args=(node.site, stop))
    running.start()
    try:
        wait_until(lambda: echo(node.written.port, nodes.AE_TITLE), "the edge answers")
        yield
    finally:
        stop.set()
        running.join(30)


def archive_of(node: Node, behaviour: Behaviour | None, **more: Any) -> Committer:
    return Committer(behaviour, node_port=node.written.port, **more)


def rows(node: Node, job: int) -> dict[str, tuple[str, str]]:
    return {
        one.made.output: (str(one.state), one.reason)
        for one in deliveries.of_job(node.site.database, job)
    }


def proven(node: Node, job: int) -> set[tuple[str, str]]:
    return set(rows(node, job).values())


def taken_back(node: Node, job: int) -> set[str]:
    """What the retraction of a job names."""
    made = [one.made for one in deliveries.of_job(node.site.database, job)]
    (note,) = [one for one in made if one.output == "retraction"]
    return iocm.rejected(dcmread(node.site.spool.root / note.path))


def again(node: Node, job: int) -> None:
    """Deliver once more, now."""
    node.make_due(job)
    assert node.deliver()


def let_patience_end(node: Node) -> None:
    """Let the time pass for which a report is waited for."""
    with node.site.database.writing() as connection:
        table = tables.commitments
        earlier = {one: one - 1e6 for one in (table.c.asked_at, table.c.expected_until)}
        connection.execute(update(table).values(earlier))


# How it is reported


def test_a_report_on_the_same_association_ends_the_delivery(node: Node, film: Path) -> None:
    with archive_of(node, reports_here).running() as archive:
        job = read(node, film, archive)
        assert node.deliver()
    assert node.job(job).state is State.DONE
    assert proven(node, job) == {("there", COMMITTED)}
    assert (len(archive.asked), archive.queries, archive.reported) == (1, 0, [0])
    (asked,) = archive.asked
    named = {str(one.ReferencedSOPInstanceUID) for one in asked.ReferencedSOPSequence}
    assert named == set(archive.stored)
    assert "pacs reports: commits itself to sr, seg" in node.told(job)
    assert f"sr at pacs there: {COMMITTED}" in node.told(job)


@pytest.mark.parametrize("anew", [True, False], ids=["on a new one", "on the same one"])
def test_a_report_that_comes_before_the_answer_to_the_request_ends_the_delivery(
    node: Node, film: Path, *, anew: bool
) -> None:
    class First(Committer):
        def _action(self, event: Any) -> tuple[int, None]:
            information = of(event.action_information)
            self.asked.append(information)
            self.report(information) if anew else self.send(event.assoc, information)
            return 0x0000, None

    with listening(node), First(reports_never, node_port=node.written.port).running() as archive:
        job = read(node, film, archive)
        assert node.deliver()
    assert node.job(job).state is State.DONE
    assert proven(node, job) == {("there", COMMITTED)}
    assert (archive.reported, len(archive.asked), archive.queries) == ([0], 1, 0)


def test_a_report_that_comes_twice_counts_once_and_is_answered_twice(
    node: Node, film: Path
) -> None:
    with listening(node), archive_of(node, reports_twice).running() as archive:
        job = read(node, film, archive)
        assert node.deliver()
        told = node.told(job)
        wait_until(lambda: len(archive.reported) == 2, "it has reported twice")
        assert archive.report(of(archive.asked[0])) == 0
    assert node.job(job).state is State.DONE
    assert set(archive.reported) == {0}
    assert node.told(job) == told
    assert sum("pacs reports" in what for what in told) == 1


def test_a_late_report_makes_the_study_due_at_once(node: Node, film: Path) -> None:
    """The sender has long gone to other work, and would look again much later."""
    with listening(node), archive_of(node, reports_never).running() as archive:
        job = read(node, film, archive, wait=0)
        assert node.deliver()
        assert node.job(job).state is State.DELIVERING
        assert "has not reported on its storage commitment yet" in node.job(job).reason
        assert {state for state, _ in proven(node, job)} == {"sent"}
        node.make_due(job, due_at=time.time() + 900)
        assert not node.deliver()
        assert archive.report(of(archive.asked[0])) == 0
        assert node.deliver()
    assert node.job(job).state is State.DONE
    assert (len(archive.asked), archive.queries) == (1, 0)
    assert len(archive.stored) == 2


def test_a_report_that_comes_while_another_destination_is_served_makes_the_study_due_at_once(
    node: Node, film: Path, ledger_url: str
) -> None:
    """The sender has looked for it already, and would look again much later."""
    node.open(ledger={"url": ledger_url})

    def reports_and_has_no_room(_: Any) -> int:
        if not archive.reported:
            assert archive.report(of(archive.asked[0])) == 0
        return 0xA700

    other = Committer(None, store=reports_and_has_no_room)
    with listening(node), archive_of(node, reports_never).running() as archive, other.running():
        node.open(
            destinations=[destination(archive), destination(other, name="other")],
            delivery={"commitment_open_seconds": 0, "first_retry_seconds": 1000},
        )
        job = node.receive(film)
        assert node.fetch()
        assert node.read()
        assert node.deliver()
        assert node.job(job).state is State.DELIVERING
        assert node.deliver(), "at once"
        assert not node.deliver(), "and then not for what was reported any more"
    states = [
        (one.made.destination, str(one.state)) for one in deliveries.of_job(node.site.database, job)
    ]
    assert sorted(set(states)) == [("other", "pending"), ("pacs", "there")]


@pytest.mark.parametrize("reason", [0x0110, 0x0122, 0x0131])
def test_a_failure_that_is_reported_at_once_is_tried_again_after_a_pause(
    node: Node, film: Path, reason: int
) -> None:
    archive = archive_of(node, fails(reason, times=99))
    archive.finds = False
    with archive.running():
        job = read(node, film, archive)
        node.open(delivery={"commitment_open_seconds": 3, "first_retry_seconds": 1000})
        assert node.deliver()
        assert archive.reported == [0]
        assert node.job(job).state is State.DELIVERING
        assert not node.deliver()


def test_an_archive_that_knows_nothing_of_roles_is_understood(node: Node, film: Path) -> None:
    with listening(node), archive_of(node, reports_never).running() as archive:
        job = read(node, film, archive, wait=0)
        assert node.deliver()
        assert archive.report(of(archive.asked[0]), scp=None) == 0
        assert archive.report(of(archive.asked[0]), scp=False) == -1, "it would be our SCU"
        again(node, job)
    assert node.job(job).state is State.DONE


# What is wrong with a report


def test_what_is_wrong_with_a_report_is_answered_and_changes_nothing(
    node: Node, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(node), archive_of(node, reports_never).running() as archive:
        job = read(node, film, archive, wait=0)
        assert node.deliver()
        told, asked = node.told(job), archive.asked[0]
        unknown, bare = of(asked), of(asked)
        unknown.TransactionUID = "1.2.840.99.1"
        del bare.TransactionUID
        strange = of(asked)
        strange.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "../../etc/passwd"
        assert archive.report(of(asked), calling="STRANGER") == 0x0115
        assert archive.report(unknown) == 0x0115
        assert archive.report(bare) == 0x0115
        assert archive.report(None) == 0x0115
        assert archive.report(strange) == 0x0115
        with monkeypatch.context() as few:
            few.setattr(answers, "_MOST_ITEMS", 1)
            assert archive.report(of(asked)) == 0x0213, "of two objects"
        assert archive.report(of(asked), event=3) == 0x0113
        assert archive.report(of(asked), instance="1.2.3") == 0x0112
        assert archive.report(of(asked, only=[], also=["1.2.840.99.2"])) == 0
        assert node.told(job) == told
        again(node, job)
        assert {state for state, _ in proven(node, job)} == {"sent"}
        assert archive.report(of(asked, also=["1.2.840.99.2"])) == 0
        assert node.deliver()
    assert node.job(job).state is State.DONE


def test_a_report_on_some_objects_leaves_the_others_to_the_query(node: Node, film: Path) -> None:
    with listening(node), archive_of(node, reports_never).running() as archive:
        job = read(node, film, archive, wait=0)
        assert node.deliver()
        assert archive.report(of(archive.asked[0], only=archive.stored[:1])) == 0
        assert node.deliver()
        assert node.job(job).state is State.DELIVERING
        let_patience_end(node)
        again(node, job)
    assert node.job(job).state is State.DONE
    assert proven(node, job) == {("there", COMMITTED), ("there", FOUND)}
    assert archive.queries == 1


def test_a_failure_that_is_reported_after_all_has_ended_is_told_and_changes_nothing(
    node: Node, film: Path
) -> None:
    with listening(node), archive_of(node, reports_never).running() as archive:
        job = read(node, film, archive, wait=0)
        assert node.deliver()
        let_patience_end(node)
        again(node, job)
        assert node.job(job).state is State.DONE
        failed = of(archive.asked[0], failed=dict.fromkeys(archive.stored, 0x0112))
        assert archive.report(failed, event=2) == 0
        assert not node.deliver()
    assert node.job(job).state is State.DONE
    assert proven(node, job) == {("there", FOUND)}
    assert node.told(job)[-1] == "pacs reports: not to sr (0x0112), not to seg (0x0112)"


def test_this_node_commits_itself_to_nothing(node: Node, film: Path) -> None:
    """A modality that asks it gets an answer that it can act on."""
    with listening(node):
        ae = AE(ae_title="MODALITY")
        ae.add_requested_context(StorageCommitmentPushModel)
        opened = ae.associate("127.0.0.1", node.written.port, ae_title="DICOMNODE")
        information = Dataset()
        information.TransactionUID = "1.2.3"
        status, _ = opened.send_n_action(
            information, 1, StorageCommitmentPushModel, "1.2.840.10008.1.20.1.1"
        )
        opened.release()
    assert status.Status == 0x0211


# What fails


@pytest.mark.parametrize("commitment", ["required", "offered"])
def test_what_it_does_not_commit_itself_to_is_sent_again_and_asked_again(
    node: Node, film: Path, commitment: str
) -> None:
    with archive_of(node, fails(0x0112)).running() as archive:
        job = read(node, film, archive, commitment=commitment)
        assert node.deliver()
        assert node.job(job).state is State.DELIVERING
        assert "0x0112, no such object instance): it is sent again" in node.job(job).reason
        assert sorted(state for state, _ in rows(node, job).values()) == ["sending", "there"]
        again(node, job)
    assert node.job(job).state is State.DONE
    assert proven(node, job) == {("there", COMMITTED)}
    assert [len(one.ReferencedSOPSequence) for one in archive.asked] == [2, 1]
    assert len(archive.stored) == 3
    assert archive.asked[0].TransactionUID != archive.asked[1].TransactionUID


@pytest.mark.parametrize("forgets", ["does not commit itself", "does not find it"])
def test_what_was_accepted_is_taken_back_though_the_archive_does_not_own_up_to_it(
    node: Node, film: Path, forgets: str
) -> None:
    """It may be there all the same: its index is slow, or it has room again."""
    archive = archive_of(node, fails(0x0213, times=99) if "commit" in forgets else None)
    archive.finds = "commit" in forgets
    with archive.running():
        job = read(node, film, archive)
        assert node.deliver()
        if "commit" not in forgets:
            again(node, job)
        assert forgets in node.job(job).reason
        assert "it is sent again" in node.job(job).reason
        given = set(archive.stored)
        retracting.retract(node.site, job, Reason.SAFETY)
        assert node.retract()
        assert rows(node, job)["retraction"][0] != "pending"
    assert taken_back(node, job) == given
    assert len(given) == 2


class Forgetful(Committer):
    """It keeps the first object, ends the association without an answer, and answers what it holds
    with C000 ever after, as some archives do.
    """

    def _store(self, event: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        if uid in self.stored:
            return 0xC000
        if not self.stored:
            event.assoc.abort()
        return super()._store(event)


def test_what_was_kept_without_an_answer_and_is_refused_when_it_comes_again_is_found(
    node: Node, film: Path
) -> None:
    with Forgetful(None).running() as archive:
        job = read(node, film, archive, timeout_seconds=4)
        assert node.deliver()
        assert "sending" in rows(node, job)["sr"]
        again(node, job)
    assert node.job(job).state is State.DONE
    assert proven(node, job) == {("there", FOUND)}
    assert any("0xC000 when it was sent again, and has it" in one for one in node.told(job))


def test_what_is_refused_is_not_given_up_where_it_could_not_be_looked_for(
    node: Node, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger did not answer for a moment: who sends does not know whether it still may."""
    monkeypatch.setattr("workers.errand._RENEW_AFTER", 0.0)
    renew, asked = leases.renew, iter(range(99))

    def away_once(*arguments: Any) -> bool:
        if len(archive.stored) == 2 and next(asked) == 0:
            raise Unreachable("the ledger does not answer")
        return renew(*arguments)

    with Forgetful(None).running() as archive:
        job = read(node, film, archive, timeout_seconds=4)
        assert node.deliver()
        monkeypatch.setattr(leases, "renew", away_once)
        again(node, job)
        assert node.job(job).state is State.DELIVERING
        assert rows(node, job)["sr"] == ("sending", "pacs answered 0xC000")
        again(node, job)
    assert node.job(job).state is State.DONE


class Mute(Forgetful):
    """It ends the association of whoever asks it what it has."""

    asked_in_vain = True

    def _find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        if self.asked_in_vain:
            event.assoc.abort()
        yield from super()._find(event)


def test_what_is_refused_and_cannot_be_looked_for_holds_up_no_other(node: Node, film: Path) -> None:
    with Mute(reports_here).running() as archive:
        job = read(node, film, archive, timeout_seconds=4)
        assert node.deliver()
        again(node, job)
        assert node.job(job).state is State.DELIVERING
        assert "pacs answered 0xC000, and cannot be asked whether it has it" in node.job(job).reason
        assert rows(node, job)["seg"] == ("there", COMMITTED)
        assert rows(node, job)["sr"][0] == "sending"
        archive.asked_in_vain = False
        again(node, job)
    assert node.job(job).state is State.DONE


def test_what_was_kept_without_an_answer_and_is_refused_for_good_may_be_there(
    node: Node, film: Path
) -> None:
    """Nobody can be asked: nothing waits for ever, and a retraction takes it back."""
    with Forgetful(None).running() as archive:
        job = read(node, film, archive, timeout_seconds=4, verify="none")
        assert node.deliver()
        again(node, job)
        assert node.job(job).state is State.FAILED
        assert node.job(job).reason == "sr at pacs: pacs answered 0xC000"
        assert rows(node, job)["sr"][0] == "sending"
        given = set(archive.stored)
        retracting.retract(node.site, job, Reason.SAFETY)
        assert node.retract()
    assert node.job(job).state is State.RETRACTED
    assert taken_back(node, job) == given
    assert len(given) == 2


def test_what_never_is_committed_is_given_up_in_the_time_of_all_deliveries(
    node: Node, film: Path
) -> None:
    with archive_of(node, fails(0x0110, times=99)).running() as archive:
        job = read(node, film, archive, commitment="required")
        assert node.deliver()
        again(node, job)
        node.make_due(job, state_since=time.time() - 8 * 86_400)
        assert node.deliver()
    assert node.job(job).state is State.FAILED
    assert node.job(job).reason.startswith("given up after 7 days: ")
    assert "0x0110, processing failure" in node.job(job).reason


def test_a_transaction_that_the_archive_knows_already_is_asked_under_another_uid(
    node: Node, film: Path
) -> None:
    with archive_of(node, fails(0x0131)).running() as archive:
        job = read(node, film, archive, commitment="required")
        assert node.deliver()
        again(node, job)
    assert node.job(job).state is State.DONE
    assert (len(archive.stored), len(archive.asked)) == (2, 2), "nothing is sent again for it"


def test_a_class_that_it_does_not_commit_itself_to_is_looked_for_by_a_query(
    node: Node, film: Path
) -> None:
    with archive_of(node, fails(0x0122, times=99)).running() as archive:
        job = read(node, film, archive)
        assert node.deliver()
    assert node.job(job).state is State.DONE
    assert proven(node, job) == {("there", COMMITTED), ("there", FOUND)}
    assert len(archive.stored) == 2


def test_a_class_that_it_does_not_commit_itself_to_fails_where_that_is_required(
    node: Node, film: Path
) -> None:
    with archive_of(node, fails(0x0122, times=99)).running() as archive:
        job = read(node, film, archive, commitment="required")
        assert node.deliver()
        assert node.job(job).state is State.FAILED
        assert "0x0122, referenced SOP Class not supported" in node.job(job).reason
        assert {state for state, _ in proven(node, job)} == {"there", "sent"}
        archive.behaviour = reports_here
        retrying.retry(node.site.database, job)
        assert node.deliver()
    assert node.job(job).state is State.DONE
    assert (len(archive.asked), len(archive.stored)) == (2, 2), "once that is switched on there"


def test_an_archive_that_takes_one_class_only_keeps_that_and_gets_the_rest_by_a_retry(
    node: Node, film: Path
) -> None:
    archive = archive_of(node, reports_here)
    archive.refuses = (SEGMENTATION,)
    with archive.running():
        job = read(node, film, archive)
        assert node.deliver()
    assert node.job(job).state is State.FAILED
    assert "seg at pacs: pacs does not take Segmentation Storage" in node.job(job).reason
    assert rows(node, job)["sr"] == ("there", COMMITTED)

    archive.refuses = ()
    retrying.retry(node.site.database, job)
    with archive.running():
        assert node.deliver()
    assert node.job(job).state is State.DONE
    assert len(archive.stored) == 2, "what is there is not sent again"


# What does not come


def test_without_a_report_in_time_a_query_decides(node: Node, film: Path) -> None:
    with archive_of(node, reports_never).running() as archive:
        job = read(node, film, archive, wait=0)
        assert node.deliver()
        again(node, job)
        assert (node.job(job).state, archive.queries) == (State.DELIVERING, 0)
        let_patience_end(node)
        again(node, job)
    assert node.job(job).state is State.DONE
    assert proven(node, job) == {("there", FOUND)}
    assert (len(archive.stored), len(archive.asked)) == (2, 1)


def test_without_a_report_in_time_it_is_asked_again_where_it_is_required_and_waited_for_longer(
    node: Node, film: Path
) -> None:
    with listening(node), archive_of(node, reports_never).running() as archive:
        job = read(node, film, archive, wait=0, commitment="required")
        assert node.deliver()
        let_patience_end(node)
        again(node, job)
        assert (len(archive.asked), archive.queries, len(archive.stored)) == (2, 0, 2)
        with node.site.database.reading() as connection:
            until = connection.execute(tables.commitments.select()).all()[-1].expected_until
        assert until - time.time() == pytest.approx(1200, abs=100)
        assert archive.report(of(archive.asked[0])) == 0, "of the first one, late"
        assert node.deliver()
    assert node.job(job).state is State.DONE
    assert proven(node, job) == {("there", COMMITTED)}


@pytest.mark.parametrize(
    ("behaviour", "answer"),
    [(None, 0), (reports_never, ABORTS), (reports_never, 0x0110), (reports_never, 0x0122)],
    ids=["not offered", "ends the association", "cannot now", "will not"],
)
def test_what_it_cannot_be_asked_is_looked_for_by_a_query(
    node: Node, film: Path, behaviour: Behaviour | None, answer: int
) -> None:
    with archive_of(node, behaviour, answer=answer).running() as archive:
        job = read(node, film, archive)
        assert node.deliver()
    assert node.job(job).state is State.DONE
    assert proven(node, job) == {("there", FOUND)}
    assert len(archive.stored) == 2


@pytest.mark.parametrize(
    ("behaviour", "answer", "why"),
    [
        (None, 0, "does not offer storage commitment"),
        (reports_never, 0x0122, "answered the request for storage commitment with 0x0122"),
    ],
)
def test_an_archive_that_will_not_fails_where_it_is_required_and_a_retry_with_less_ends_well(
    node: Node, film: Path, behaviour: Behaviour | None, answer: int, why: str
) -> None:
    with archive_of(node, behaviour, answer=answer).running() as archive:
        job = read(node, film, archive, commitment="required")
        assert node.deliver()
        ended = node.job(job)
        assert ended.state is State.FAILED
        assert why in ended.reason
        assert "set `offered` here and `dicom-node retry`" in ended.reason
        assert {state for state, _ in proven(node, job)} == {"sent"}, "it is there all the same"
        retrying.retry(node.site.database, job)
        node.open(destinations=[destination(archive, verify="query")])
        assert node.deliver()
    assert node.job(job).state is State.DONE
    assert len(archive.stored) == 2, "nothing was sent again"


def test_an_archive_that_cannot_now_is_asked_again_where_it_is_required(
    node: Node, film: Path
) -> None:
    with archive_of(node, reports_here, answer=0x0213).running() as archive:
        job = read(node, film, archive, commitment="required")
        assert node.deliver()
        assert node.job(job).state is State.DELIVERING
        assert "with 0x0213" in node.job(job).reason
        again(node, job)
        archive.answer = 0
        again(node, job)
        with node.site.database.reading() as connection:
            latest = connection.execute(tables.commitments.select()).all()[-1]
        assert latest.expected_until - latest.asked_at == pytest.approx(600, abs=1)
    assert node.job(job).state is State.DONE
    assert (len(archive.asked), archive.queries, len(archive.stored)) == (3, 0, 2)


def test_where_it_is_not_wanted_it_is_not_asked(node: Node, film: Path) -> None:
    with archive_of(node, reports_here).running() as archive:
        job = read(node, film, archive, commitment="none")
        assert node.deliver()
    assert (archive.asked, archive.queries) == ([], 2)
    assert node.job(job).state is State.DONE


# Senders that die, and senders that are late


def dies(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender is killed once it has asked: nothing of what follows is done."""

    def killed(*_: object) -> None:
        raise SystemExit(9)

    with monkeypatch.context() as patch:
        patch.setattr("workers.committing._act", killed)
        with pytest.raises(SystemExit):
            node.deliver()


def test_a_report_for_a_sender_that_was_killed_is_acted_on_by_the_next(
    node: Node, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(node), archive_of(node, reports_never).running() as archive:
        job = read(node, film, archive, wait=0)
        dies(node, monkeypatch)
        assert node.job(job).leased
        assert archive.report(of(archive.asked[0])) == 0
        node.make_due(job, lease_until=1.0)
        assert node.deliver()
    assert node.job(job).state is State.DONE
    assert (len(archive.asked), len(archive.stored), archive.queries) == (1, 2, 0)


def test_either_of_two_edges_takes_the_report_for_a_sender_that_was_killed(
    node: Node,
    film: Path,
    tmp_path: Path,
    ledger_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The edges are processes of their own."""
    node.open(ledger={"url": ledger_url})
    other = nodes.Site(tmp_path / "other")
    own = {"ae_title": nodes.AE_TITLE, "port": other.port, "data": str(node.written.data)}
    other.configure(node=own, ledger={"url": ledger_url})
    edges = [nodes.Node(one, "edge") for one in (node.written, other)]
    with running(*edges), archive_of(node, reports_never).running() as archive:
        job = read(node, film, archive, wait=0, commitment="required")
        dies(node, monkeypatch)
        for port in (other.port, node.written.port, other.port):
            archive.node_port = port
            assert archive.report(of(archive.asked[0])) == 0
    node.make_due(job, lease_until=1.0)
    assert node.deliver(), "the archive need not even be there"
    assert node.job(job).state is State.DONE
    assert sum("pacs reports" in what for what in node.told(job)) == 1


def test_a_sender_that_lost_its_study_sends_nothing_more_and_takes_nothing_back(
    node: Node, film: Path
) -> None:
    """Its lease ran out while the archive was slow; another sender has brought all meanwhile."""
    meanwhile: list[Callable[[], object]] = []

    def store(_: Any) -> int:
        if meanwhile:
            meanwhile.pop()()
            return 0xA700  # it would be pending again
        return 0

    with archive_of(node, reports_here, store=store).running() as archive:
        job = read(node, film, archive)

        def another_sender() -> None:
            node.make_due(job, lease_until=1.0)
            assert node.take(DELIVER, way.deliver, owner="other")
            assert node.job(job).state is State.DONE

        meanwhile.append(another_sender)
        assert node.take(DELIVER, way.deliver, owner="slow")
        told = node.told(job)
    assert node.job(job).state is State.DONE
    assert proven(node, job) == {("there", COMMITTED)}
    assert not any("A700" in what for what in told)


def test_a_sender_makes_its_lease_longer_while_it_works_and_stops_once_it_has_lost_it(
    node: Node, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.errand._RENEW_AFTER", 0.0)
    lease_seen: list[float] = []
    taken: list[int] = []

    def store(_: Any) -> int:
        with node.site.database.reading() as connection:
            until = connection.execute(tables.jobs.select()).one().lease_until
        lease_seen.append(until - time.time())
        if taken:
            node.make_due(job, lease_until=1.0)
            assert jobs.lease(node.site.database, DELIVER, owner="other", seconds=60, attempts=9)
        return 0

    with archive_of(node, None, store=store).running() as archive:
        job = read(node, film, archive)
        taken.append(1)
        assert node.take(DELIVER, way.deliver, owner="slow", lease_seconds=5)
    assert lease_seen[0] > 60, "it was leased for 5 s, and is held for longer"
    assert len(archive.stored) == 1, "the second one is the other sender's"
    assert {state for state, _ in proven(node, job)} == {"sending"}


def test_a_sender_that_has_lost_its_study_is_told_so_each_time_it_asks(
    node: Node, film: Path
) -> None:
    with archive_of(node, None).running() as archive:
        job = read(node, film, archive)
    lost = jobs.lease(node.site.database, DELIVER, owner="slow", seconds=60, attempts=9)
    assert lost is not None
    lease = Lease(node.site, lost, _since=-1e9)
    node.make_due(job, lease_until=1.0)
    assert jobs.lease(node.site.database, DELIVER, owner="other", seconds=60, attempts=9)
    assert [lease.holds(), lease.holds()] == [False, False]


# Notes are objects as well


def test_a_rejection_note_is_committed_as_results_are(node: Node, film: Path) -> None:
    with archive_of(node, reports_here).running() as archive:
        job = read(node, film, archive)
        assert node.deliver()
        retracting.retract(node.site, job, Reason.QUALITY)
        assert node.retract()
    assert node.job(job).state is State.RETRACTED
    assert rows(node, job)["retraction"] == ("there", COMMITTED)


# A foreign archive


def test_orthanc_commits_itself_on_an_association_of_its_own(
    node: Node, film: Path, tmp_path: Path
) -> None:
    modality = {"node": (nodes.AE_TITLE, "127.0.0.1", node.written.port)}
    with listening(node), Orthanc(tmp_path / "pacs", modalities=modality) as pacs:
        job = read(node, film, pacs, wait=20, commitment="required")
        assert node.deliver()
        assert node.job(job).state is State.DONE
        assert proven(node, job) == {("there", COMMITTED)}


def test_what_orthanc_has_lost_it_does_not_commit_itself_to_and_is_sent_again(
    node: Node, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modality = {"node": (nodes.AE_TITLE, "127.0.0.1", node.written.port)}
    with listening(node), Orthanc(tmp_path / "pacs", modalities=modality) as pacs:
        job = read(node, film, pacs, wait=20, commitment="required")

        enter = commitments.enter

        def lose_one_and_ask(*arguments: Any, **named: Any) -> bool:
            (lost,) = [
                one
                for one in pacs.client.instances.get_all_ids()
                if pacs.client.instances.get_tags(one)["Modality"] == "SR"
            ]
            pacs.client.instances.delete(lost)
            return enter(*arguments, **named)

        with monkeypatch.context() as patch:
            patch.setattr(commitments, "enter", lose_one_and_ask)
            assert node.deliver()
        assert rows(node, job)["sr"][0] == "sending"
        assert "0x0112, no such object instance" in rows(node, job)["sr"][1]
        assert rows(node, job)["seg"] == ("there", COMMITTED)
        again(node, job)
        assert node.job(job).state is State.DONE
        assert len(pacs.sop_instance_uids()) == 2


def test_an_orthanc_that_does_not_know_the_node_is_asked_by_a_query(
    node: Node, film: Path, tmp_path: Path
) -> None:
    with Orthanc(tmp_path / "pacs") as pacs:
        job = read(node, film, pacs)
        assert node.deliver()
        assert node.job(job).state is State.DONE
        assert proven(node, job) == {("there", FOUND)}


# Before a study comes


@pytest.mark.parametrize(
    ("behaviour", "commitment", "callers", "told", "failed"),
    [
        (reports_here, "offered", [], "offered", False),
        (reports_here, "offered", ["COMMITTER"], "offered", False),
        (reports_here, "offered", ["PACS"], "COMMITTER is not in receive.calling_ae_titles", True),
        (None, "offered", [], "not offered; a query decides", False),
        (None, "required", [], "not offered, and `required`", True),
    ],
)
def test_check_tells_whether_it_is_offered_and_can_be_reported(
    node: Node,
    behaviour: Behaviour | None,
    commitment: str,
    callers: list[str],
    told: str,
    *,
    failed: bool,
) -> None:
    with archive_of(node, behaviour).running() as archive:
        node.open(
            destinations=[destination(archive, commitment=commitment)],
            receive={"disk_reserve": "1 MB", "calling_ae_titles": callers},
        )
        result = next(
            one
            for one in checking.everything(node.site.configuration)
            if one.what.startswith("storage commitment of pacs: ")
        )
    assert told in result.what
    assert result.failed is failed
