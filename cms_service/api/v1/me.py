"""One's own account."""

from uuid import UUID

from litestar import Controller, Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody

from cms_service.api.conditional import ETAG, IfMatch, tagged
from cms_service.api.dependencies import AnyRequest, provided
from cms_service.api.problems import documented
from cms_service.core.exceptions import (
    EmailTaken,
    InvalidCredentials,
    PasswordTooWeak,
    RateLimited,
    ReauthenticationRequired,
)
from cms_service.core.security import authenticated_user, principal_of
from cms_service.schemas import EffectivePermission, OwnUserUpdate, Page, PasswordChange, SessionRead, UserRead
from cms_service.services import (
    AssignmentService,
    AuthService,
    Precondition,
    SessionService,
    UserDirectory,
    UserService,
)


class MeController(Controller):
    path = "/users/me"
    tags = ("users",)
    dependencies = provided("users", "assignments", "sessions", "auth", "directory")
    guards = (authenticated_user,)

    @get(operation_id="getMe", summary="Get your account", response_headers=[ETAG])
    async def get_me(self, request: AnyRequest, directory: UserDirectory) -> Response[UserRead]:
        """Your own account."""
        return tagged(await directory.get_user(principal_of(request).subject_id))

    @patch(
        operation_id="updateMe",
        summary="Change your account",
        responses=documented(EmailTaken, ReauthenticationRequired, RateLimited),
        response_headers=[ETAG],
    )
    async def update_me(
        self, users: UserService, data: JSONBody[OwnUserUpdate], if_match: IfMatch
    ) -> Response[UserRead]:
        """Changes your own account. A new address counts as not verified, and needs a password entered recently.

        The answer reveals whether another account has the address: 409, `email_taken`.
        """
        return tagged(await users.update_own(data, Precondition(if_match)))

    @post(
        "/password",
        operation_id="changeMyPassword",
        summary="Change your password",
        status_code=204,
        responses=documented(PasswordTooWeak, InvalidCredentials, ReauthenticationRequired, RateLimited),
    )
    async def change_my_password(self, auth: AuthService, data: JSONBody[PasswordChange]) -> None:
        """Sets a new password and ends every session but the current one. Needs a password entered recently."""
        await auth.change_password(data)

    @get("/permissions", operation_id="listMyPermissions", summary="List your permissions")
    async def list_my_permissions(
        self, request: AnyRequest, assignments: AssignmentService
    ) -> Page[EffectivePermission]:
        """What you may do at this moment, with the ways on which it comes: assignment, role, inherited roles."""
        return await assignments.list_effective_permissions(principal_of(request).subject_id)

    @get("/sessions", operation_id="listMySessions", summary="List your sessions")
    async def list_my_sessions(self, sessions: SessionService) -> Page[SessionRead]:
        """Where you are signed in."""
        return await sessions.list_own()

    @delete("/sessions", operation_id="endAllMySessions", summary="Sign out everywhere")
    async def end_all_my_sessions(self, sessions: SessionService) -> None:
        """Ends all your sessions, the current one too."""
        await sessions.end_all_own()

    @delete(
        "/sessions/{session_id:uuid}",
        operation_id="endMySession",
        summary="Sign out a device",
    )
    async def end_my_session(self, sessions: SessionService, session_id: FromPath[UUID]) -> None:
        """Ends one of your sessions. Its access tokens end at once."""
        await sessions.end_own(session_id)
