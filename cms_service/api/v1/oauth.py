"""OAuth 2 for machines."""

from typing import Annotated

from litestar import Controller, MediaType, Response, post
from litestar.datastructures import ResponseHeader
from litestar.enums import RequestEncodingType
from litestar.params import Body

from cms_service.api.client_authentication import BASIC, client_in_header
from cms_service.api.dependencies import READS, AnyRequest, provided
from cms_service.api.oauth_refusals import OAUTH_EXCEPTION_HANDLERS, documented_oauth
from cms_service.api.openapi_examples import SHOWN
from cms_service.core.security import PUBLIC, requires
from cms_service.schemas import (
    IntrospectionRequest,
    IntrospectionResponse,
    RevocationRequest,
    ServiceTokenResponse,
    TokenRequest,
)
from cms_service.services import ClientService, IntrospectionService, RevocationService

FORM = RequestEncodingType.URL_ENCODED
_NO_TOKEN = {"error": "invalid_request", "error_description": "/token: This member is required."}


class OAuthController(Controller):
    path = "/auth"
    tags = ("oauth",)
    dependencies = provided("clients", "introspections", "revocations")
    exception_handlers = OAUTH_EXCEPTION_HANDLERS

    @post(
        "/token",
        operation_id="issueToken",
        summary="Exchange a key for an access token",
        status_code=200,
        opt={PUBLIC: True, BASIC: True},
        responses=documented_oauth(400, 401),
        response_headers=[
            ResponseHeader("Pragma", value="no-cache", description="For caches of HTTP/1.0 (RFC 6749 §5.1).")
        ],
    )
    async def issue_token(
        self,
        clients: ClientService,
        request: AnyRequest,
        data: Annotated[TokenRequest, Body(media_type=FORM)],
    ) -> ServiceTokenResponse:
        """Client credentials (RFC 6749 §4.4): the id of a service account and one of its keys.

        They come by HTTP Basic or in the body. The access token lives ten minutes, and ends at once with its key.
        """
        return await clients.issue_token(data, client_in_header(request.scope))

    @post(
        "/introspect",
        operation_id="introspectToken",
        summary="Ask what a token says",
        status_code=200,
        guards=[requires("tokens:introspect")],
        opt={BASIC: True, READS: True, SHOWN: {400: _NO_TOKEN}},
        responses=documented_oauth(400),
    )
    async def introspect_token(
        self, introspections: IntrospectionService, data: Annotated[IntrospectionRequest, Body(media_type=FORM)]
    ) -> IntrospectionResponse:
        """Whether an access token, a refresh token or an API key counts at this moment, and whose it is (RFC 7662).

        Of a token that does not count, the answer says nothing else. Service accounts may authenticate by HTTP Basic.
        """
        return await introspections.introspect(data)

    @post(
        "/revoke",
        operation_id="revokeToken",
        summary="End a token",
        status_code=200,
        media_type=MediaType.TEXT,
        opt={PUBLIC: True, BASIC: True},
        responses=documented_oauth(400, 401),
    )
    async def revoke_token(
        self,
        revocations: RevocationService,
        request: AnyRequest,
        data: Annotated[RevocationRequest, Body(media_type=FORM)],
    ) -> Response[None]:
        """Whoever has a token may end it (RFC 7009); the answer is the same for one that does not count.

        A token of a session ends the session. An API key is revoked, and with it every token that it was exchanged for.
        A client that authenticates ends only what was issued to it.
        """
        await revocations.revoke(data, client_in_header(request.scope))
        return Response(None, media_type=MediaType.TEXT)
