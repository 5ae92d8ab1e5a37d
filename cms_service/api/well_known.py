"""What verifiers outside this service need to know, where the standards say that it is."""

from litestar import Controller, Response, get

from cms_service.api.conditional import ETAG
from cms_service.core.security import PUBLIC
from cms_service.schemas import JsonWebKeySet
from cms_service.services import KeyRing, PublishedKeys


class WellKnownController(Controller):
    path = "/.well-known"
    tags = ("discovery",)
    opt = {PUBLIC: True}

    @get(
        "/jwks.json", operation_id="getJsonWebKeySet", summary="Keys that verify access tokens", response_headers=[ETAG]
    )
    async def get_json_web_key_set(self, key_ring: KeyRing) -> Response[JsonWebKeySet]:
        """The public keys (RFC 7517). Look them up again when a token names one that you do not know."""
        return _cacheable(await key_ring.public_keys())


def _cacheable(published: PublishedKeys) -> Response[JsonWebKeySet]:
    headers = {"ETag": published.entity_tag, "Cache-Control": f"public, max-age={published.max_age_seconds}"}
    return Response(published.key_set, headers=headers)
