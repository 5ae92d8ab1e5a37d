"""Counting attempts, where every replica sees them. Each statement is its own transaction: no refusal undoes it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    Interval,
    LargeBinary,
    String,
    and_,
    bindparam,
    case,
    func,
    literal,
    select,
    update,
)
from sqlalchemy import delete as delete_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningInsert
from sqlalchemy.sql.elements import Grouping

from cms_service.core.database import FastLane, Statement, UnitOfWork
from cms_service.models import Throttle


class Purpose(StrEnum):
    """What is counted."""

    ACCOUNT = "account"
    """Attempts of strangers on an account; `failures` counts those of everybody. The subject is its id."""
    ADDRESS = "address"
    """The same, of an address that has no account."""
    DEVICE = "device"
    SESSION = "session"
    NETWORK = "network"


class Counter(msgspec.Struct, frozen=True):
    """What is counted, and by which rule."""

    purpose: Purpose
    subject: bytes
    free: int
    """So many attempts in a row are let through at once."""
    delays: Sequence[timedelta]
    """How long nothing is let through after each of those, after one more, two more …; the last counts for the rest."""
    forgotten_after: timedelta
    """After a pause this long, an attempt is the first in a row again."""
    most_failures: int
    """As far as this counter can raise the count of failures, and no further."""

    def as_values(self) -> dict[str, Any]:
        return msgspec.structs.asdict(self)


class ThrottleState(msgspec.Struct, frozen=True):
    """What is known of one account."""

    failures: int
    """Since the last success."""
    blocked_until: datetime | None
    """None where it is over."""


_NOW = func.clock_timestamp()
_DELAYS: ColumnElement[Any] = Grouping(bindparam("delays", type_=ARRAY(Interval)))
_STREAK = case(
    (Throttle.last_failed_at < _NOW - bindparam("forgotten_after", type_=Interval), 1), else_=Throttle.streak + 1
)
_FAILURES = func.greatest(
    Throttle.failures, func.least(Throttle.failures + 1, bindparam("most_failures", type_=Integer))
)
_IS_OPEN = Throttle.blocked_until <= _NOW
IS_PAST_FREE = and_(
    Throttle.streak >= bindparam("free", type_=Integer),
    Throttle.last_failed_at >= _NOW - bindparam("forgotten_after", type_=Interval),
).label("is_past_free")
_WAIT_SECONDS = func.greatest(0, func.extract("epoch", Throttle.blocked_until - _NOW)).label("wait_seconds")
IS_COUNTER = and_(
    Throttle.purpose == bindparam("purpose", type_=String), Throttle.subject == bindparam("subject", type_=LargeBinary)
)
_IS_ACCOUNT = and_(
    Throttle.purpose == Purpose.ACCOUNT.value, Throttle.subject == bindparam("account", type_=LargeBinary)
)


def _delay_after(streak: ColumnElement[int]) -> ColumnElement[Any]:
    beyond = func.greatest(streak - bindparam("free", type_=Integer) + 2, 1)
    return _DELAYS[func.least(beyond, func.cardinality(_DELAYS))]


def _count(*, only_if: ColumnElement[bool] | None) -> ReturningInsert[int]:
    """One more attempt. No row comes back, and nothing is counted, where the row is there and not as asked for."""
    first = {"failures": 1, "streak": 1, "last_failed_at": _NOW, "blocked_until": _NOW + _delay_after(literal(1))}
    return (
        insert(Throttle)
        .values(purpose=bindparam("purpose", type_=String), subject=bindparam("subject", type_=LargeBinary), **first)
        .on_conflict_do_update(
            index_elements=[Throttle.purpose, Throttle.subject],
            set_={
                "failures": _FAILURES,
                "streak": _STREAK,
                "last_failed_at": _NOW,
                "blocked_until": _NOW + _delay_after(_STREAK),
            },
            where=only_if,
        )
        .returning(Throttle.failures)
    )


def _count_besides() -> ReturningInsert[int]:
    """The same, counted on the account as well, without holding up anybody there."""
    counted = _count(only_if=_IS_OPEN).cte("counted")
    return (
        insert(Throttle)
        .from_select(
            ["purpose", "subject", "failures"],
            select(literal(Purpose.ACCOUNT.value), bindparam("account", type_=LargeBinary), literal(1)).select_from(
                counted
            ),
        )
        .on_conflict_do_update(
            index_elements=[Throttle.purpose, Throttle.subject],
            set_={"failures": _FAILURES, "last_failed_at": _NOW},
        )
        .returning(Throttle.failures)
    )


_COUNT = Statement(_count(only_if=_IS_OPEN))
_COUNT_ALWAYS = Statement(_count(only_if=None))
_COUNT_BESIDES = Statement(_count_besides())
_WAIT = Statement(select(_WAIT_SECONDS).where(IS_COUNTER))
_FEWER_FAILURES = func.greatest(Throttle.failures - 1, 0)
_UNCOUNT = Statement(
    update(Throttle)
    .where(IS_COUNTER)
    .values(failures=_FEWER_FAILURES, streak=func.greatest(Throttle.streak - 1, 0), blocked_until=_NOW)
)
_UNCOUNT_FAILURE = Statement(update(Throttle).where(_IS_ACCOUNT).values(failures=_FEWER_FAILURES))


class ThrottleRepository:
    """Works on the fast lane."""

    def __init__(self, lane: FastLane) -> None:
        self._lane = lane

    async def count(self, counter: Counter, account_id: UUID | None = None) -> int | None:
        """One more attempt; the account's failures since the last success, or the counter's own where there is none.

        None where attempts are being held up: then nothing was counted.
        """
        if account_id is None or counter.purpose is Purpose.ACCOUNT:
            row = await self._lane.fetch_row(_COUNT, **counter.as_values())
        else:
            row = await self._lane.fetch_row(_COUNT_BESIDES, **counter.as_values(), account=account_id.bytes)
        return None if row is None else int(row["failures"])

    async def count_failure(self, counter: Counter) -> None:
        """One more failure, also while attempts are being held up: what was let through before may still fail."""
        await self._lane.fetch_row(_COUNT_ALWAYS, **counter.as_values())

    async def uncount(self, counter: Counter, account_id: UUID | None = None) -> None:
        """The attempt did not happen after all."""
        await self._lane.fetch_row(_UNCOUNT, purpose=counter.purpose, subject=counter.subject)
        if account_id is not None and counter.purpose is not Purpose.ACCOUNT:
            await self._lane.fetch_row(_UNCOUNT_FAILURE, account=account_id.bytes)

    async def wait_seconds(self, counter: Counter) -> float:
        """How long attempts are being held up from now on; 0 where they are not."""
        row = await self._lane.fetch_row(_WAIT, purpose=counter.purpose, subject=counter.subject)
        return 0 if row is None else float(row["wait_seconds"])


class AccountThrottleRepository:
    """What was tried on accounts, for those who look after them."""

    def __init__(self, work: UnitOfWork) -> None:
        self._session = work.session

    async def state(self, account_id: UUID) -> ThrottleState:
        """What strangers' attempts, and with `failures` everybody's, amount to."""
        statement = select(Throttle.failures, case((Throttle.blocked_until > _NOW, Throttle.blocked_until)))
        row = (await self._session.execute(statement.where(_IS_ACCOUNT), {"account": account_id.bytes})).one_or_none()
        return ThrottleState(0, None) if row is None else ThrottleState(*row)

    async def forget(self, account_id: UUID) -> None:
        """No stranger has ever tried, and nobody has failed since the last success."""
        await self._session.execute(delete_(Throttle).where(_IS_ACCOUNT), {"account": account_id.bytes})

    async def forget_failures(self, counter: Counter, account_id: UUID) -> None:
        """An attempt of somebody known has succeeded: the next is the first again, and so is the next failure."""
        counted = {"purpose": counter.purpose.value, "subject": counter.subject}
        await self._session.execute(delete_(Throttle).where(IS_COUNTER), counted)
        await self._session.execute(
            update(Throttle).where(_IS_ACCOUNT).values(failures=0), {"account": account_id.bytes}
        )
