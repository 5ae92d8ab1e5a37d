"""Keeping sessions alive, and ending them."""

from datetime import timedelta

from cms_service.core.database import UnitOfWork, WorkFactory
from cms_service.core.exceptions import RefreshTokenInvalid, RefreshTokenReused
from cms_service.core.security import Actor, PresentedRefreshToken, proof_of
from cms_service.repositories import PresentedSession, RefreshTokenRepository, RotationRepository
from cms_service.schemas import LogoutRequest, RefreshRequest, TokenResponse
from cms_service.services.audit_trail import AuditTrail
from cms_service.services.token_issuer import TokenIssuer


class RefreshService:
    """A session is a signed-in device. Its refresh token changes with every use, its row stays.

    One for the whole process. What happens all day is one statement; only a token that turns out not to be the live
    one takes a unit of work.
    """

    def __init__(self, rotations: RotationRepository, work: WorkFactory, issuer: TokenIssuer) -> None:
        self._rotations = rotations
        self._work = work
        self._issuer = issuer
        self._idle_lifetime = timedelta(seconds=issuer.settings.refresh_idle_seconds)

    async def refresh(self, data: RefreshRequest, actor: Actor) -> TokenResponse:
        """A fresh pair. The token is spent; in the seconds of grace, its holder gets the same successor again.

        Two tabs that refresh at once thus stay signed in, while a stolen token that comes back later gives itself
        away (RFC 9700 §4.14.2).

        Raises:
            RefreshTokenInvalid: it is not ours, or its session has ended or expired.
            RefreshTokenReused: it was spent before; the session has now been ended.
        """
        token = self._issuer.refresh_tokens.decode(data.refresh_token)
        session = await self._rotations.rotate(token.session_id, token.counter, token.proof, self._idle_lifetime)
        if session is None:
            async with self._work() as work:
                return await TokenService(work, actor, self._issuer).repeat(token)
        return await self._issuer.issue_pair(session)


class TokenService:
    """What refresh tokens do besides rotating."""

    def __init__(self, work: UnitOfWork, actor: Actor, issuer: TokenIssuer) -> None:
        self._actor = actor
        self._issuer = issuer
        self._sessions = RefreshTokenRepository(session=work.session, wrap_exceptions=False)
        self._audit = AuditTrail(work, actor)

    async def repeat(self, token: PresentedRefreshToken) -> TokenResponse:
        """The pair that followed a token which was spent just now.

        Raises:
            RefreshTokenInvalid: it is not ours, or its session has ended or expired.
            RefreshTokenReused: it was spent long ago, or its successor was; the session has now been ended.
        """
        presented = await self._present(token)
        session = presented.session
        if not presented.is_live or token.counter == session.counter:
            raise RefreshTokenInvalid
        is_parent = token.counter == session.counter - 1
        if is_parent and presented.seconds_since_rotation <= self._issuer.settings.refresh_grace_seconds:
            return await self._issuer.issue_pair(session)
        if await self._sessions.revoke_one(session.id, session.user_id, "refresh_token_reused"):
            self._audit.record("session.reuse_detected", "session", session.id, after={"user_id": session.user_id})
        raise RefreshTokenReused

    async def end(self, data: LogoutRequest | None) -> None:
        """The session of the refresh token or, without one, that of the access token has ended, now or before.

        Raises:
            RefreshTokenInvalid: the refresh token is not ours.
            AuthenticationRequired: there is neither.
        """
        if data is not None and data.refresh_token is not None:
            session = (await self._present(self._issuer.refresh_tokens.decode(data.refresh_token))).session
            user_id, session_id = session.user_id, session.id
        else:
            user_id, session_id = self._actor.require_user_id(), self._actor.require_session_id()
        if await self._sessions.revoke_one(session_id, user_id, "logout"):
            self._audit.record("session.ended", "session", session_id, actor_id=user_id)

    async def _present(self, token: PresentedRefreshToken) -> PresentedSession:
        presented = await self._sessions.find_presented(token.session_id)
        if (
            presented is None
            or token.counter > presented.session.counter
            or token.proof != proof_of(presented.session.secret, token.counter)
        ):
            raise RefreshTokenInvalid
        return presented
