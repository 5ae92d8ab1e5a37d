"""What OAuth 2 clients need to know of this service (RFC 8414)."""

from hashlib import sha256

import msgspec

from cms_service.schemas import AuthorizationServerMetadata
from cms_service.services.oauth_clients import CLIENT_CREDENTIALS

BASIC, POST, BEARER, NONE = "client_secret_basic", "client_secret_post", "Bearer", "none"
MAX_AGE_SECONDS = 3600


class PublishedMetadata(msgspec.Struct, frozen=True):
    """The metadata, and what a cache needs to know of it."""

    metadata: AuthorizationServerMetadata
    entity_tag: str
    max_age_seconds: int


def publish_metadata(public_url: str) -> PublishedMetadata:
    """All addresses begin with the one that the operator gave, whatever a request says."""
    auth = f"{public_url}/api/v1/auth"
    metadata = AuthorizationServerMetadata(
        issuer=public_url,
        token_endpoint=f"{auth}/token",
        revocation_endpoint=f"{auth}/revoke",
        introspection_endpoint=f"{auth}/introspect",
        jwks_uri=f"{public_url}/.well-known/jwks.json",
        grant_types_supported=[CLIENT_CREDENTIALS],
        response_types_supported=[],
        token_endpoint_auth_methods_supported=[BASIC, POST],
        revocation_endpoint_auth_methods_supported=[BASIC, POST, NONE],
        introspection_endpoint_auth_methods_supported=[BASIC, BEARER],
    )
    digest = sha256(msgspec.json.encode(metadata)).hexdigest()[:16]
    return PublishedMetadata(metadata, f'"{digest}"', MAX_AGE_SECONDS)
