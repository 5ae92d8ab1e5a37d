"""Roles of a service account."""

from uuid import UUID

from litestar import Controller, delete, get, put
from litestar.params import FromPath, JSONBody

from cms_service.api.conditional import IfMatch, OptionalIfMatch
from cms_service.api.dependencies import provided
from cms_service.api.parameters import InScope
from cms_service.api.previews import PREVIEWED
from cms_service.api.problems import documented
from cms_service.core.exceptions import EscalationRefused, PreconditionFailed
from cms_service.core.security import SubjectType, requires
from cms_service.schemas import AssignedRole, Page, RoleAssignmentsReplace, RoleAssignmentTerms
from cms_service.services import Precondition, PreviewService, ServiceAccountRoleService


class ServiceAccountRoleController(Controller):
    path = "/service-accounts/{service_account_id:uuid}/roles"
    tags = ("service-accounts",)
    dependencies = provided("previews", "service_account_roles")

    @get(
        operation_id="listServiceAccountRoles",
        summary="List a service account's roles",
        guards=[requires("service_accounts:read")],
    )
    async def list_service_account_roles(
        self, service_account_roles: ServiceAccountRoleService, service_account_id: FromPath[UUID]
    ) -> Page[AssignedRole]:
        """Every assignment, whether its time has come, is on or is over."""
        return await service_account_roles.list_assignments(service_account_id)

    @put(
        operation_id="replaceServiceAccountRoles",
        summary="Replace a service account's roles",
        guards=[requires("service_accounts:manage")],
        responses=documented(EscalationRefused) | PREVIEWED,
    )
    async def replace_service_account_roles(
        self,
        service_account_roles: ServiceAccountRoleService,
        previews: PreviewService,
        service_account_id: FromPath[UUID],
        data: JSONBody[RoleAssignmentsReplace],
        if_match: IfMatch,
    ) -> Page[AssignedRole]:
        """The service account has exactly these roles. If-Match takes the entity tag of the service account."""
        return await previews.of_account(
            SubjectType.service,
            service_account_id,
            lambda: service_account_roles.replace_assignments(service_account_id, data, Precondition(if_match)),
        )

    @put(
        "/{role_id:uuid}",
        operation_id="assignServiceAccountRole",
        summary="Assign a role to a service account",
        guards=[requires("service_accounts:manage")],
        responses=documented(EscalationRefused, PreconditionFailed) | PREVIEWED,
    )
    async def assign_service_account_role(
        self,
        service_account_roles: ServiceAccountRoleService,
        previews: PreviewService,
        service_account_id: FromPath[UUID],
        role_id: FromPath[UUID],
        data: JSONBody[RoleAssignmentTerms | None] = None,
        if_match: OptionalIfMatch = None,
    ) -> Page[AssignedRole]:
        """The service account has the role, on these terms; answers with all its roles.

        You must hold every permission of the role.
        """
        return await previews.of_account(
            SubjectType.service,
            service_account_id,
            lambda: service_account_roles.assign_role(service_account_id, role_id, data, Precondition(if_match)),
        )

    @delete(
        "/{role_id:uuid}",
        operation_id="withdrawServiceAccountRole",
        summary="Withdraw a role from a service account",
        guards=[requires("service_accounts:manage")],
        responses=documented(EscalationRefused, PreconditionFailed) | PREVIEWED,
    )
    async def withdraw_service_account_role(
        self,
        service_account_roles: ServiceAccountRoleService,
        previews: PreviewService,
        service_account_id: FromPath[UUID],
        role_id: FromPath[UUID],
        within: InScope = None,
        if_match: OptionalIfMatch = None,
    ) -> None:
        """The service account no longer has the role in this scope."""
        await previews.of_account(
            SubjectType.service,
            service_account_id,
            lambda: service_account_roles.withdraw_role(service_account_id, role_id, within, Precondition(if_match)),
        )
