"""Who is calling and what that allows: principals, guards, permissions, tokens, passwords, keys."""

from cms_service.core.security.actor import SYSTEM, Actor
from cms_service.core.security.addresses import address_violations, parse_address
from cms_service.core.security.api_keys import (
    API_KEY_PATTERN,
    API_KEY_PREFIX,
    API_KEY_SECRET_BYTES,
    digest_of_api_key,
    write_api_key,
)
from cms_service.core.security.common_words import CommonWords
from cms_service.core.security.cursors import CursorCodec
from cms_service.core.security.device_tokens import Device, DeviceTokenCodec
from cms_service.core.security.emails import (
    canonical_email,
    email_violations,
    sought_email,
    sought_email_violations,
    stored_email,
)
from cms_service.core.security.guards import PUBLIC, authenticated, authenticated_user, principal_of, requires
from cms_service.core.security.keys import NONCE_BYTES, Sealer, derive_key
from cms_service.core.security.password_hasher import ARGON2ID, CHEAPEST_ARGON2ID, PasswordCheck, PasswordHasher
from cms_service.core.security.password_policy import LEAST_MIN_CHARACTERS, MAX_CHARACTERS, PasswordPolicy
from cms_service.core.security.permissions import EVERYTHING, Grant, exceeding, implies, implying, narrowed
from cms_service.core.security.principal import Principal, SubjectType
from cms_service.core.security.refresh_tokens import PREFIX as REFRESH_TOKEN_PREFIX
from cms_service.core.security.refresh_tokens import (
    SECRET_BYTES,
    PresentedRefreshToken,
    RefreshTokenCodec,
    proof_of,
)
from cms_service.core.security.request_origin import RequestOrigin
from cms_service.core.security.shown_text import identifier_violations, shown_text_violations
from cms_service.core.security.signing import (
    FIRST_PARTY_CLIENT_ID,
    LEEWAY_SECONDS,
    SERVICE_TOKEN_LIFETIME,
    AccessTokenCodec,
    ServiceClaims,
    SigningKey,
    SigningKeySet,
    UserClaims,
    VerificationKey,
    load_private_key,
    new_private_key,
)

__all__ = [
    "API_KEY_PATTERN",
    "API_KEY_PREFIX",
    "API_KEY_SECRET_BYTES",
    "ARGON2ID",
    "CHEAPEST_ARGON2ID",
    "EVERYTHING",
    "FIRST_PARTY_CLIENT_ID",
    "LEAST_MIN_CHARACTERS",
    "LEEWAY_SECONDS",
    "MAX_CHARACTERS",
    "NONCE_BYTES",
    "PUBLIC",
    "REFRESH_TOKEN_PREFIX",
    "SECRET_BYTES",
    "SERVICE_TOKEN_LIFETIME",
    "SYSTEM",
    "AccessTokenCodec",
    "Actor",
    "CommonWords",
    "CursorCodec",
    "Device",
    "DeviceTokenCodec",
    "Grant",
    "PasswordCheck",
    "PasswordHasher",
    "PasswordPolicy",
    "PresentedRefreshToken",
    "Principal",
    "RefreshTokenCodec",
    "RequestOrigin",
    "Sealer",
    "ServiceClaims",
    "SigningKey",
    "SigningKeySet",
    "SubjectType",
    "UserClaims",
    "VerificationKey",
    "address_violations",
    "authenticated",
    "authenticated_user",
    "canonical_email",
    "derive_key",
    "digest_of_api_key",
    "email_violations",
    "exceeding",
    "identifier_violations",
    "implies",
    "implying",
    "load_private_key",
    "narrowed",
    "new_private_key",
    "parse_address",
    "principal_of",
    "proof_of",
    "requires",
    "shown_text_violations",
    "sought_email",
    "sought_email_violations",
    "stored_email",
    "write_api_key",
]
