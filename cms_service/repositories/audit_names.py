"""The present names of the things that audit events refer to by id."""

from collections.abc import Iterable
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, bindparam, func, literal, select, union_all

from cms_service.core.database import UnitOfWork
from cms_service.models import ApiKey, Permission, RefreshToken, Role, ServiceAccount, TargetType, User

Reference: TypeAlias = tuple[str, UUID]
"""The type of a thing, as `AuditEvent.target_type` says it, and its id."""

_NAMES: dict[TargetType, Select[UUID, str] | None] = {
    # Not the e-mail address: people are recognized by less, and `audit:read` does not include `users:read`.
    "user": select(User.id, User.display_name),
    "service_account": select(ServiceAccount.id, ServiceAccount.name),
    "api_key": select(ApiKey.id, ApiKey.name),
    "role": select(Role.id, Role.name),
    "permission": select(Permission.id, Permission.name),
    # A session has no name of its own. Readers want to know whose it is.
    "session": select(RefreshToken.id, User.display_name).join(User, User.id == RefreshToken.user_id),
    "token": None,
    "signing_key": None,
}
"""By type: the ids and names of all things of that type; None where they have no names."""


def _sought(target_type: TargetType, names: Select[UUID, str]) -> Select[Any]:
    """The names of the ids in the parameter that is called like the type."""
    row_id, _ = names.selected_columns
    return names.add_columns(literal(target_type)).where(row_id == func.any(bindparam(target_type, type_=ARRAY(Uuid))))


_STATEMENT = union_all(*(_sought(target_type, names) for target_type, names in _NAMES.items() if names is not None))


class AuditNameRepository:
    """Looks names up when the trail is read. It stores ids alone, since nothing can be removed from it."""

    def __init__(self, work: UnitOfWork) -> None:
        self.session = work.session

    async def find(self, references: Iterable[Reference]) -> dict[Reference, str]:
        """The names of all things that have one and whose row exists, soft-deleted ones included, by one statement."""
        ids: dict[str, set[UUID]] = {target_type: set() for target_type, names in _NAMES.items() if names is not None}
        for target_type, target_id in references:
            # A later version of the service may have recorded other types.
            if target_type in ids:
                ids[target_type].add(target_id)
        if not any(ids.values()):
            return {}
        rows = await self.session.execute(_STATEMENT, {target_type: list(each) for target_type, each in ids.items()})
        return {(target_type, target_id): name for target_id, name, target_type in rows}
