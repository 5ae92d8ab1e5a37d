"""Keys of a service account."""

from uuid import UUID

from litestar import Controller, Response, delete, get, post
from litestar.params import FromPath, JSONBody

from cms_service.api.conditional import LOCATION
from cms_service.api.creating import KEY_REFUSALS, REPLAYED, Creating
from cms_service.api.dependencies import provided
from cms_service.api.parameters import DEFAULT_LIMIT, Cursor, IncludeTotal, Limit
from cms_service.api.problems import documented
from cms_service.core.exceptions import Conflict, EscalationRefused
from cms_service.core.security import requires
from cms_service.schemas import ApiKeyCreate, ApiKeyCreated, ApiKeyRead, ListQuery, Page
from cms_service.services import ApiKeyService


class ApiKeyController(Controller):
    path = "/service-accounts/{service_account_id:uuid}/keys"
    tags = ("service-accounts",)
    dependencies = provided("creating", "api_keys")

    @get(
        operation_id="listApiKeys",
        summary="List a service account's keys",
        guards=[requires("service_accounts:read")],
    )
    async def list_api_keys(
        self,
        api_keys: ApiKeyService,
        service_account_id: FromPath[UUID],
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        include_total: IncludeTotal = False,
    ) -> Page[ApiKeyRead]:
        """The youngest first. Revoked and expired keys are shown for another thirty days."""
        query = ListQuery(limit=limit, cursor=cursor, include_total=include_total)
        return await api_keys.list_keys(service_account_id, query)

    @post(
        operation_id="createApiKey",
        summary="Create a key",
        guards=[requires("service_accounts:manage")],
        responses=documented(EscalationRefused, Conflict, *KEY_REFUSALS),
        response_headers=[LOCATION, REPLAYED],
    )
    async def create_api_key(
        self,
        creating: Creating,
        api_keys: ApiKeyService,
        service_account_id: FromPath[UUID],
        data: JSONBody[ApiKeyCreate],
    ) -> Response[ApiKeyCreated]:
        """Creates a key of a service account that can do no more than you can.

        The answer holds the key itself, which nobody else can read, and you only by repeating the request with the same
        `Idempotency-Key`.
        """
        return await creating.once(
            lambda: api_keys.create_key(service_account_id, data),
            location=f"/api/v1/service-accounts/{service_account_id}/keys/{{id}}",
        )

    @get(
        "/{key_id:uuid}",
        operation_id="getApiKey",
        summary="Get a key",
        guards=[requires("service_accounts:read")],
    )
    async def get_api_key(
        self, api_keys: ApiKeyService, service_account_id: FromPath[UUID], key_id: FromPath[UUID]
    ) -> ApiKeyRead:
        """One key, without its secret."""
        return await api_keys.get_key(service_account_id, key_id)

    @delete(
        "/{key_id:uuid}",
        operation_id="revokeApiKey",
        summary="Revoke a key",
        guards=[requires("service_accounts:manage")],
        responses=documented(EscalationRefused),
    )
    async def revoke_api_key(
        self, api_keys: ApiKeyService, service_account_id: FromPath[UUID], key_id: FromPath[UUID]
    ) -> None:
        """The key counts no more, nor does any access token that it was exchanged for."""
        await api_keys.revoke_key(service_account_id, key_id)
