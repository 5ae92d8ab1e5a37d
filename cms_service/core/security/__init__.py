"""Who is calling and what that allows: principals, guards, permissions, tokens, passwords, keys."""

from cms_service.core.security.actor import SYSTEM, Actor
from cms_service.core.security.cursors import CursorCodec
from cms_service.core.security.emails import canonical_email, email_violations
from cms_service.core.security.guards import PUBLIC, authenticated, principal_of, requires
from cms_service.core.security.keys import NONCE_BYTES, derive_key, seal, unseal
from cms_service.core.security.passwords import (
    ARGON2ID,
    MAX_CHARACTERS,
    MIN_CHARACTERS,
    PasswordCheck,
    PasswordHasher,
    password_violations,
)
from cms_service.core.security.permissions import EVERYTHING, Grant, exceeding, implies
from cms_service.core.security.principal import Principal
from cms_service.core.security.refresh_tokens import SECRET_BYTES, PresentedRefreshToken, RefreshTokenCodec
from cms_service.core.security.request_origin import RequestOrigin
from cms_service.core.security.signing import ALGORITHM, AccessClaims, AccessTokenCodec, SigningKey, SigningKeySet

__all__ = [
    "ALGORITHM",
    "ARGON2ID",
    "EVERYTHING",
    "MAX_CHARACTERS",
    "MIN_CHARACTERS",
    "NONCE_BYTES",
    "PUBLIC",
    "SECRET_BYTES",
    "SYSTEM",
    "AccessClaims",
    "AccessTokenCodec",
    "Actor",
    "CursorCodec",
    "Grant",
    "PasswordCheck",
    "PasswordHasher",
    "PresentedRefreshToken",
    "Principal",
    "RefreshTokenCodec",
    "RequestOrigin",
    "SigningKey",
    "SigningKeySet",
    "authenticated",
    "canonical_email",
    "derive_key",
    "email_violations",
    "exceeding",
    "implies",
    "password_violations",
    "principal_of",
    "requires",
    "seal",
    "unseal",
]
