"""The first administrator, and any that an operator adds."""

from cms_service.core.database import UnitOfWork
from cms_service.core.exceptions import EmailTaken
from cms_service.core.security import EVERYTHING, SYSTEM, PasswordHasher, PasswordPolicy
from cms_service.repositories import AccessRepository
from cms_service.services.enrolment import Applicant, Enrolment

ADMINISTRATOR = "administrator"
DISPLAY_NAME = "Administrator"


class AdministratorService:
    """Works for the operator at the command line, who is above the rules for users."""

    def __init__(self, work: UnitOfWork, hasher: PasswordHasher, passwords: PasswordPolicy) -> None:
        self._access = AccessRepository(work)
        self._enrolment = Enrolment(work, SYSTEM, hasher, passwords)

    async def create(self, email: str, password: str) -> None:
        """A new account with the role `administrator`.

        Raises:
            ValidationFailed: the address is not acceptable, or the password (PasswordTooWeak).
            EmailTaken: a live account has it.
        """
        await self._enrol(await self._enrolment.examine(email, password, DISPLAY_NAME))

    async def create_first(self, email: str, password: str) -> bool:
        """An administrator, if there is none yet; False if there is. Raises as `create` does.

        Processes that start together make one between them.
        """
        if await self._access.has_lasting_holder(EVERYTHING):
            return False
        try:
            applicant = await self._enrolment.examine(email, password, DISPLAY_NAME)
        except EmailTaken:
            if await self._access.has_lasting_holder(EVERYTHING):
                return False
            raise
        await self._access.lock_withdrawals()
        if await self._access.has_lasting_holder(EVERYTHING):
            return False
        await self._enrol(applicant)
        return True

    async def _enrol(self, applicant: Applicant) -> None:
        await self._enrolment.enrol(applicant, display_name=DISPLAY_NAME, role=ADMINISTRATOR, action="user.created")
