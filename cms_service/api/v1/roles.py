"""Roles."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, Response, delete, get, patch, post, put
from litestar.params import FromPath, JSONBody, QueryParameter

from cms_service.api.conditional import ETAG, LOCATION, IfMatch, OptionalIfMatch, tagged
from cms_service.api.parameters import DEFAULT_LIMIT, Cursor, IncludeTotal, Limit, Search
from cms_service.api.problems import documented
from cms_service.core.exceptions import (
    EscalationRefused,
    LastAdministrator,
    NameTaken,
    PreconditionFailed,
    SystemProtected,
)
from cms_service.core.security import requires
from cms_service.schemas import (
    ListQuery,
    Page,
    PermissionRef,
    RoleCreate,
    RolePermissionsReplace,
    RoleQuery,
    RoleRead,
    RoleSort,
    RoleUpdate,
    UserRef,
)
from cms_service.services import Precondition, RoleService


class RoleController(Controller):
    path = "/roles"
    tags = ("roles",)

    @get(
        operation_id="listRoles",
        summary="List roles",
        guards=[requires("roles:read")],
    )
    async def list_roles(
        self,
        roles: RoleService,
        q: Search = None,
        is_system: Annotated[bool | None, QueryParameter(description="Only the service's own roles, or not.")] = None,
        permission: Annotated[
            str | None,
            QueryParameter(
                min_length=3,
                max_length=100,
                pattern=r"^[a-z0-9_*:-]+$",
                description="Only roles that hold the permission of this name themselves.",
            ),
        ] = None,
        sort: Annotated[RoleSort, QueryParameter(description="Order of the list.")] = RoleSort.name,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        include_total: IncludeTotal = False,
    ) -> Page[RoleRead]:
        """Roles that pass every filter given. `q` looks in names and titles."""
        return await roles.list_roles(
            RoleQuery(
                q=q,
                is_system=is_system,
                permission=permission,
                sort=sort,
                limit=limit,
                cursor=cursor,
                include_total=include_total,
            )
        )

    @post(
        operation_id="createRole",
        summary="Create a role",
        guards=[requires("roles:create")],
        responses=documented(EscalationRefused, NameTaken),
        response_headers=[ETAG, LOCATION],
    )
    async def create_role(self, roles: RoleService, data: JSONBody[RoleCreate]) -> Response[RoleRead]:
        """Creates a role with permissions that you hold yourself."""
        role = await roles.create_role(data)
        return tagged(role, status_code=201, location=f"/api/v1/roles/{role.id}")

    @get(
        "/{role_id:uuid}",
        operation_id="getRole",
        summary="Get a role",
        guards=[requires("roles:read")],
        response_headers=[ETAG],
    )
    async def get_role(self, roles: RoleService, role_id: FromPath[UUID]) -> Response[RoleRead]:
        """One role, with its permissions."""
        return tagged(await roles.get_role(role_id))

    @patch(
        "/{role_id:uuid}",
        operation_id="updateRole",
        summary="Change a role",
        guards=[requires("roles:update")],
        responses=documented(NameTaken, SystemProtected),
        response_headers=[ETAG],
    )
    async def update_role(
        self, roles: RoleService, role_id: FromPath[UUID], data: JSONBody[RoleUpdate], if_match: IfMatch
    ) -> Response[RoleRead]:
        """Changes what a role is called. A system role keeps its name."""
        return tagged(await roles.update_role(role_id, data, Precondition(if_match)))

    @delete(
        "/{role_id:uuid}",
        operation_id="deleteRole",
        summary="Delete a role",
        guards=[requires("roles:delete")],
        responses=documented(SystemProtected, LastAdministrator),
    )
    async def delete_role(self, roles: RoleService, role_id: FromPath[UUID], if_match: IfMatch) -> None:
        """Deletes a role; whoever has it loses what it gives."""
        await roles.delete_role(role_id, Precondition(if_match))

    @get(
        "/{role_id:uuid}/permissions",
        operation_id="listRolePermissions",
        summary="List a role's permissions",
        guards=[requires("roles:read")],
    )
    async def list_role_permissions(self, roles: RoleService, role_id: FromPath[UUID]) -> Page[PermissionRef]:
        """What the role holds."""
        return await roles.list_permissions(role_id)

    @put(
        "/{role_id:uuid}/permissions",
        operation_id="replaceRolePermissions",
        summary="Replace a role's permissions",
        guards=[requires("roles:update")],
        responses=documented(
            EscalationRefused,
            SystemProtected,
            LastAdministrator,
        ),
        response_headers=[ETAG],
    )
    async def replace_role_permissions(
        self, roles: RoleService, role_id: FromPath[UUID], data: JSONBody[RolePermissionsReplace], if_match: IfMatch
    ) -> Response[RoleRead]:
        """The role holds exactly these permissions. You must hold those that you add."""
        return tagged(await roles.replace_permissions(role_id, data, Precondition(if_match)))

    @put(
        "/{role_id:uuid}/permissions/{permission_id:uuid}",
        operation_id="grantPermission",
        summary="Grant a permission to a role",
        guards=[requires("roles:update")],
        responses=documented(EscalationRefused, SystemProtected, PreconditionFailed),
        response_headers=[ETAG],
    )
    async def grant_permission(
        self,
        roles: RoleService,
        role_id: FromPath[UUID],
        permission_id: FromPath[UUID],
        if_match: OptionalIfMatch = None,
    ) -> Response[RoleRead]:
        """The role holds this permission too. You must hold it yourself."""
        return tagged(await roles.grant_permission(role_id, permission_id, Precondition(if_match)))

    @delete(
        "/{role_id:uuid}/permissions/{permission_id:uuid}",
        operation_id="withdrawPermission",
        summary="Withdraw a permission from a role",
        guards=[requires("roles:update")],
        responses=documented(SystemProtected, LastAdministrator, PreconditionFailed),
    )
    async def withdraw_permission(
        self,
        roles: RoleService,
        role_id: FromPath[UUID],
        permission_id: FromPath[UUID],
        if_match: OptionalIfMatch = None,
    ) -> None:
        """The role no longer holds this permission."""
        await roles.withdraw_permission(role_id, permission_id, Precondition(if_match))

    @get(
        "/{role_id:uuid}/users",
        operation_id="listRoleUsers",
        summary="List the users of a role",
        guards=[requires("roles:read"), requires("users:read")],
    )
    async def list_role_users(
        self,
        roles: RoleService,
        role_id: FromPath[UUID],
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        include_total: IncludeTotal = False,
    ) -> Page[UserRef]:
        """Who has the role at this moment, in whatever scope."""
        return await roles.list_users(role_id, ListQuery(limit=limit, cursor=cursor, include_total=include_total))
