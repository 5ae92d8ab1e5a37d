"""A new password for an account whose owner has lost the old one."""

import msgspec

from cms_service.core.database import UnitOfWork
from cms_service.core.exceptions import NotFound, PasswordTooWeak
from cms_service.core.security import SYSTEM, PasswordHasher, PasswordPolicy, sought_email
from cms_service.repositories import AccountThrottleRepository, RefreshTokenRepository, UserRepository
from cms_service.services.audit_trail import AuditTrail


class PasswordReset(msgspec.Struct, frozen=True):
    """An account that has a new password."""

    ended_sessions: int
    is_active: bool
    """A deactivated account cannot sign in with any password."""


class PasswordResetService:
    """Works for the operator at the command line, who is above the rules for users."""

    def __init__(self, work: UnitOfWork, hasher: PasswordHasher, policy: PasswordPolicy) -> None:
        self._work = work
        self._hasher = hasher
        self._policy = policy
        self._users = UserRepository(session=work.session, wrap_exceptions=False)
        self._sessions = RefreshTokenRepository(session=work.session, wrap_exceptions=False)
        self._throttles = AccountThrottleRepository(work)
        self._audit = AuditTrail(work, SYSTEM)

    async def reset(self, email: str, password: str) -> PasswordReset:
        """Give the account a new password, end all its sessions, and forget the failed sign-ins.

        Devices that were known do not count as known any more.

        Raises:
            NotFound: no live account has the address.
            PasswordTooWeak: the password is not acceptable.
        """
        credentials = await self._users.find_credentials_by_email(sought_email(email))
        if credentials is None:
            raise NotFound("There is no account with this address.")
        account = await self._users.get_live(credentials.user_id)
        violations = await self._policy.violations(password, "/password", (account.email, account.display_name))
        if violations:
            raise PasswordTooWeak(*violations)
        async with self._work.paused():
            password_hash = await self._hasher.hash(password)
        user = await self._users.lock_live(credentials.user_id)
        await self._users.change_password_hash(user, password_hash)
        ended = await self._sessions.revoke_all(user.id, "password_reset")
        for session_id in ended:
            self._audit.record("session.ended", "session", session_id)
        await self._throttles.forget(user.id)
        self._audit.record("user.password_reset", "user", user.id)
        return PasswordReset(len(ended), user.is_active)
