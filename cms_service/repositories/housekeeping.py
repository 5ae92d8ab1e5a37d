"""Finding and deleting what no longer counts, a little at a time."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import Uuid, case, cast, delete, exists, func, or_, select

from cms_service.core.database import UnitOfWork
from cms_service.models import (
    AccessChange,
    ApiKey,
    CacheLease,
    IdempotencyKey,
    RefreshToken,
    RevokedToken,
    SigningKey,
    Throttle,
    User,
)
from cms_service.repositories.throttle import Purpose

HOUSEKEEPING_LOCK = 0x636D735F686F7573  # "cms_hous"


class HousekeepingRepository:
    """Deletes rows that were dead for some time already."""

    def __init__(self, work: UnitOfWork) -> None:
        self._session = work.session

    async def try_lock(self) -> bool:
        """Whether no other process keeps house before this transaction ends; also asked again, to keep it alive."""
        return bool(await self._session.scalar(select(func.pg_try_advisory_xact_lock(HOUSEKEEPING_LOCK))))

    async def purge_sessions(self, dead_for: timedelta, after: UUID, limit: int) -> tuple[UUID | None, int]:
        """Looks at the next `limit` sessions after that id; the last one looked at, if any, and how many are gone.

        It walks the primary key, so that no rotation has to maintain an index for this.
        """
        cutoff = func.now() - dead_for
        is_dead = or_(
            func.coalesce(RefreshToken.revoked_at < cutoff, False),
            RefreshToken.idle_expires_at < cutoff,
            RefreshToken.expires_at < cutoff,
        )
        page = select(RefreshToken.id, is_dead.label("is_dead")).where(RefreshToken.id > after)
        rows = (await self._session.execute(page.order_by(RefreshToken.id).limit(limit))).all()
        dead = [row.id for row in rows if row.is_dead]
        if dead:
            await self._session.execute(delete(RefreshToken).where(RefreshToken.id.in_(dead)))
        return (rows[-1].id if rows else None), len(dead)

    async def purge_throttles(self, idle_for: timedelta, limit: int) -> int:
        """Deletes counters that hold up nobody any more; the failures of a live account are never forgotten."""
        # CASE, since only the subject of an account is an id, and PostgreSQL may evaluate conditions in any order.
        account_id = case((Throttle.purpose == Purpose.ACCOUNT.value, cast(func.encode(Throttle.subject, "hex"), Uuid)))
        is_of_live_account = exists().where(User.id == account_id, User.deleted_at.is_(None))
        idle = (
            select(Throttle.purpose, Throttle.subject)
            .where(
                Throttle.last_failed_at < func.now() - idle_for,
                Throttle.blocked_until < func.now(),
                or_(Throttle.purpose != Purpose.ACCOUNT.value, Throttle.failures == 0, ~is_of_live_account),
            )
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("idle")
        )
        statement = delete(Throttle).where(Throttle.purpose == idle.c.purpose, Throttle.subject == idle.c.subject)
        return len((await self._session.execute(statement.returning(Throttle.purpose))).all())

    async def purge_signing_keys(self, retired_for: timedelta) -> int:
        """Deletes keys that have verified nothing for so long, and with them the private keys."""
        statement = delete(SigningKey).where(SigningKey.retires_at < func.now() - retired_for)
        return len((await self._session.execute(statement.returning(SigningKey.kid))).all())

    async def purge_api_keys(self, dead_for: timedelta) -> int:
        """Deletes keys that were revoked or have expired so long ago."""
        cutoff = func.now() - dead_for
        is_dead = or_(func.coalesce(ApiKey.revoked_at < cutoff, False), ApiKey.expires_at < cutoff)
        return len((await self._session.execute(delete(ApiKey).where(is_dead).returning(ApiKey.id))).all())

    async def purge_revoked_tokens(self, expired_for: timedelta) -> int:
        """Deletes what is known of revoked tokens that would have expired by themselves so long ago."""
        statement = delete(RevokedToken).where(RevokedToken.expires_at < func.now() - expired_for)
        return len((await self._session.execute(statement.returning(RevokedToken.jti))).all())

    async def purge_idempotency_keys(self, kept_for: timedelta, limit: int) -> int:
        """Deletes answers that nobody is given any more."""
        old = select(IdempotencyKey.digest).where(IdempotencyKey.created_at < func.now() - kept_for)
        statement = delete(IdempotencyKey).where(IdempotencyKey.digest.in_(old.limit(limit)))
        return len((await self._session.execute(statement.returning(IdempotencyKey.digest))).all())

    async def purge_access_changes(self, known_for: timedelta, limit: int) -> int:
        """Deletes changes that every cache has heard of, or has started anew since."""
        # It was recorded when its transaction began, which may have gone on for long.
        is_unheard = exists().where(
            CacheLease.expires_at > func.clock_timestamp(),
            ~func.pg_visible_in_snapshot(AccessChange.xid, CacheLease.seen),
        )
        old = select(AccessChange.xid).where(AccessChange.at < func.now() - known_for, ~is_unheard)
        statement = delete(AccessChange).where(AccessChange.xid.in_(old.limit(limit)))
        return len((await self._session.execute(statement.returning(AccessChange.subject_id))).all())

    async def purge_cache_leases(self, expired_for: timedelta) -> int:
        """Deletes what processes have left behind that could not give it back."""
        statement = delete(CacheLease).where(CacheLease.expires_at < func.now() - expired_for)
        return len((await self._session.execute(statement.returning(CacheLease.id))).all())
