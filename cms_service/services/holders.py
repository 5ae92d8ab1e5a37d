"""Who has a role or holds a permission at this moment."""

from uuid import UUID

import msgspec

from cms_service.core.database import UnitOfWork
from cms_service.core.security import CursorCodec, SubjectType, implying
from cms_service.repositories import SERVICES, USERS, HolderRepository, PermissionRepository, RoleRepository
from cms_service.schemas import ListQuery, Page, PermissionGrant, PermissionHolder, RoleRef, RoleUser, SubjectRef
from cms_service.services._listing import Listing
from cms_service.services._reading import refer_to_role, refer_to_user


class HolderService:
    """Goes from roles and permissions down to the active accounts that have them, by whatever they inherit."""

    def __init__(self, work: UnitOfWork, cursors: CursorCodec) -> None:
        self._cursors = cursors
        self._holders = HolderRepository(work)
        self._roles = RoleRepository(session=work.session, wrap_exceptions=False)
        self._permissions = PermissionRepository(session=work.session, wrap_exceptions=False)

    async def list_users_of_role(self, role_id: UUID, query: ListQuery) -> Page[RoleUser]:
        """Who has the role, or one that inherits it, in whatever scope. Raises NotFound."""
        await self._roles.get_live(role_id)
        listing = Listing(self._cursors, f"roles/{role_id}/users")
        role_ids = await self._holders.roles_inheriting(role_id)
        part = await self._holders.slice([USERS], role_ids, listing.window(query))
        users = await self._holders.users(part.rows)
        through: dict[UUID, dict[UUID, RoleRef]] = {}
        for user_id, _, role in await self._holders.assignments(USERS, part.rows, role_ids):
            through.setdefault(user_id, {})[role.id] = refer_to_role(role)
        # What was withdrawn or ran out since the first statement is no longer there.
        part.rows = [user_id for user_id in part.rows if user_id in users and user_id in through]
        return listing.page(
            part,
            lambda user_id: RoleUser(
                **msgspec.structs.asdict(refer_to_user(users[user_id])), through=list(through[user_id].values())
            ),
        )

    async def list_holders(self, permission_id: UUID, query: ListQuery) -> Page[PermissionHolder]:
        """Who holds the permission, or a wildcard that implies it, in whatever scope. Raises NotFound."""
        permission = await self._permissions.get_existing(permission_id)
        listing = Listing(self._cursors, f"permissions/{permission_id}/holders")
        giving = await self._holders.roles_giving(implying(permission.name))
        part = await self._holders.slice([USERS, SERVICES], giving, listing.window(query))
        holders: dict[UUID, PermissionHolder] = {}
        for subject_type, holding in ((SubjectType.user, USERS), (SubjectType.service, SERVICES)):
            for account_id, name in (await self._holders.names(holding, part.rows)).items():
                holders[account_id] = PermissionHolder(SubjectRef(subject_type, account_id, name), [])
            for account_id, assignment, role in await self._holders.assignments(holding, part.rows, giving):
                if account_id in holders:
                    holders[account_id].grants.extend(
                        PermissionGrant(held, refer_to_role(role), assignment.scope, assignment.expires_at)
                        for held in giving[role.id]
                    )
        part.rows = [account_id for account_id in part.rows if account_id in holders and holders[account_id].grants]
        return listing.page(part, holders.__getitem__)
