"""Roles."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, Response, delete, get, patch, post, put
from litestar.params import FromPath, JSONBody, QueryParameter

from cms_service.api.conditional import ETAG, LOCATION, IfMatch, OptionalIfMatch, tagged
from cms_service.api.creating import KEY_REFUSALS, REPLAYED, Creating
from cms_service.api.dependencies import provided
from cms_service.api.openapi_examples import SHOWN
from cms_service.api.parameters import DEFAULT_LIMIT, Cursor, IncludeTotal, Limit, Search
from cms_service.api.previews import PREVIEWED
from cms_service.api.problems import documented
from cms_service.core.exceptions import (
    EscalationRefused,
    LastAdministrator,
    NameTaken,
    PreconditionFailed,
    RoleCycle,
    SystemProtected,
)
from cms_service.core.security import requires
from cms_service.schemas import (
    EXAMPLE_PARENT,
    ListQuery,
    Page,
    PermissionRef,
    RoleCreate,
    RoleParentsReplace,
    RolePermissionsReplace,
    RoleQuery,
    RoleRead,
    RoleRef,
    RoleSort,
    RoleUpdate,
    RoleUser,
)
from cms_service.services import HolderService, InheritanceService, Precondition, PreviewService, RoleService


class RoleController(Controller):
    path = "/roles"
    tags = ("roles",)
    dependencies = provided("roles", "inheritance", "holders", "previews", "creating")

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
        responses=documented(EscalationRefused, NameTaken, *KEY_REFUSALS) | PREVIEWED,
        response_headers=[ETAG, LOCATION, REPLAYED],
    )
    async def create_role(
        self, creating: Creating, roles: RoleService, previews: PreviewService, data: JSONBody[RoleCreate]
    ) -> Response[RoleRead]:
        """Creates a role with permissions and parents that give no more than you hold yourself."""
        return await creating.once(
            lambda: previews.of_roles(lambda: roles.create_role(data)), location="/api/v1/roles/{id}"
        )

    @get(
        "/{role_id:uuid}",
        operation_id="getRole",
        summary="Get a role",
        guards=[requires("roles:read")],
        response_headers=[ETAG],
    )
    async def get_role(self, roles: RoleService, role_id: FromPath[UUID]) -> Response[RoleRead]:
        """One role, with its permissions and its parents."""
        return tagged(await roles.get_role(role_id))

    @patch(
        "/{role_id:uuid}",
        operation_id="updateRole",
        summary="Change a role",
        guards=[requires("roles:update")],
        responses=documented(NameTaken, SystemProtected) | PREVIEWED,
        response_headers=[ETAG],
    )
    async def update_role(
        self,
        roles: RoleService,
        previews: PreviewService,
        role_id: FromPath[UUID],
        data: JSONBody[RoleUpdate],
        if_match: IfMatch,
    ) -> Response[RoleRead]:
        """Changes what a role is called. A system role keeps its name."""
        return tagged(await previews.of_roles(lambda: roles.update_role(role_id, data, Precondition(if_match))))

    @delete(
        "/{role_id:uuid}",
        operation_id="deleteRole",
        summary="Delete a role",
        guards=[requires("roles:delete")],
        responses=documented(SystemProtected, LastAdministrator) | PREVIEWED,
    )
    async def delete_role(
        self, roles: RoleService, previews: PreviewService, role_id: FromPath[UUID], if_match: IfMatch
    ) -> None:
        """Deletes a role; whoever has it, or a role that inherits it, loses what it gives."""
        await previews.of_roles(lambda: roles.delete_role(role_id, Precondition(if_match)))

    @get(
        "/{role_id:uuid}/permissions",
        operation_id="listRolePermissions",
        summary="List a role's permissions",
        guards=[requires("roles:read")],
    )
    async def list_role_permissions(self, roles: RoleService, role_id: FromPath[UUID]) -> Page[PermissionRef]:
        """What the role holds itself, not what it inherits."""
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
        )
        | PREVIEWED,
        response_headers=[ETAG],
    )
    async def replace_role_permissions(
        self,
        roles: RoleService,
        previews: PreviewService,
        role_id: FromPath[UUID],
        data: JSONBody[RolePermissionsReplace],
        if_match: IfMatch,
    ) -> Response[RoleRead]:
        """The role holds exactly these permissions. You must hold those that you add, everywhere and for ever."""
        return tagged(await previews.of_roles(lambda: roles.replace_permissions(role_id, data, Precondition(if_match))))

    @put(
        "/{role_id:uuid}/permissions/{permission_id:uuid}",
        operation_id="grantPermission",
        summary="Grant a permission to a role",
        guards=[requires("roles:update")],
        responses=documented(EscalationRefused, SystemProtected, PreconditionFailed) | PREVIEWED,
        response_headers=[ETAG],
    )
    async def grant_permission(
        self,
        roles: RoleService,
        previews: PreviewService,
        role_id: FromPath[UUID],
        permission_id: FromPath[UUID],
        if_match: OptionalIfMatch = None,
    ) -> Response[RoleRead]:
        """The role holds this permission too. You must hold it yourself, everywhere and for ever."""
        return tagged(
            await previews.of_roles(lambda: roles.grant_permission(role_id, permission_id, Precondition(if_match)))
        )

    @delete(
        "/{role_id:uuid}/permissions/{permission_id:uuid}",
        operation_id="withdrawPermission",
        summary="Withdraw a permission from a role",
        guards=[requires("roles:update")],
        responses=documented(SystemProtected, LastAdministrator, PreconditionFailed) | PREVIEWED,
    )
    async def withdraw_permission(
        self,
        roles: RoleService,
        previews: PreviewService,
        role_id: FromPath[UUID],
        permission_id: FromPath[UUID],
        if_match: OptionalIfMatch = None,
    ) -> None:
        """The role no longer holds this permission itself."""
        await previews.of_roles(lambda: roles.withdraw_permission(role_id, permission_id, Precondition(if_match)))

    @get(
        "/{role_id:uuid}/parents",
        operation_id="listRoleParents",
        summary="List a role's parents",
        guards=[requires("roles:read")],
        opt={SHOWN: {200: {"items": [EXAMPLE_PARENT]}}},
    )
    async def list_role_parents(self, inheritance: InheritanceService, role_id: FromPath[UUID]) -> Page[RoleRef]:
        """The roles that the role inherits directly."""
        return await inheritance.list_parents(role_id)

    @put(
        "/{role_id:uuid}/parents",
        operation_id="replaceRoleParents",
        summary="Replace a role's parents",
        guards=[requires("roles:update")],
        responses=documented(EscalationRefused, RoleCycle, SystemProtected, LastAdministrator) | PREVIEWED,
        response_headers=[ETAG],
    )
    async def replace_role_parents(
        self,
        inheritance: InheritanceService,
        previews: PreviewService,
        role_id: FromPath[UUID],
        data: JSONBody[RoleParentsReplace],
        if_match: IfMatch,
    ) -> Response[RoleRead]:
        """The role inherits exactly these roles: whoever has it has what they give, and what those inherit.

        You must hold all that the roles that you add give, everywhere and for ever.
        """
        return tagged(
            await previews.of_roles(lambda: inheritance.replace_parents(role_id, data, Precondition(if_match)))
        )

    @get(
        "/{role_id:uuid}/users",
        operation_id="listRoleUsers",
        summary="List the users of a role",
        guards=[requires("roles:read"), requires("users:read")],
    )
    async def list_role_users(
        self,
        holders: HolderService,
        role_id: FromPath[UUID],
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        include_total: IncludeTotal = False,
    ) -> Page[RoleUser]:
        """The active users who have the role at this moment, or a role that inherits it, in whatever scope."""
        return await holders.list_users_of_role(
            role_id, ListQuery(limit=limit, cursor=cursor, include_total=include_total)
        )
