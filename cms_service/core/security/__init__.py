"""Who is calling and what that allows: principals, guards, permissions, tokens, passwords, keys."""

from cms_service.core.security.actor import SYSTEM, Actor
from cms_service.core.security.common_words import CommonWords
from cms_service.core.security.cursors import CursorCodec
from cms_service.core.security.device_tokens import Device, DeviceTokenCodec
from cms_service.core.security.emails import canonical_email, email_violations
from cms_service.core.security.guards import PUBLIC, authenticated, authenticated_user, principal_of, requires
from cms_service.core.security.keys import NONCE_BYTES, Sealer, derive_key
from cms_service.core.security.password_hasher import ARGON2ID, PasswordCheck, PasswordHasher
from cms_service.core.security.password_policy import LEAST_MIN_CHARACTERS, MAX_CHARACTERS, PasswordPolicy
from cms_service.core.security.permissions import EVERYTHING, Grant, exceeding, implies
from cms_service.core.security.principal import Principal, SubjectType
from cms_service.core.security.refresh_tokens import (
    PROOF_BYTES,
    SECRET_BYTES,
    PresentedRefreshToken,
    RefreshTokenCodec,
    proof_of,
)
from cms_service.core.security.request_origin import RequestOrigin
from cms_service.core.security.signing import (
    LEEWAY_SECONDS,
    AccessClaims,
    AccessTokenCodec,
    SigningKey,
    SigningKeySet,
    VerificationKey,
    load_private_key,
    new_private_key,
)

__all__ = [
    "ARGON2ID",
    "EVERYTHING",
    "LEAST_MIN_CHARACTERS",
    "LEEWAY_SECONDS",
    "MAX_CHARACTERS",
    "NONCE_BYTES",
    "PROOF_BYTES",
    "PUBLIC",
    "SECRET_BYTES",
    "SYSTEM",
    "AccessClaims",
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
    "SigningKey",
    "SigningKeySet",
    "SubjectType",
    "VerificationKey",
    "authenticated",
    "authenticated_user",
    "canonical_email",
    "derive_key",
    "email_violations",
    "exceeding",
    "implies",
    "load_private_key",
    "new_private_key",
    "principal_of",
    "proof_of",
    "requires",
]
