"""Signing in: one statement before the password is checked, and one after. Each is its own transaction."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    ColumnElement,
    Executable,
    Interval,
    LargeBinary,
    String,
    Uuid,
    and_,
    bindparam,
    func,
    literal,
    select,
)
from sqlalchemy import delete as delete_
from sqlalchemy import insert as insert_
from sqlalchemy import update as update_
from uuid_utils.compat import uuid7

from cms_service.core.database import SERVER, FastLane, Statement
from cms_service.models import AuditEvent, RefreshToken, Throttle, User
from cms_service.repositories.directory import SHOWN
from cms_service.repositories.refresh_token import LiveSession, is_live
from cms_service.repositories.throttle import IS_COUNTER, IS_PAST_FREE, Counter, Purpose
from cms_service.repositories.user import Credentials

MOST_SESSIONS = 100
"""Of one user, at once. A client that signs in again and again, rather than refresh, ends its own oldest ones.
Sign-ins at the same moment do not see each other, and leave it to the next to count them."""


class SignInOrigin(msgspec.Struct, frozen=True):
    """From where somebody signs in, as the session and the audit trail keep it."""

    ip: str | None
    user_agent: str | None
    request_id: str | None


class Opened(msgspec.Struct, frozen=True):
    """A sign-in that has succeeded."""

    session: LiveSession
    user: dict[str, Any]
    """The members of the account: see `directory.SHOWN`."""
    has_ended_others: bool
    """Whether other sessions of the user have ended with it, since it had too many."""
    server: datetime
    """Where it was committed, as `Primary` names it."""


_CREDENTIALS = Statement(
    select(User.id, User.password_hash, User.is_active, User.password_changed_at, IS_PAST_FREE)
    .select_from(select(literal(1)).subquery("always"))
    .outerjoin(User, and_(User.email == bindparam("email"), User.deleted_at.is_(None)))
    .outerjoin(Throttle, IS_COUNTER)
)


def _opening() -> Executable:
    account = (
        select(*SHOWN)
        .where(
            User.id == bindparam("user_id"),
            User.password_hash == bindparam("password_hash"),
            User.is_active,
            User.deleted_at.is_(None),
        )
        .with_for_update(of=User, key_share=True)
        .cte("account")
    )
    session = (
        insert_(RefreshToken)
        .from_select(
            ["id", "user_id", "secret", "idle_expires_at", "expires_at", "ip", "user_agent"],
            select(
                bindparam("session_id", type_=Uuid),
                account.c.id,
                bindparam("secret", type_=LargeBinary),
                func.now() + bindparam("idle_lifetime", type_=Interval),
                func.now() + bindparam("lifetime", type_=Interval),
                bindparam("ip", type_=String),
                bindparam("user_agent", type_=String),
            ),
            include_defaults=False,
        )
        .returning(
            RefreshToken.id,
            RefreshToken.user_id,
            RefreshToken.counter,
            RefreshToken.authenticated_at,
            RefreshToken.expires_at,
        )
        .cte("session")
    )
    is_opened = select(session.c.id).exists()
    surplus = (
        update_(RefreshToken)
        .where(
            is_opened,
            RefreshToken.id.in_(
                select(RefreshToken.id)
                .where(RefreshToken.user_id == bindparam("user_id"), is_live())
                .order_by(RefreshToken.last_used_at.desc(), RefreshToken.id.desc())
                .offset(MOST_SESSIONS - 1)
            ),
        )
        .values(revoked_at=func.now(), revoked_reason="too_many_sessions", version=RefreshToken.version + 1)
        .returning(RefreshToken.id, RefreshToken.user_id)
        .cte("surplus")
    )
    counter = delete_(Throttle).where(is_opened, IS_COUNTER).returning(Throttle.purpose).cte("counter")
    # Looks at the counter, so that the two rows are locked in the order in which counting locks them.
    failures = (
        update_(Throttle)
        .where(
            is_opened,
            select(func.count()).select_from(counter).scalar_subquery() >= 0,
            bindparam("purpose", type_=String) != Purpose.ACCOUNT.value,
            Throttle.purpose == Purpose.ACCOUNT.value,
            Throttle.subject == func.uuid_send(bindparam("user_id", type_=Uuid)),
        )
        .values(failures=0)
    )
    of_session = [column.label(f"session_{column.name}") for column in session.c]
    has_ended_others = select(surplus.c.id).exists().label("has_ended_others")
    return select(*account.c, *of_session, func.now().label("now"), SERVER, has_ended_others).add_cte(
        _audit("session.opened", session, bindparam("event_id", type_=Uuid)).cte("opening"),
        # One id for each: made by the database, whose version may not know UUIDv7 yet.
        _audit("session.ended", surplus, func.gen_random_uuid()).cte("endings"),
        failures.cte("failures"),
    )


def _audit(action: str, sessions: Any, event_id: ColumnElement[UUID]) -> Any:
    return insert_(AuditEvent).from_select(
        ["id", "actor_id", "action", "target_type", "target_id", "request_id", "ip"],
        select(
            event_id,
            sessions.c.user_id,
            literal(action),
            literal("session"),
            sessions.c.id,
            bindparam("request_id", type_=String),
            bindparam("ip", type_=String),
        ),
        include_defaults=False,
    )


_OPENING = Statement(_opening())
_FAILURE = Statement(
    insert_(AuditEvent).values(
        id=bindparam("id"),
        action="session.login_failed",
        target_type="user",
        target_id=bindparam("user_id", type_=Uuid),
        request_id=bindparam("request_id", type_=String),
        ip=bindparam("ip", type_=String),
    )
)
_RENEWAL = Statement(
    update_(User)
    .where(User.id == bindparam("user_id"), User.password_hash == bindparam("old_hash"))
    .values(password_hash=bindparam("new_hash"), updated_at=User.updated_at)
)


class SignInRepository:
    """Works on the fast lane."""

    def __init__(self, lane: FastLane) -> None:
        self._lane = lane

    async def find_credentials(self, email: str, network: Counter) -> tuple[Credentials | None, bool]:
        """What a sign-in to the account is checked against, and whether the network's free attempts are used up.

        `email` is in its canonical form.
        """
        row = await self._lane.fetch_row(_CREDENTIALS, email=email, **network.as_values())
        assert row is not None, "an outer join of one row"  # noqa: S101 - for the type checker
        *credentials, is_past_free = row
        return (Credentials(*credentials) if row["id"] is not None else None), bool(is_past_free)

    async def open(  # noqa: PLR0913 - a row is made of its columns
        self,
        credentials: Credentials,
        *,
        secret: bytes,
        idle_lifetime: timedelta,
        lifetime: timedelta,
        origin: SignInOrigin,
        counter: Counter,
    ) -> Opened | None:
        """A new session, on record; the user's oldest ones have ended, and the failures before it are forgotten.

        Its limits count from now by the database's clock. None where the account has changed in what the sign-in was
        checked against.
        """
        row = await self._lane.fetch_row(
            _OPENING,
            user_id=credentials.user_id,
            password_hash=credentials.password_hash,
            session_id=uuid7(),
            event_id=uuid7(),
            secret=secret,
            idle_lifetime=idle_lifetime,
            lifetime=lifetime,
            ip=origin.ip,
            user_agent=origin.user_agent,
            request_id=origin.request_id,
            purpose=counter.purpose,
            subject=counter.subject,
        )
        if row is None:
            return None
        members = dict(row)
        has_ended_others, server = members.pop("has_ended_others"), members.pop("server")
        session = LiveSession(
            id=members.pop("session_id"),
            user_id=members.pop("session_user_id"),
            secret=secret,
            counter=members.pop("session_counter"),
            authenticated_at=members.pop("session_authenticated_at"),
            expires_at=members.pop("session_expires_at"),
            now=members.pop("now"),
        )
        return Opened(session, members, has_ended_others, server)

    async def record_failure(self, user_id: UUID | None, origin: SignInOrigin) -> None:
        """A sign-in that has failed is on record."""
        await self._lane.fetch_row(_FAILURE, id=uuid7(), user_id=user_id, request_id=origin.request_id, ip=origin.ip)

    async def renew_hash(self, credentials: Credentials, password_hash: str) -> None:
        """The same password is stored as another hash, unless something else has been stored meanwhile."""
        await self._lane.fetch_row(
            _RENEWAL, user_id=credentials.user_id, old_hash=credentials.password_hash, new_hash=password_hash
        )
