"""Signing keys, as the operator sees them."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class SigningKeyState(StrEnum):
    PUBLISHED = "published"
    """Verifiers know it already; it does not sign yet."""
    SIGNING = "signing"
    VERIFYING = "verifying"
    """A younger one signs; what this one signed still counts."""
    RETIRED = "retired"


class SigningKeyRead(Struct, frozen=True):
    """A signing key without its private half."""

    kid: str
    algorithm: str
    published_at: datetime
    active_from: datetime
    retires_at: datetime | None
    state: SigningKeyState
