"""Opening sessions and keeping them alive."""

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from cms_service.core.config import Settings
from cms_service.core.database import UnitOfWork
from cms_service.core.dependencies import Clock, Entropy
from cms_service.core.exceptions import RefreshTokenInvalid, RefreshTokenReused
from cms_service.core.security import (
    SECRET_BYTES,
    AccessTokenCodec,
    Actor,
    PresentedRefreshToken,
    RefreshTokenCodec,
)
from cms_service.repositories import PresentedSession, RefreshTokenRepository
from cms_service.schemas import LogoutRequest, RefreshRequest, TokenResponse
from cms_service.services.audit_trail import AuditTrail
from cms_service.services.key_ring import KeyRing

MOST_SESSIONS = 100
"""Of one user, at once. A client that signs in again and again, rather than refresh, ends its own oldest ones."""


class TokenIssuer(msgspec.Struct, frozen=True):
    """What it takes to make tokens; one for the whole process."""

    settings: Settings
    key_ring: KeyRing
    access_tokens: AccessTokenCodec
    refresh_tokens: RefreshTokenCodec
    clock: Clock
    entropy: Entropy


class TokenService:
    """A session is a signed-in device. Its refresh token changes with every use, its row stays."""

    def __init__(self, work: UnitOfWork, actor: Actor, issuer: TokenIssuer) -> None:
        self._actor = actor
        self._issuer = issuer
        self._sessions = RefreshTokenRepository(session=work.session, wrap_exceptions=False)
        self._audit = AuditTrail(work, actor)

    async def open(self, user_id: UUID) -> TokenResponse:
        """A new session of the user, whose account is locked, on the device that asks."""
        settings, origin = self._issuer.settings, self._actor.origin
        secret = self._issuer.entropy.token_bytes(SECRET_BYTES)
        session = await self._sessions.open(
            user_id=user_id,
            secret=secret,
            idle_lifetime=timedelta(seconds=settings.refresh_idle_seconds),
            lifetime=timedelta(seconds=settings.refresh_absolute_seconds),
            ip=origin.ip if origin else None,
            user_agent=origin.user_agent if origin else None,
        )
        self._audit.record("session.opened", "session", session.id, actor_id=user_id)
        for session_id in await self._sessions.revoke_oldest(user_id, "too_many_sessions", kept=MOST_SESSIONS):
            self._audit.record("session.ended", "session", session_id, actor_id=user_id)
        refresh_token = self._issuer.refresh_tokens.encode(session.id, secret, 0)
        return await self._pair(
            user_id, session.id, session.authenticated_at, refresh_token, settings.refresh_absolute_seconds
        )

    async def rotate(self, data: RefreshRequest) -> TokenResponse:
        """A fresh pair. The token is spent; in the seconds of grace, its holder gets the same successor again.

        Two tabs that refresh at once thus stay signed in, while a stolen token that comes back later gives itself
        away (RFC 9700 §4.14.2).

        Raises:
            RefreshTokenInvalid: it is not ours, or its session has ended or expired.
            RefreshTokenReused: it was spent before; the session has now been ended.
        """
        token, session = await self._present(data.refresh_token)
        if not session.is_live:
            raise RefreshTokenInvalid
        idle_lifetime = timedelta(seconds=self._issuer.settings.refresh_idle_seconds)
        if token.counter == session.counter:
            if await self._sessions.rotate(token.session_id, token.counter, idle_lifetime):
                return await self._continue(token.session_id, session, token.counter + 1)
            # Another request with the same token was faster, or the session has ended meanwhile.
            token, session = await self._present(data.refresh_token)
            if not session.is_live:
                raise RefreshTokenInvalid
        is_parent = token.counter == session.counter - 1
        if is_parent and session.seconds_since_rotation <= self._issuer.settings.refresh_grace_seconds:
            return await self._continue(token.session_id, session, session.counter)
        if await self._sessions.revoke_one(token.session_id, session.user_id, "refresh_token_reused"):
            self._audit.record(
                "session.reuse_detected", "session", token.session_id, after={"user_id": session.user_id}
            )
        raise RefreshTokenReused

    async def end(self, data: LogoutRequest | None) -> None:
        """The session of the refresh token or, without one, that of the access token has ended, now or before.

        Raises:
            RefreshTokenInvalid: the refresh token is not ours.
            AuthenticationRequired: there is neither.
        """
        if data is not None and data.refresh_token is not None:
            token, session = await self._present(data.refresh_token)
            user_id, session_id = session.user_id, token.session_id
        else:
            user_id, session_id = self._actor.require_user_id(), self._actor.require_session_id()
        if await self._sessions.revoke_one(session_id, user_id, "logout"):
            self._audit.record("session.ended", "session", session_id, actor_id=user_id)

    async def end_others(self, reason: str) -> None:
        """Every session of the actor but the current one has ended."""
        user_id = self._actor.require_user_id()
        for session_id in await self._sessions.revoke_all(user_id, reason, except_id=self._actor.session_id):
            self._audit.record("session.ended", "session", session_id)

    async def _present(self, refresh_token: str) -> tuple[PresentedRefreshToken, PresentedSession]:
        token = self._issuer.refresh_tokens.decode(refresh_token)
        session = await self._sessions.find_presented(token.session_id)
        is_genuine = session is not None and self._issuer.refresh_tokens.is_genuine(token, session.secret)
        if session is None or not is_genuine or token.counter > session.counter:
            raise RefreshTokenInvalid
        return token, session

    async def _continue(self, session_id: UUID, session: PresentedSession, counter: int) -> TokenResponse:
        refresh_token = self._issuer.refresh_tokens.encode(session_id, session.secret, counter)
        remaining_seconds = int((session.expires_at - session.now).total_seconds())
        return await self._pair(session.user_id, session_id, session.authenticated_at, refresh_token, remaining_seconds)

    async def _pair(
        self, user_id: UUID, session_id: UUID, authenticated_at: datetime, refresh_token: str, remaining_seconds: int
    ) -> TokenResponse:
        issuer = self._issuer
        access_token = issuer.access_tokens.sign(
            await issuer.key_ring.signer(),
            user_id=user_id,
            session_id=session_id,
            authenticated_at=authenticated_at,
            token_id=issuer.entropy.token_bytes(16).hex(),
            now=issuer.clock.now(),
        )
        return TokenResponse(
            access_token=access_token,
            token_type="Bearer",  # noqa: S106 - a scheme, not a secret
            expires_in=issuer.access_tokens.lifetime_seconds,
            refresh_token=refresh_token,
            refresh_expires_in=max(0, min(issuer.settings.refresh_idle_seconds, remaining_seconds)),
        )
