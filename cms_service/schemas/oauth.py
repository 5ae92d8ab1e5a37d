"""OAuth 2 for machines, with the names that the standards give. Unknown parameters are ignored, as they demand."""

from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from cms_service.schemas._fields import TEXT_PATTERN, AccessTokenText, ServiceAccountId, TokenType
from cms_service.schemas.auth import Seconds

ISSUER = "https://accounts.example.org"
CLIENT = "0190c8a2-5e90-7d1a-b3f7-04a8c6e2d915"
TOKEN = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIwMTkwYzhhMiJ9.c2lnbmF0dXJl"  # noqa: S105 - of nobody
JTI = "0190c8a7-1f42-7365-b15d-f1c9b8a7d6a4"

Hint = Annotated[
    str,
    Meta(max_length=2048, pattern=TEXT_PATTERN, description="What the token may be.", examples=["access_token"]),
]
ClientId = Annotated[
    str,
    Meta(
        max_length=2048,
        pattern=TEXT_PATTERN,
        description="Id of the service account.",
        examples=[CLIENT],
    ),
]
ClientSecret = Annotated[
    str,
    Meta(
        max_length=2048,
        pattern=TEXT_PATTERN,
        description="One of its API keys, unless it comes by HTTP Basic.",
        examples=["cms_k_8zVd3bJ0lQm5Yw2Xn7RtPcKfGh1SsAeUiOoZx4Cv9Bq4mZKDu"],
        extra_json_schema={"format": "password"},
    ),
]
TokenText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=8192,
        pattern=TEXT_PATTERN,
        description="The token.",
        examples=[TOKEN],
    ),
]
AuthMethods = Annotated[
    list[str],
    Meta(description="How clients authenticate there.", examples=[["client_secret_basic", "client_secret_post"]]),
]
EpochSeconds = Annotated[
    int, Meta(ge=0, le=2**53 - 1, description="In seconds since the epoch.", examples=[1777622400])
]


class TokenRequest(Struct):
    """A service account that exchanges one of its keys for an access token (RFC 6749 §4.4)."""

    grant_type: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=100,
            pattern=TEXT_PATTERN,
            description="`client_credentials`.",
            examples=["client_credentials"],
        ),
    ]
    scope: (
        Annotated[str, Meta(max_length=2048, pattern=TEXT_PATTERN, description="None is defined.", examples=[])] | None
    ) = None
    client_id: ClientId | None = None
    client_secret: ClientSecret | None = None


class ServiceTokenResponse(Struct):
    """An access token of a service account (RFC 6749 §5.1)."""

    access_token: Annotated[AccessTokenText, Meta(examples=[TOKEN])]
    token_type: TokenType
    expires_in: Annotated[Seconds, Meta(examples=[600])]


class IntrospectionRequest(Struct):
    """Whoever asks about a token (RFC 7662 §2.1)."""

    token: TokenText
    token_type_hint: Hint | None = None


class IntrospectionResponse(Struct):
    """What a token says; of one that does not count, only that (RFC 7662 §2.2)."""

    active: Annotated[bool, Meta(description="Whether it counts.")]
    sub: Annotated[ServiceAccountId, Meta(description="The user or the service account.")] | UnsetType = UNSET
    client_id: (
        Annotated[str, Meta(description="`cms-service` for users; the service account itself.", examples=[CLIENT])]
        | UnsetType
    ) = UNSET
    username: Annotated[str, Meta(description="The e-mail address of the user.", examples=[])] | UnsetType = UNSET
    token_type: (
        Annotated[str, Meta(description="`Bearer` where it serves as bearer token.", examples=["Bearer"])] | UnsetType
    ) = UNSET
    exp: Annotated[EpochSeconds, Meta(examples=[1777623000])] | UnsetType = UNSET
    iat: EpochSeconds | UnsetType = UNSET
    iss: Annotated[str, Meta(description="This service.", examples=[ISSUER])] | UnsetType = UNSET
    aud: Annotated[str, Meta(description="This service.", examples=[ISSUER])] | UnsetType = UNSET
    jti: Annotated[str, Meta(description="Id of the access token or the key.", examples=[JTI])] | UnsetType = UNSET


class RevocationRequest(Struct):
    """Whoever ends a token (RFC 7009 §2.1)."""

    token: TokenText
    token_type_hint: Hint | None = None
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
    error_description: Annotated[
        str, Meta(description="The reason, for people.", examples=["The client is unknown or its key is wrong."])
    ]


class AuthorizationServerMetadata(Struct):
    """What OAuth 2 clients need to know of this service (RFC 8414)."""

    issuer: Annotated[str, Meta(description="`iss` of the tokens.", examples=[ISSUER])]
    token_endpoint: Annotated[
        str, Meta(description="Where keys become access tokens.", examples=[f"{ISSUER}/api/v1/auth/token"])
    ]
    revocation_endpoint: Annotated[
        str, Meta(description="Where tokens are ended.", examples=[f"{ISSUER}/api/v1/auth/revoke"])
    ]
    introspection_endpoint: Annotated[
        str, Meta(description="Where tokens are asked about.", examples=[f"{ISSUER}/api/v1/auth/introspect"])
    ]
    jwks_uri: Annotated[
        str, Meta(description="Where the public keys are.", examples=[f"{ISSUER}/.well-known/jwks.json"])
    ]
    grant_types_supported: Annotated[list[str], Meta(description="Ways to a token.", examples=[["client_credentials"]])]
    response_types_supported: Annotated[
        list[str], Meta(description="Empty: there is no authorization endpoint.", examples=[[]])
    ]
    token_endpoint_auth_methods_supported: AuthMethods
    revocation_endpoint_auth_methods_supported: AuthMethods
    introspection_endpoint_auth_methods_supported: AuthMethods
