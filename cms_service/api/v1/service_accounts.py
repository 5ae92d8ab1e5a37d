"""Service accounts."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter

from cms_service.api.conditional import ETAG, LOCATION, IfMatch, tagged
from cms_service.api.creating import KEY_REFUSALS, REPLAYED, Creating
from cms_service.api.dependencies import provided
from cms_service.api.parameters import DEFAULT_LIMIT, Cursor, IncludeTotal, Limit, Search
from cms_service.api.problems import documented
from cms_service.core.exceptions import EscalationRefused, NameTaken
from cms_service.core.security import requires
from cms_service.schemas import (
    Page,
    ServiceAccountCreate,
    ServiceAccountQuery,
    ServiceAccountRead,
    ServiceAccountSort,
    ServiceAccountUpdate,
)
from cms_service.services import Precondition, ServiceAccountService


class ServiceAccountController(Controller):
    path = "/service-accounts"
    tags = ("service-accounts",)
    dependencies = provided("creating", "service_accounts")

    @get(
        operation_id="listServiceAccounts",
        summary="List service accounts",
        guards=[requires("service_accounts:read")],
    )
    async def list_service_accounts(
        self,
        service_accounts: ServiceAccountService,
        q: Search = None,
        is_active: Annotated[bool | None, QueryParameter(description="Only accounts that count, or not.")] = None,
        sort: Annotated[ServiceAccountSort, QueryParameter(description="Order of the list.")] = ServiceAccountSort.name,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        include_total: IncludeTotal = False,
    ) -> Page[ServiceAccountRead]:
        """Service accounts that pass every filter given. `q` looks in names and descriptions."""
        return await service_accounts.list_service_accounts(
            ServiceAccountQuery(
                q=q, is_active=is_active, sort=sort, limit=limit, cursor=cursor, include_total=include_total
            )
        )

    @post(
        operation_id="createServiceAccount",
        summary="Create a service account",
        guards=[requires("service_accounts:manage")],
        responses=documented(NameTaken, *KEY_REFUSALS),
        response_headers=[ETAG, LOCATION, REPLAYED],
    )
    async def create_service_account(
        self, creating: Creating, service_accounts: ServiceAccountService, data: JSONBody[ServiceAccountCreate]
    ) -> Response[ServiceAccountRead]:
        """Creates a service account without roles and keys."""
        return await creating.once(
            lambda: service_accounts.create_service_account(data), location="/api/v1/service-accounts/{id}"
        )

    @get(
        "/{service_account_id:uuid}",
        operation_id="getServiceAccount",
        summary="Get a service account",
        guards=[requires("service_accounts:read")],
        response_headers=[ETAG],
    )
    async def get_service_account(
        self, service_accounts: ServiceAccountService, service_account_id: FromPath[UUID]
    ) -> Response[ServiceAccountRead]:
        """One service account."""
        return tagged(await service_accounts.get_service_account(service_account_id))

    @patch(
        "/{service_account_id:uuid}",
        operation_id="updateServiceAccount",
        summary="Change a service account",
        guards=[requires("service_accounts:manage")],
        responses=documented(EscalationRefused, NameTaken),
        response_headers=[ETAG],
    )
    async def update_service_account(
        self,
        service_accounts: ServiceAccountService,
        service_account_id: FromPath[UUID],
        data: JSONBody[ServiceAccountUpdate],
        if_match: IfMatch,
    ) -> Response[ServiceAccountRead]:
        """Changes a service account that can do no more than you can. Deactivating it revokes its keys at once."""
        precondition = Precondition(if_match)
        return tagged(await service_accounts.update_service_account(service_account_id, data, precondition))

    @delete(
        "/{service_account_id:uuid}",
        operation_id="deleteServiceAccount",
        summary="Delete a service account",
        guards=[requires("service_accounts:manage")],
        responses=documented(EscalationRefused),
    )
    async def delete_service_account(
        self, service_accounts: ServiceAccountService, service_account_id: FromPath[UUID], if_match: IfMatch
    ) -> None:
        """Deletes a service account that can do no more than you can. All of its credentials end at once."""
        await service_accounts.delete_service_account(service_account_id, Precondition(if_match))
