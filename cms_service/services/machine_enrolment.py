"""The first machines, made by the operator."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import msgspec

from cms_service.core.database import UnitOfWork
from cms_service.core.dependencies import Entropy
from cms_service.core.exceptions import ValidationFailed, Violation
from cms_service.core.security import SYSTEM, CursorCodec, shown_text_violations
from cms_service.repositories import RoleRepository
from cms_service.schemas import ApiKeyCreate, RoleAssignmentTerms, ServiceAccountCreate
from cms_service.services.api_keys import ApiKeyService
from cms_service.services.preconditions import Precondition
from cms_service.services.service_account_roles import ServiceAccountRoleService
from cms_service.services.service_accounts import ServiceAccountService

KEY_NAME = "first"


class EnrolledMachine(msgspec.Struct, frozen=True):
    """A machine that was made just now."""

    service_account_id: UUID
    key: str
    expires_at: datetime


class MachineEnrolment:
    """Works for the operator at the command line, who is above the rules for users."""

    def __init__(self, work: UnitOfWork, cursors: CursorCodec, entropy: Entropy, api_key_days: int) -> None:
        self._accounts = ServiceAccountService(work, SYSTEM, cursors)
        self._account_roles = ServiceAccountRoleService(work, SYSTEM)
        self._keys = ApiKeyService(work, SYSTEM, cursors, entropy, api_key_days)
        self._roles = RoleRepository(session=work.session, wrap_exceptions=False)

    async def enrol(self, name: str, description: str, roles: Iterable[str]) -> EnrolledMachine:
        """A new service account with these roles and a key.

        Raises:
            ValidationFailed: the name or the description is not acceptable.
            NameTaken: a live service account has the name.
            NotFound: there is no such role.
        """
        if violations := shown_text_violations(description, "/description"):
            raise ValidationFailed(*violations)
        try:
            data = msgspec.convert({"name": name, "description": description}, ServiceAccountCreate)
        except msgspec.ValidationError as error:
            raise ValidationFailed(Violation("", "invalid", f"{error}.")) from None
        account = await self._accounts.create_service_account(data)
        for role_name in roles:
            role = await self._roles.get_by_name(role_name)
            await self._account_roles.assign_role(account.id, role.id, RoleAssignmentTerms(), Precondition(None))
        key = await self._keys.create_key(account.id, ApiKeyCreate(KEY_NAME))
        return EnrolledMachine(account.id, key.key, key.expires_at)
