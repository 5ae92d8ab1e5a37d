"""What has changed in access, and which caches may still not know it."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Float, Interval, String, Uuid, bindparam, cast, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from cms_service.core.database import SERVER, DirectLine, FastLane, Question, Statement
from cms_service.models import AccessChange, CacheLease, Snapshot

MOST_CHANGES = 10_000
"""Read at once. Beyond it, forgetting everything is cheaper."""


class Change(msgspec.Struct, frozen=True, array_like=True):
    """Something that caches have to forget."""

    kind: str
    """As in `AccessChange`."""
    subject_id: UUID


class News(msgspec.Struct, frozen=True):
    """What a cache learns."""

    changes: list[Change] | None
    """All that was changed by transactions that were not visible before and are now; None: too much to tell."""
    snapshot: str
    """Which transactions are visible now."""
    now: float
    """The database's clock, in seconds since the epoch."""


_CHANGES = msgspec.json.Decoder(list[Change])
_SEEN = cast(bindparam("seen", type_=String), Snapshot)
_NOW = cast(func.extract("epoch", func.clock_timestamp()), Float).label("now")

_BEGINNING = Statement(select(cast(func.pg_current_snapshot(), String).label("snapshot"), SERVER))

_missed = (
    select(AccessChange.kind, AccessChange.subject_id)
    .where(
        AccessChange.xid >= func.pg_snapshot_xmin(_SEEN),
        ~func.pg_visible_in_snapshot(AccessChange.xid, _SEEN),
        # Rows of another cluster, as a restored dump brings them, may name transactions that are yet to come.
        func.pg_visible_in_snapshot(AccessChange.xid, func.pg_current_snapshot()),
    )
    .limit(MOST_CHANGES + 1)
    .subquery()
)
_lease = (
    insert(CacheLease)
    .values(
        id=bindparam("lease_id", type_=Uuid),
        expires_at=func.clock_timestamp() + bindparam("duration", type_=Interval),
        seen=_SEEN,
    )
    .on_conflict_do_update(
        index_elements=[CacheLease.id],
        set_={"expires_at": func.clock_timestamp() + bindparam("duration", type_=Interval), "seen": _SEEN},
    )
    .cte("lease")
)
# One statement sees one snapshot: what it tells as changes and what it tells as seen cannot disagree.
_news = select(
    cast(func.pg_current_snapshot(), String).label("snapshot"),
    _NOW,
    select(func.json_agg(func.json_build_array(_missed.c.kind, _missed.c.subject_id)))
    .scalar_subquery()
    .label("changes"),
)
_NEWS = Statement(_news)
_RENEWAL = Statement(_news.add_cte(_lease))
_gone = (
    delete(CacheLease).where(CacheLease.id == bindparam("lease_id", type_=Uuid)).returning(CacheLease.id).cte("gone")
)
_RETURN = Statement(select(func.count()).select_from(_gone))
_KNOWN = func.coalesce(cast(bindparam("known", type_=String), Snapshot), func.pg_current_snapshot())
_unheard = (
    select(func.max(func.extract("epoch", CacheLease.expires_at - func.clock_timestamp())))
    .where(
        CacheLease.expires_at > func.clock_timestamp(),
        select(AccessChange.xid)
        .where(
            AccessChange.xid >= func.pg_snapshot_xmin(CacheLease.seen),
            func.pg_visible_in_snapshot(AccessChange.xid, _KNOWN),
            ~func.pg_visible_in_snapshot(AccessChange.xid, CacheLease.seen),
        )
        .exists(),
    )
    .scalar_subquery()
)
_longest = (
    select(func.max(func.extract("epoch", CacheLease.expires_at - func.clock_timestamp())))
    .where(CacheLease.expires_at > func.clock_timestamp())
    .scalar_subquery()
)
_HEARING = Question(
    select(
        cast(_KNOWN, String).label("known"),
        cast(_unheard, Float).label("seconds"),
        func.coalesce(cast(_longest, Float), 0.0).label("longest_seconds"),
    )
)


class LeaseRepository:
    """One cache and its lease, on a line of its own."""

    def __init__(self, line: DirectLine) -> None:
        self._line = line

    async def begin(self) -> tuple[str, datetime]:
        """Which transactions are visible now, and the server as `Primary` names it."""
        row = await self._line.fetch_row(_BEGINNING)
        return row["snapshot"], row["server"]

    async def renew(self, lease_id: UUID, duration: timedelta, seen: str) -> News:
        """From now the lease lasts so long; its cache has forgotten all that was changed as of `seen`."""
        return _read_news(await self._line.fetch_row(_RENEWAL, lease_id=lease_id, duration=duration, seen=seen))

    async def read_news(self, seen: str) -> News:
        """The same without a word about the lease: nothing is written, so that it is quicker."""
        return _read_news(await self._line.fetch_row(_NEWS, seen=seen))

    async def give_back(self, lease_id: UUID) -> None:
        """Nobody has to wait for this cache any more."""
        await self._line.fetch_row(_RETURN, lease_id=lease_id)


class Heard(msgspec.Struct, frozen=True):
    """The state of the leases that a server has given."""

    server: datetime
    """As `Primary` names it."""
    known: str
    """The snapshot in which the changes are visible that were asked about."""
    seconds: float | None
    """For how long a cache may still go on without them; None where all have heard."""
    longest_seconds: float
    """For how long any cache may go on without hearing more; 0 where there is no lease."""


class HearingRepository:
    """Whether caches have heard, asked on the fast lane."""

    def __init__(self, lane: FastLane) -> None:
        self._lane = lane

    async def ask(self, known: str | None) -> Heard:
        """Whether all have heard of what is visible in `known`, or now where it is None."""
        row = await self._lane.ask(_HEARING, known=known)
        assert row is not None, "the statement yields a row"  # noqa: S101 - for the type checker
        return Heard(row["server"], row["known"], row["seconds"], row["longest_seconds"])


def _read_news(row: Any) -> News:
    changes = _CHANGES.decode(row["changes"] or "[]")
    return News(None if len(changes) > MOST_CHANGES else changes, row["snapshot"], row["now"])
