"""Permissions."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter

from cms_service.api.conditional import ETAG, LOCATION, IfMatch, tagged
from cms_service.api.creating import KEY_REFUSALS, REPLAYED, Creating
from cms_service.api.dependencies import provided
from cms_service.api.parameters import DEFAULT_LIMIT, Cursor, IncludeTotal, Limit, Search
from cms_service.api.previews import PREVIEWED
from cms_service.api.problems import documented
from cms_service.core.exceptions import (
    NameTaken,
    SystemProtected,
)
from cms_service.core.security import requires
from cms_service.schemas import (
    ListQuery,
    Page,
    PermissionCreate,
    PermissionHolder,
    PermissionQuery,
    PermissionRead,
    PermissionSort,
    PermissionUpdate,
    RoleRef,
)
from cms_service.services import HolderService, PermissionService, Precondition, PreviewService


class PermissionController(Controller):
    path = "/permissions"
    tags = ("permissions",)
    dependencies = provided("holders", "previews", "creating", "permissions")

    @get(
        operation_id="listPermissions",
        summary="List permissions",
        guards=[requires("permissions:read")],
    )
    async def list_permissions(
        self,
        permissions: PermissionService,
        q: Search = None,
        is_system: Annotated[
            bool | None, QueryParameter(description="Only the service's own permissions, or not.")
        ] = None,
        sort: Annotated[PermissionSort, QueryParameter(description="Order of the list.")] = PermissionSort.name,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        include_total: IncludeTotal = False,
    ) -> Page[PermissionRead]:
        """Permissions that pass every filter given. `q` looks in names and descriptions."""
        return await permissions.list_permissions(
            PermissionQuery(
                q=q, is_system=is_system, sort=sort, limit=limit, cursor=cursor, include_total=include_total
            )
        )

    @post(
        operation_id="createPermission",
        summary="Create a permission",
        guards=[requires("permissions:create")],
        responses=documented(NameTaken, *KEY_REFUSALS),
        response_headers=[ETAG, LOCATION, REPLAYED],
    )
    async def create_permission(
        self, creating: Creating, permissions: PermissionService, data: JSONBody[PermissionCreate]
    ) -> Response[PermissionRead]:
        """Creates a permission. It gives nothing until a role holds it."""
        return await creating.once(lambda: permissions.create_permission(data), location="/api/v1/permissions/{id}")

    @get(
        "/{permission_id:uuid}",
        operation_id="getPermission",
        summary="Get a permission",
        guards=[requires("permissions:read")],
        response_headers=[ETAG],
    )
    async def get_permission(
        self, permissions: PermissionService, permission_id: FromPath[UUID]
    ) -> Response[PermissionRead]:
        """One permission."""
        return tagged(await permissions.get_permission(permission_id))

    @patch(
        "/{permission_id:uuid}",
        operation_id="updatePermission",
        summary="Describe a permission",
        guards=[requires("permissions:update")],
        response_headers=[ETAG],
    )
    async def update_permission(
        self,
        permissions: PermissionService,
        permission_id: FromPath[UUID],
        data: JSONBody[PermissionUpdate],
        if_match: IfMatch,
    ) -> Response[PermissionRead]:
        """Changes the description. The name never changes, since services rely on it."""
        return tagged(await permissions.update_permission(permission_id, data, Precondition(if_match)))

    @delete(
        "/{permission_id:uuid}",
        operation_id="deletePermission",
        summary="Delete a permission",
        guards=[requires("permissions:delete")],
        responses=documented(SystemProtected) | PREVIEWED,
    )
    async def delete_permission(
        self,
        permissions: PermissionService,
        previews: PreviewService,
        permission_id: FromPath[UUID],
        if_match: IfMatch,
    ) -> None:
        """Deletes a permission and every grant of it."""
        await previews.of_roles(lambda: permissions.delete_permission(permission_id, Precondition(if_match)))

    @get(
        "/{permission_id:uuid}/roles",
        operation_id="listPermissionRoles",
        summary="List the roles that hold a permission",
        guards=[requires("permissions:read"), requires("roles:read")],
    )
    async def list_permission_roles(
        self,
        permissions: PermissionService,
        permission_id: FromPath[UUID],
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        include_total: IncludeTotal = False,
    ) -> Page[RoleRef]:
        """Which roles hold the permission themselves, not by a wildcard."""
        return await permissions.list_roles(
            permission_id, ListQuery(limit=limit, cursor=cursor, include_total=include_total)
        )

    @get(
        "/{permission_id:uuid}/holders",
        operation_id="listPermissionHolders",
        summary="List who holds a permission",
        guards=[requires("permissions:read"), requires("users:read"), requires("service_accounts:read")],
    )
    async def list_permission_holders(
        self,
        holders: HolderService,
        permission_id: FromPath[UUID],
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        include_total: IncludeTotal = False,
    ) -> Page[PermissionHolder]:
        """The active users and service accounts that hold the permission at this moment, in whatever scope.

        Each comes with all that makes it hold the permission: roles that hold it, or a wildcard that implies it, or
        inherit one that does.
        """
        return await holders.list_holders(
            permission_id, ListQuery(limit=limit, cursor=cursor, include_total=include_total)
        )
