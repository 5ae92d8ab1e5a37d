"""Opening accounts, and proving again who one is."""

from uuid import UUID

from cms_service.core.config import Registration
from cms_service.core.database import UnitOfWork
from cms_service.core.exceptions import (
    InvalidCredentials,
    Overloaded,
    PasswordTooWeak,
    RegistrationClosed,
    TokenInvalid,
)
from cms_service.core.security import Actor, PasswordHasher, PasswordPolicy
from cms_service.models import User
from cms_service.repositories import AccountThrottleRepository, RefreshTokenRepository, UserRepository
from cms_service.schemas import (
    AccessTokenResponse,
    PasswordChange,
    ReauthenticationRequest,
    RegisterRequest,
    UserRead,
)
from cms_service.services.audit_trail import AuditTrail
from cms_service.services.enrolment import Enrolment
from cms_service.services.sign_in import MOST_CHECKS
from cms_service.services.sign_in_throttle import SignInThrottle
from cms_service.services.token_issuer import TokenIssuer

MEMBER = "member"
"""The system role of everyone who registers."""


class AuthService:
    """Whatever takes a password, besides the sign-in.

    Hashing takes long, so no connection is held meanwhile, and what was read before is read again after.
    """

    def __init__(  # noqa: PLR0913 - what it works with
        self,
        work: UnitOfWork,
        actor: Actor,
        issuer: TokenIssuer,
        hasher: PasswordHasher,
        policy: PasswordPolicy,
        throttle: SignInThrottle,
    ) -> None:
        self._work = work
        self._actor = actor
        self._issuer = issuer
        self._hasher = hasher
        self._policy = policy
        self._throttle = throttle
        self._users = UserRepository(session=work.session, wrap_exceptions=False)
        self._sessions = RefreshTokenRepository(session=work.session, wrap_exceptions=False)
        self._throttles = AccountThrottleRepository(work)
        self._enrolment = Enrolment(work, actor, hasher, policy)
        self._audit = AuditTrail(work, actor)

    async def register(self, data: RegisterRequest) -> UserRead:
        """A new account with the role `member`.

        Raises:
            RegistrationClosed: the operator does not let people register.
            ValidationFailed: the address is not acceptable, or the password (PasswordTooWeak).
            EmailTaken: a live account has it. This reveals that it does; too many of these answers are held up.
            RateLimited: somebody in the same network did.
        """
        if self._issuer.settings.registration is not Registration.OPEN:
            raise RegistrationClosed
        ip = self._actor.origin.ip if self._actor.origin else None
        async with self._throttle.looking_for_addresses(ip):
            applicant = await self._enrolment.examine(data.email, data.password, data.display_name)
            return await self._enrolment.enrol(
                applicant, display_name=data.display_name, role=MEMBER, action="user.registered"
            )

    async def reauthenticate(self, data: ReauthenticationRequest) -> AccessTokenResponse:
        """An access token that says that the actor has been authenticated now.

        Raises:
            InvalidCredentials: the password is wrong.
            TokenInvalid: the session has ended meanwhile.
            RateLimited: too many attempts before this one.
            Overloaded: too many passwords are being checked.
        """
        user = await self._prove(data.password, "user.reauthentication_failed")
        session = await self._sessions.mark_authenticated(self._actor.require_session_id())
        if session is None:
            raise TokenInvalid("The session of this token has ended.")
        self._audit.record("user.reauthenticated", "user", user.id)
        return await self._issuer.issue_access_token(session)

    async def change_password(self, data: PasswordChange) -> None:
        """The actor has a new password, and is signed out everywhere else.

        Raises:
            ReauthenticationRequired: the actor was authenticated too long ago.
            PasswordTooWeak: the new password is not acceptable.
            InvalidCredentials: the current password is wrong.
            RateLimited: too many attempts before this one.
            Overloaded: too many passwords are being checked.
        """
        self._actor.require_recent_authentication()
        account = await self._users.get_live(self._actor.require_user_id())
        own_words = (account.email, account.display_name)
        async with self._work.paused():
            violations = await self._policy.violations(data.new_password, "/new_password", own_words)
        if violations:
            raise PasswordTooWeak(*violations)
        user = await self._prove(data.current_password, "user.password_change_failed", data.new_password)
        for session_id in await self._sessions.revoke_all(
            user.id, "password_changed", except_id=self._actor.session_id
        ):
            self._audit.record("session.ended", "session", session_id)
        self._audit.record("user.password_changed", "user", user.id)

    async def _prove(self, password: str, failure: str, new_password: str | None = None) -> User:
        """The actor's account, locked, with the new password if there is one; a wrong one is on record as `failure`."""
        user_id = self._actor.require_user_id()
        self._hasher.refuse_when_full()
        attempt = await self._throttle.admit_session(self._actor.require_session_id(), user_id)
        try:
            user = await self._lock_proven(user_id, password, new_password)
        except Overloaded:
            await self._throttle.withdraw(attempt)
            raise
        if user is None:
            self._audit.record(failure, "user", user_id)
            raise InvalidCredentials("The password is wrong.")
        await self._throttles.forget_failures(attempt.counter, user_id)
        return user

    async def _lock_proven(self, user_id: UUID, password: str, new_password: str | None) -> User | None:
        for _ in range(MOST_CHECKS):
            credentials = await self._users.find_credentials_by_id(user_id)
            async with self._work.paused():
                check = await self._hasher.check(credentials.password_hash if credentials else None, password)
                if credentials is None or not check.is_correct:
                    return None
                new_hash = await self._hasher.hash(new_password) if new_password is not None else None
            user = await self._users.lock_unchanged(credentials)
            if user is not None:
                if new_hash is not None:
                    await self._users.change_password_hash(user, new_hash)
                return user
        return None
