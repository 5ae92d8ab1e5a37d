"""Signing up, in and out."""

import msgspec

from cms_service.core.config import Registration
from cms_service.core.database import UnitOfWork
from cms_service.core.exceptions import (
    InvalidCredentials,
    PasswordTooWeak,
    RegistrationClosed,
    ValidationFailed,
)
from cms_service.core.security import Actor, PasswordHasher, canonical_email, password_violations
from cms_service.repositories import Credentials, UserRepository
from cms_service.schemas import (
    LoginRequest,
    LoginResponse,
    PasswordChange,
    RegisterRequest,
    UserRead,
)
from cms_service.services._reading import read_user
from cms_service.services.audit_trail import AuditTrail
from cms_service.services.enrolment import Enrolment
from cms_service.services.tokens import TokenIssuer, TokenService

MEMBER = "member"
"""The system role of everyone who registers."""


class AuthService:
    """Proves who somebody is, once; sessions carry it on.

    Hashing takes long, so no connection is held meanwhile, and what was read before is read again after.
    """

    def __init__(self, work: UnitOfWork, actor: Actor, issuer: TokenIssuer, hasher: PasswordHasher) -> None:
        self._work = work
        self._actor = actor
        self._registration = issuer.settings.registration
        self._hasher = hasher
        self._users = UserRepository(session=work.session, wrap_exceptions=False)
        self._enrolment = Enrolment(work, actor, hasher)
        self._tokens = TokenService(work, actor, issuer)
        self._audit = AuditTrail(work, actor)

    async def register(self, data: RegisterRequest) -> UserRead:
        """A new account with the role `member`.

        Raises:
            RegistrationClosed: the operator does not let people register.
            ValidationFailed: the address is not acceptable, or the password (PasswordTooWeak).
            EmailTaken: a live account has it.
        """
        if self._registration is not Registration.OPEN:
            raise RegistrationClosed
        applicant = await self._enrolment.examine(data.email, data.password)
        return await self._enrolment.enrol(
            applicant, display_name=data.display_name, role=MEMBER, action="user.registered"
        )

    async def login(self, data: LoginRequest) -> LoginResponse:
        """A new session.

        Raises:
            InvalidCredentials: unknown, inactive or deleted account, or wrong password: one answer, at one cost.
        """
        credentials = await self._find_credentials(data.email)
        await self._work.pause()
        usable_hash = credentials.password_hash if credentials is not None and credentials.is_active else None
        check = await self._hasher.check(usable_hash, data.password)
        rehashed = await self._hasher.hash(data.password) if check.needs_rehash else None
        user = await self._users.lock_unchanged(credentials) if credentials and check.is_correct else None
        if user is None:
            self._audit.record("session.login_failed", "user", credentials.user_id if credentials else None)
            raise InvalidCredentials
        if rehashed is not None:
            await self._users.set_password_hash(user, rehashed)
        tokens = await self._tokens.open(user.id)
        return LoginResponse(**msgspec.structs.asdict(tokens), user=read_user(user))

    async def change_password(self, data: PasswordChange) -> None:
        """The actor has a new password, and is signed out everywhere else.

        Raises:
            PasswordTooWeak: the new password is not acceptable.
            InvalidCredentials: the current password is wrong.
        """
        if violations := password_violations(data.new_password, "/new_password"):
            raise PasswordTooWeak(*violations)
        user_id = self._actor.require_user_id()
        credentials = await self._users.find_credentials_by_id(user_id)
        await self._work.pause()
        check = await self._hasher.check(credentials.password_hash if credentials else None, data.current_password)
        new_hash = await self._hasher.hash(data.new_password) if check.is_correct else None
        user = await self._users.lock_unchanged(credentials) if credentials and check.is_correct else None
        if user is None or new_hash is None:
            self._audit.record("user.password_change_failed", "user", user_id)
            raise InvalidCredentials("The current password is wrong.")
        await self._users.set_password_hash(user, new_hash)
        await self._tokens.end_others("password_changed")
        self._audit.record("user.password_changed", "user", user_id)

    async def _find_credentials(self, email: str) -> Credentials | None:
        try:
            return await self._users.find_credentials_by_email(canonical_email(email))
        except ValidationFailed:
            return None
