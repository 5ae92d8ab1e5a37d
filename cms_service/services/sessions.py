"""Sessions: signed-in devices."""

from uuid import UUID

from cms_service.core.database import UnitOfWork
from cms_service.core.exceptions import NotFound
from cms_service.core.security import Actor
from cms_service.repositories import RefreshTokenRepository, UserRepository
from cms_service.schemas import Page, SessionRead
from cms_service.services._listing import whole
from cms_service.services._reading import read_session
from cms_service.services.audit_trail import AuditTrail


class SessionService:
    """Shows where users are signed in, and signs them out. An ended session's access tokens end with it."""

    def __init__(self, work: UnitOfWork, actor: Actor) -> None:
        self._actor = actor
        self._users = UserRepository(session=work.session, wrap_exceptions=False)
        self._sessions = RefreshTokenRepository(session=work.session, wrap_exceptions=False)
        self._audit = AuditTrail(work, actor)

    async def list_own(self) -> Page[SessionRead]:
        return await self._list(self._actor.require_user_id())

    async def end_own(self, session_id: UUID) -> None:
        """Raises NotFound where the actor has no such live session."""
        await self._end(self._actor.require_user_id(), session_id)

    async def end_all_own(self) -> None:
        """The actor is signed out everywhere, here too."""
        await self._end_all(self._actor.require_user_id())

    async def list_of(self, user_id: UUID) -> Page[SessionRead]:
        """Raises NotFound where there is no such user."""
        await self._users.get_live(user_id)
        return await self._list(user_id)

    async def end_of(self, user_id: UUID, session_id: UUID) -> None:
        """Raises NotFound where there is no such user, or it has no such live session."""
        await self._users.get_live(user_id)
        await self._end(user_id, session_id)

    async def end_all_of(self, user_id: UUID) -> None:
        """Raises NotFound where there is no such user."""
        await self._users.get_live(user_id)
        await self._end_all(user_id)

    async def _list(self, user_id: UUID) -> Page[SessionRead]:
        sessions = await self._sessions.live_of_user(user_id)
        return whole([read_session(session, self._actor.session_id) for session in sessions])

    async def _end(self, user_id: UUID, session_id: UUID) -> None:
        if not await self._sessions.revoke_one(session_id, user_id, self._reason(user_id)):
            raise NotFound("There is no such session.")
        self._audit.record("session.ended", "session", session_id)

    async def _end_all(self, user_id: UUID) -> None:
        for session_id in await self._sessions.revoke_all(user_id, self._reason(user_id)):
            self._audit.record("session.ended", "session", session_id)

    def _reason(self, user_id: UUID) -> str:
        return "ended_by_user" if user_id == self._actor.user_id else "ended_by_administrator"
