"""OAuth 2 for machines, with the names that the standards give. Unknown parameters are ignored, as they demand."""

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from cms_service.schemas._fields import TEXT_PATTERN
from cms_service.schemas.auth import Seconds

Parameter = Annotated[str, Meta(max_length=2048, pattern=TEXT_PATTERN)]
ClientId = Annotated[
    str,
    Meta(
        max_length=2048,
        pattern=TEXT_PATTERN,
        description="Id of the service account.",
        examples=["0190c8a0-4b1e-7c3f-9d2a-6e5f4a3b2c1d"],
    ),
]
ClientSecret = Annotated[
    str,
    Meta(
        max_length=2048,
        pattern=TEXT_PATTERN,
        description="One of its API keys, unless it comes by HTTP Basic.",
        extra_json_schema={"format": "password"},
    ),
]
TokenText = Annotated[
    str, Meta(max_length=8192, pattern=TEXT_PATTERN, description="The token.", examples=["cms_r_6cFnnMOs9L0YF8FT"])
]
EpochSeconds = Annotated[int, Meta(ge=0, le=2**53 - 1, description="In seconds since the epoch.")]


class TokenRequest(Struct):
    """A service account that exchanges one of its keys for an access token (RFC 6749 §4.4)."""

    grant_type: Annotated[str, Meta(max_length=100, pattern=TEXT_PATTERN, description="`client_credentials`.")]
    scope: Annotated[str, Meta(max_length=2048, pattern=TEXT_PATTERN, description="None is defined.")] | None = None
    client_id: ClientId | None = None
    client_secret: ClientSecret | None = None


class ServiceTokenResponse(Struct):
    """An access token of a service account (RFC 6749 §5.1)."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: Seconds


class IntrospectionRequest(Struct):
    """Whoever asks about a token (RFC 7662 §2.1)."""

    token: TokenText
    token_type_hint: Parameter | None = None


class IntrospectionResponse(Struct):
    """What a token says; of one that does not count, only that (RFC 7662 §2.2)."""

    active: bool
    sub: Annotated[UUID, Meta(description="The user or the service account.")] | UnsetType = UNSET
    client_id: Annotated[str, Meta(description="`cms-service` for users; the service account itself.")] | UnsetType = (
        UNSET
    )
    username: Annotated[str, Meta(description="The e-mail address of the user.")] | UnsetType = UNSET
    token_type: Annotated[str, Meta(description="`Bearer` where it serves as bearer token.")] | UnsetType = UNSET
    exp: EpochSeconds | UnsetType = UNSET
    iat: EpochSeconds | UnsetType = UNSET
    iss: Annotated[str, Meta(description="This service.")] | UnsetType = UNSET
    aud: Annotated[str, Meta(description="This service.")] | UnsetType = UNSET
    jti: Annotated[str, Meta(description="Id of the access token or the key.")] | UnsetType = UNSET


class RevocationRequest(Struct):
    """Whoever ends a token (RFC 7009 §2.1)."""

    token: TokenText
    token_type_hint: Parameter | None = None
    client_id: ClientId | None = None
    client_secret: ClientSecret | None = None


class OAuthErrorCode(StrEnum):
    """Why a request is refused (RFC 6749 §5.2)."""

    invalid_request = "invalid_request"
    invalid_client = "invalid_client"
    invalid_scope = "invalid_scope"
    unauthorized_client = "unauthorized_client"
    unsupported_grant_type = "unsupported_grant_type"


class OAuthError(Struct):
    """A refusal, as OAuth 2 words it (RFC 6749 §5.2)."""

    error: OAuthErrorCode
    error_description: str


class AuthorizationServerMetadata(Struct):
    """What OAuth 2 clients need to know of this service (RFC 8414)."""

    issuer: str
    token_endpoint: str
    revocation_endpoint: str
    introspection_endpoint: str
    jwks_uri: str
    grant_types_supported: list[str]
    response_types_supported: Annotated[list[str], Meta(description="Empty: there is no authorization endpoint.")]
    token_endpoint_auth_methods_supported: list[str]
    revocation_endpoint_auth_methods_supported: list[str]
    introspection_endpoint_auth_methods_supported: list[str]
