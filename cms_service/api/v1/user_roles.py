"""Roles and permissions of a user."""

from uuid import UUID

from litestar import Controller, delete, get, put
from litestar.params import FromPath, JSONBody

from cms_service.api.conditional import IfMatch, OptionalIfMatch
from cms_service.api.dependencies import provided
from cms_service.api.parameters import InScope
from cms_service.api.previews import PREVIEWED
from cms_service.api.problems import documented
from cms_service.core.exceptions import EscalationRefused, LastAdministrator, PreconditionFailed
from cms_service.core.security import SubjectType, requires
from cms_service.schemas import (
    AssignedRole,
    EffectivePermission,
    Page,
    RoleAssignmentsReplace,
    RoleAssignmentTerms,
)
from cms_service.services import AssignmentService, Precondition, PreviewService


class UserRoleController(Controller):
    path = "/users/{user_id:uuid}"
    tags = ("users",)
    dependencies = provided("assignments", "previews")

    @get(
        "/roles",
        operation_id="listUserRoles",
        summary="List a user's roles",
        guards=[requires("users:read")],
    )
    async def list_user_roles(self, assignments: AssignmentService, user_id: FromPath[UUID]) -> Page[AssignedRole]:
        """Every assignment, whether its time has come, is on or is over."""
        return await assignments.list_assignments(user_id)

    @put(
        "/roles",
        operation_id="replaceUserRoles",
        summary="Replace a user's roles",
        guards=[requires("users:assign_roles")],
        responses=documented(EscalationRefused, LastAdministrator) | PREVIEWED,
    )
    async def replace_user_roles(
        self,
        assignments: AssignmentService,
        previews: PreviewService,
        user_id: FromPath[UUID],
        data: JSONBody[RoleAssignmentsReplace],
        if_match: IfMatch,
    ) -> Page[AssignedRole]:
        """The user has exactly these roles. If-Match takes the entity tag of the user."""
        return await previews.of_account(
            SubjectType.user, user_id, lambda: assignments.replace_assignments(user_id, data, Precondition(if_match))
        )

    @put(
        "/roles/{role_id:uuid}",
        operation_id="assignRole",
        summary="Assign a role to a user",
        guards=[requires("users:assign_roles")],
        responses=documented(EscalationRefused, LastAdministrator, PreconditionFailed) | PREVIEWED,
    )
    async def assign_role(
        self,
        assignments: AssignmentService,
        previews: PreviewService,
        user_id: FromPath[UUID],
        role_id: FromPath[UUID],
        data: JSONBody[RoleAssignmentTerms | None] = None,
        if_match: OptionalIfMatch = None,
    ) -> Page[AssignedRole]:
        """The user has the role, on these terms; answers with all the user's roles.

        You must hold every permission that the role gives, and for as long as the assignment lasts.
        """
        return await previews.of_account(
            SubjectType.user, user_id, lambda: assignments.assign_role(user_id, role_id, data, Precondition(if_match))
        )

    @delete(
        "/roles/{role_id:uuid}",
        operation_id="withdrawRole",
        summary="Withdraw a role from a user",
        guards=[requires("users:assign_roles")],
        responses=documented(LastAdministrator, PreconditionFailed) | PREVIEWED,
    )
    async def withdraw_role(
        self,
        assignments: AssignmentService,
        previews: PreviewService,
        user_id: FromPath[UUID],
        role_id: FromPath[UUID],
        within: InScope = None,
        if_match: OptionalIfMatch = None,
    ) -> None:
        """The user no longer has the role in this scope."""
        await previews.of_account(
            SubjectType.user,
            user_id,
            lambda: assignments.withdraw_role(user_id, role_id, within, Precondition(if_match)),
        )

    @get(
        "/permissions",
        operation_id="listUserPermissions",
        summary="List a user's permissions",
        guards=[requires("users:read")],
    )
    async def list_user_permissions(
        self, assignments: AssignmentService, user_id: FromPath[UUID]
    ) -> Page[EffectivePermission]:
        """What the user may do at this moment, with the ways on which it comes: assignment, role, inherited roles."""
        return await assignments.list_effective_permissions(user_id)
