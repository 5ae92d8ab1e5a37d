"""Signing up, in and out."""

from litestar import Controller, Response, post
from litestar.params import JSONBody

from cms_service.api.authentication import OPTIONAL
from cms_service.api.conditional import ETAG, LOCATION
from cms_service.api.creating import KEY_REFUSALS, REPLAYED, Creating
from cms_service.api.dependencies import AnyRequest, actor_of, provided
from cms_service.api.openapi_examples import SHOWN
from cms_service.api.problems import documented
from cms_service.core.exceptions import (
    AuthenticationRequired,
    EmailTaken,
    InvalidCredentials,
    PasswordTooWeak,
    RateLimited,
    RefreshTokenInvalid,
    RefreshTokenReused,
    RegistrationClosed,
)
from cms_service.core.security import PUBLIC, authenticated_user
from cms_service.schemas import (
    EXAMPLE_MEMBER,
    AccessTokenResponse,
    LoginRequest,
    LoginResponse,
    LogoutRequest,
    ReauthenticationRequest,
    RefreshRequest,
    RegisterRequest,
    TokenResponse,
    UserRead,
)
from cms_service.services import AuthService, RefreshService, SignInService, TokenService


class AuthController(Controller):
    path = "/auth"
    tags = ("auth",)
    dependencies = provided("creating", "auth", "tokens", "sign_ins", "refreshes")

    @post(
        "/register",
        operation_id="register",
        summary="Open an account",
        opt={PUBLIC: True, SHOWN: {201: {"roles": [EXAMPLE_MEMBER], "version": 2}}},
        responses=documented(PasswordTooWeak, RegistrationClosed, EmailTaken, RateLimited, *KEY_REFUSALS),
        response_headers=[ETAG, LOCATION, REPLAYED],
    )
    async def register(
        self, creating: Creating, auth: AuthService, data: JSONBody[RegisterRequest]
    ) -> Response[UserRead]:
        """Opens an account with the role `member`. Sign in next.

        The operator decides whether registration is open. Where it is, the answer reveals whether an address has an
        account: 409, `email_taken`.
        """
        return await creating.once(lambda: auth.register(data), location="/api/v1/users/me")

    @post(
        "/login",
        operation_id="login",
        summary="Sign in",
        status_code=200,
        opt={PUBLIC: True},
        responses=documented(InvalidCredentials, RateLimited),
    )
    async def login(self, request: AnyRequest, sign_ins: SignInService, data: JSONBody[LoginRequest]) -> LoginResponse:
        """Opens a session and gives out its first pair of tokens.

        An unknown account gets the same answer as a wrong password. After five failures, attempts have to wait longer
        and longer, unless they come with the device token of an earlier login.
        """
        return await sign_ins.login(data, actor_of(request))

    @post(
        "/reauthenticate",
        operation_id="reauthenticate",
        summary="Enter the password again",
        status_code=200,
        guards=[authenticated_user],
        responses=documented(InvalidCredentials, RateLimited),
    )
    async def reauthenticate(self, auth: AuthService, data: JSONBody[ReauthenticationRequest]) -> AccessTokenResponse:
        """Proves once more who you are, as sensitive changes ask for when the last time is long ago.

        Use the access token of the answer from now on. The session and its refresh token stay the same.
        """
        return await auth.reauthenticate(data)

    @post(
        "/refresh",
        operation_id="refreshTokens",
        summary="Stay signed in",
        status_code=200,
        opt={PUBLIC: True},
        responses=documented(RefreshTokenInvalid, RefreshTokenReused),
    )
    async def refresh(
        self, request: AnyRequest, refreshes: RefreshService, data: JSONBody[RefreshRequest]
    ) -> TokenResponse:
        """Exchanges the refresh token for a fresh pair.

        Several tabs may do so at once and get the same successor; a token that comes back later ends the session.
        """
        return await refreshes.refresh(data, actor_of(request))

    @post(
        "/logout",
        operation_id="logout",
        summary="Sign out",
        status_code=204,
        opt={OPTIONAL: True},
        responses=documented(AuthenticationRequired, RefreshTokenInvalid),
    )
    async def logout(self, tokens: TokenService, data: JSONBody[LogoutRequest | None] = None) -> None:
        """Ends the session of the refresh token or, without one, that of the access token.

        Its access tokens end at once.
        """
        await tokens.end(data)
