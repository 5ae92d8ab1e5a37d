"""What verifiers outside this service need to know, where the standards say that it is."""

from litestar import Controller, Response, get

from cms_service.api.conditional import ETAG
from cms_service.api.dependencies import provided
from cms_service.core.security import PUBLIC
from cms_service.schemas import AuthorizationServerMetadata, JsonWebKeySet
from cms_service.services import KeyRing, PublishedKeys, PublishedMetadata


class WellKnownController(Controller):
    path = "/.well-known"
    tags = ("discovery",)
    dependencies = provided("server_metadata", "key_ring")
    opt = {PUBLIC: True}

    @get(
        "/jwks.json", operation_id="getJsonWebKeySet", summary="Keys that verify access tokens", response_headers=[ETAG]
    )
    async def get_json_web_key_set(self, key_ring: KeyRing) -> Response[JsonWebKeySet]:
        """The public keys (RFC 7517). Look them up again when a token names one that you do not know."""
        published = await key_ring.public_keys()
        return Response(published.key_set, headers=_cacheable(published))

    @get(
        "/oauth-authorization-server",
        operation_id="getAuthorizationServerMetadata",
        summary="What OAuth 2 clients need to know",
        response_headers=[ETAG],
    )
    async def get_authorization_server_metadata(
        self, server_metadata: PublishedMetadata
    ) -> Response[AuthorizationServerMetadata]:
        """The addresses of this service, and what they take (RFC 8414)."""
        return Response(server_metadata.metadata, headers=_cacheable(server_metadata))


def _cacheable(published: PublishedKeys | PublishedMetadata) -> dict[str, str]:
    return {"ETag": published.entity_tag, "Cache-Control": f"public, max-age={published.max_age_seconds}"}
