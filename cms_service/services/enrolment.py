"""Making accounts that can sign in at once."""

import msgspec

from cms_service.core.database import UnitOfWork
from cms_service.core.exceptions import EmailTaken, PasswordTooWeak, ValidationFailed
from cms_service.core.security import Actor, PasswordHasher, PasswordPolicy, canonical_email, email_violations
from cms_service.models import User, UserRole
from cms_service.repositories import AccessRepository, RoleRepository, UserRepository
from cms_service.schemas import UserRead
from cms_service.services._reading import read_user
from cms_service.services.audit_trail import AuditTrail


class Applicant(msgspec.Struct, frozen=True):
    """Somebody whose address and password were found acceptable."""

    email: str
    """In its canonical form."""
    password_hash: str


class Enrolment:
    """Gives people an account and a system role, in two steps: only the second writes."""

    def __init__(self, work: UnitOfWork, actor: Actor, hasher: PasswordHasher, policy: PasswordPolicy) -> None:
        self._users = UserRepository(session=work.session, wrap_exceptions=False)
        self._roles = RoleRepository(session=work.session, wrap_exceptions=False)
        self._access = AccessRepository(work)
        self._hasher = hasher
        self._policy = policy
        self._work = work
        self._audit = AuditTrail(work, actor)

    async def examine(self, email: str, password: str, display_name: str) -> Applicant:
        """Hashes the password, after everything that is cheap to refuse, and without holding a connection.

        Raises:
            ValidationFailed: the address is not acceptable, or the password (PasswordTooWeak).
            EmailTaken: a live account has it.
        """
        await refuse_unacceptable(self._policy, email, password, display_name)
        email = canonical_email(email)
        if await self._users.find_credentials_by_email(email) is not None:
            raise EmailTaken
        async with self._work.paused():
            password_hash = await self._hasher.hash(password)
        return Applicant(email, password_hash)

    async def enrol(self, applicant: Applicant, *, display_name: str, role: str, action: str) -> UserRead:
        """A new account with the role, put on record as `action`. Raises EmailTaken where somebody was faster."""
        user = User(
            email=applicant.email, display_name=display_name, password_hash=applicant.password_hash, roles=set()
        )
        await self._users.add(user, auto_refresh=False)
        given = await self._roles.get_by_name(role)
        self._access.put_assignment(UserRole(user_id=user.id, role_id=given.id), granted_by=None)
        await self._users.touch(user)
        enrolled = read_user(user)
        self._audit.record(action, "user", user.id, after=enrolled)
        return enrolled


async def refuse_unacceptable(policy: PasswordPolicy, email: str, password: str | None, display_name: str) -> None:
    """Raises ValidationFailed with all that is wrong with either; PasswordTooWeak where only the password is."""
    wrong_email = email_violations(email, "/email")
    own_words = (email, display_name)
    wrong_password = [] if password is None else await policy.violations(password, "/password", own_words)
    if wrong_email:
        raise ValidationFailed(*wrong_email, *wrong_password)
    if wrong_password:
        raise PasswordTooWeak(*wrong_password)
