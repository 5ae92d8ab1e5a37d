"""Sessions of a user, for those who look after them."""

from uuid import UUID

from litestar import Controller, delete, get
from litestar.params import FromPath

from cms_service.api.dependencies import provided
from cms_service.core.security import requires
from cms_service.schemas import Page, SessionRead
from cms_service.services import SessionService


class UserSessionController(Controller):
    path = "/users/{user_id:uuid}/sessions"
    tags = ("users",)
    dependencies = provided("sessions")

    @get(
        operation_id="listUserSessions",
        summary="List a user's sessions",
        guards=[requires("sessions:read")],
    )
    async def list_user_sessions(self, sessions: SessionService, user_id: FromPath[UUID]) -> Page[SessionRead]:
        """Where the user is signed in."""
        return await sessions.list_of(user_id)

    @delete(
        operation_id="endAllUserSessions",
        summary="Sign a user out everywhere",
        guards=[requires("sessions:revoke")],
    )
    async def end_all_user_sessions(self, sessions: SessionService, user_id: FromPath[UUID]) -> None:
        """Ends every session of the user at once."""
        await sessions.end_all_of(user_id)

    @delete(
        "/{session_id:uuid}",
        operation_id="endUserSession",
        summary="Sign a user's device out",
        guards=[requires("sessions:revoke")],
    )
    async def end_user_session(
        self, sessions: SessionService, user_id: FromPath[UUID], session_id: FromPath[UUID]
    ) -> None:
        """Ends one session of the user at once."""
        await sessions.end_of(user_id, session_id)
