"""The first administrator, and any that an operator adds."""

from cms_service.core.database import UnitOfWork
from cms_service.core.exceptions import EmailTaken, PasswordTooWeak
from cms_service.core.security import EVERYTHING, SYSTEM, PasswordHasher, password_violations
from cms_service.models import User
from cms_service.repositories import AccessRepository, RoleRepository, UserRepository
from cms_service.services._reading import read_user
from cms_service.services.audit_trail import AuditTrail
from cms_service.services.emails import canonical_email

ADMINISTRATOR = "administrator"


class AdministratorService:
    """Works for the operator at the command line, who is above the rules for users."""

    def __init__(self, work: UnitOfWork, hasher: PasswordHasher) -> None:
        self._users = UserRepository(session=work.session, wrap_exceptions=False)
        self._roles = RoleRepository(session=work.session, wrap_exceptions=False)
        self._access = AccessRepository(work)
        self._hasher = hasher
        self._audit = AuditTrail(work, SYSTEM)

    async def create(self, email: str, password: str) -> None:
        """A new account with the role `administrator`.

        Raises:
            ValidationFailed: the address is not acceptable, or the password (PasswordTooWeak).
            EmailTaken: a live account has it.
        """
        email = canonical_email(email)
        if violations := password_violations(password, "/password"):
            raise PasswordTooWeak(*violations)
        if await self._users.find_with_password(email) is not None:
            raise EmailTaken
        user = User(
            email=email, display_name="Administrator", password_hash=await self._hasher.hash(password), roles=set()
        )
        await self._users.add(user, auto_refresh=False)
        role = await self._roles.get_by_name(ADMINISTRATOR)
        await self._access.put_assignment(None, user, role, None, None, {})
        await self._users.touch(user)
        await self._audit.record("user.created", "user", user.id, after=read_user(user))

    async def create_first(self, email: str, password: str) -> bool:
        """An administrator, if there is none yet. Replicas that start together make one between them."""
        await self._access.lock_withdrawals()
        if await self._access.has_lasting_holder(EVERYTHING):
            return False
        await self.create(email, password)
        return True
