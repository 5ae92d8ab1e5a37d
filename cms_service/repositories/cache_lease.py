"""What has changed in access, and which caches may still not know it."""

from datetime import timedelta
from uuid import UUID

import msgspec
from sqlalchemy import Float, Interval, String, Uuid, bindparam, cast, delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from cms_service.core.database import DirectLine, FastLane, Statement
from cms_service.models import AccessChange, CacheLease, Snapshot, TransactionId

MOST_CHANGES = 10_000
"""Read at once. Beyond it, forgetting everything is cheaper."""


class Change(msgspec.Struct, frozen=True, array_like=True):
    """Something that caches have to forget."""

    kind: str
    """As in `AccessChange`."""
    subject_id: UUID


class News(msgspec.Struct, frozen=True):
    """What a cache learns when it renews its lease."""

    changes: list[Change] | None
    """All that was changed by transactions that were not visible before and are now; None: too much to tell."""
    snapshot: str
    """Which transactions are visible now."""
    now: float
    """The database's clock, in seconds since the epoch."""


_CHANGES = msgspec.json.Decoder(list[Change])
_SEEN = cast(bindparam("seen", type_=String), Snapshot)
_NOW = cast(func.extract("epoch", func.clock_timestamp()), Float).label("now")

_SNAPSHOT = Statement(select(cast(func.pg_current_snapshot(), String).label("snapshot")))

_missed = (
    select(AccessChange.kind, AccessChange.subject_id)
    .where(
        AccessChange.xid >= func.pg_snapshot_xmin(_SEEN),
        ~func.pg_visible_in_snapshot(AccessChange.xid, _SEEN),
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
_RENEWAL = Statement(
    select(
        cast(func.pg_current_snapshot(), String).label("snapshot"),
        _NOW,
        select(func.json_agg(func.json_build_array(_missed.c.kind, _missed.c.subject_id)))
        .scalar_subquery()
        .label("changes"),
    ).add_cte(_lease)
)
_RETURN = Statement(delete(CacheLease).where(CacheLease.id == bindparam("lease_id", type_=Uuid)).returning(literal(1)))
_IS_UNHEARD = Statement(
    select(
        select(CacheLease.id)
        .where(
            CacheLease.expires_at > func.clock_timestamp(),
            ~func.pg_visible_in_snapshot(
                cast(cast(bindparam("xid", type_=String), String), TransactionId), CacheLease.seen
            ),
        )
        .exists()
        .label("is_unheard")
    )
)


class LeaseRepository:
    """One cache and its lease, on a line of its own."""

    def __init__(self, line: DirectLine) -> None:
        self._line = line

    async def snapshot(self) -> str:
        """Which transactions are visible now."""
        snapshot: str = (await self._line.fetch_row(_SNAPSHOT))["snapshot"]
        return snapshot

    async def renew(self, lease_id: UUID, duration: timedelta, seen: str) -> News:
        """From now the lease lasts so long; its cache has forgotten all that was changed as of `seen`."""
        row = await self._line.fetch_row(_RENEWAL, lease_id=lease_id, duration=duration, seen=seen)
        changes = _CHANGES.decode(row["changes"] or "[]")
        return News(None if len(changes) > MOST_CHANGES else changes, row["snapshot"], row["now"])

    async def give_back(self, lease_id: UUID) -> None:
        """Nobody has to wait for this cache any more."""
        await self._line.fetch_row(_RETURN, lease_id=lease_id)


class HearingRepository:
    """Whether caches have heard, asked on the fast lane."""

    def __init__(self, lane: FastLane) -> None:
        self._lane = lane

    async def is_heard(self, xid: int) -> bool:
        """Whether every cache that has a lease has forgotten what the transaction changed."""
        row = await self._lane.fetch_row(_IS_UNHEARD, xid=str(xid))
        return row is not None and not row["is_unheard"]
