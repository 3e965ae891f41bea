"""Which job is next, asked so that the answer costs the same however many wait or have ended.

For each state and priority the index (state, priority, due_at) holds the jobs in the order in which
they are due: the first of each is looked at, and the next is one of these few.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    union_all,
)

from dicom_node.ledger.database import now
from dicom_node.ledger.tables import jobs
from dicom_node.study import Priority

_WANTED = (
    jobs.c.id,
    jobs.c.state,
    jobs.c.state_since,
    jobs.c.attempts,
    jobs.c.lost,
    jobs.c.lease_until,
    jobs.c.priority,
    jobs.c.due_at,
)


def first(
    connection: Connection, states: tuple[str, ...], patience: float | None
) -> Row[Any] | None:
    """Whose turn it is in these states: who has waited for longer than ``patience`` seconds goes
    before all, if that is given.
    """
    longest = None
    if patience is not None:
        longest = connection.execute(overdue(states), {"patience": patience}).first()
    return longest or connection.execute(in_turn(states)).first()


@cache
def in_turn(states: tuple[str, ...]) -> Select[Any]:
    """The job in these states that is due and next: of those of the highest priority the one that
    has waited longest.
    """
    first = _first_of_each(states, jobs.c.due_at <= now())
    return select(first).order_by(first.c.priority.desc(), first.c.due_at).limit(1)


@cache
def overdue(states: tuple[str, ...]) -> Select[Any]:
    """The job that has waited longest, if for more than the parameter ``patience`` seconds."""
    first = _first_of_each(states, jobs.c.due_at < now() - bindparam("patience"))
    return select(first).order_by(first.c.due_at).limit(1)


@cache
def waiting(states: tuple[str, ...], most: int) -> Select[Any]:
    """How many jobs in these states are due; of more than ``most`` only so many are counted."""
    some = union_all(
        *(
            select(subquery)
            for subquery in (
                select(literal_column("1").label("one"))
                .where(*_is_due(state, priority), jobs.c.due_at <= now())
                .limit(most)
                .subquery()
                for state, priority in _each(states)
            )
        )
    ).subquery()
    capped = select(some).limit(most).subquery()
    return select(func.count()).select_from(capped)


def _first_of_each(states: tuple[str, ...], *conditions: ColumnElement[bool]) -> Any:
    return union_all(
        *(
            select(
                select(*_WANTED)
                .where(*_is_due(state, priority), *conditions)
                .order_by(jobs.c.due_at)
                .limit(1)
                .subquery()
            )
            for state, priority in _each(states)
        )
    ).subquery()


def _each(states: tuple[str, ...]) -> Iterable[tuple[str, Priority]]:
    return ((state, priority) for state in states for priority in Priority)


def _is_due(state: str, priority: Priority) -> tuple[ColumnElement[bool], ...]:
    return (
        jobs.c.state == state,
        jobs.c.priority == priority,
        or_(jobs.c.lease_until.is_(None), jobs.c.lease_until <= now()),
    )
