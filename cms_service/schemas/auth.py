"""Signing up, in and out."""

from typing import Annotated

from msgspec import Meta, Struct

from cms_service.schemas._fields import (
    AccessTokenText,
    DeviceToken,
    DisplayName,
    Email,
    NewPassword,
    PresentPassword,
    RefreshTokenText,
    SoughtEmail,
    TokenType,
)
from cms_service.schemas.user import UserRead

Seconds = Annotated[int, Meta(ge=0, le=2**31 - 1, description="In seconds from now.", examples=[300])]


class RegisterRequest(Struct, forbid_unknown_fields=True):
    """A person who opens an account."""

    email: Email
    password: NewPassword
    display_name: DisplayName


class LoginRequest(Struct, forbid_unknown_fields=True):
    """A person who signs in."""

    email: SoughtEmail
    password: PresentPassword
    device_token: DeviceToken | None = None


class ReauthenticationRequest(Struct, forbid_unknown_fields=True):
    """A signed-in person who proves again who they are."""

    password: PresentPassword


class RefreshRequest(Struct, forbid_unknown_fields=True):
    """A client that stays signed in."""

    refresh_token: RefreshTokenText


class LogoutRequest(Struct, forbid_unknown_fields=True):
    """A client that signs out. Without a refresh token, the session of the access token ends."""

    refresh_token: RefreshTokenText | None = None


class PasswordChange(Struct, forbid_unknown_fields=True):
    """A person who changes the password."""

    current_password: PresentPassword
    new_password: Annotated[NewPassword, Meta(examples=["nine grey foxes by the lake"])]


class AccessTokenResponse(Struct):
    """A fresh access token for the same session."""

    access_token: AccessTokenText
    token_type: TokenType
    expires_in: Seconds


class TokenResponse(AccessTokenResponse):
    """A fresh pair of tokens (RFC 6749 §5.1)."""

    refresh_token: Annotated[
        RefreshTokenText,
        Meta(examples=["cms_r_6cFnnMOs9L0YF8FT0HrRyeiNxaYzsyEJ8fTbQvKj2WmXo5NdPzLhUgAy4RcS7qJuDnIeGk1w"]),
    ]
    refresh_expires_in: Annotated[Seconds, Meta(examples=[604800])]


class LoginResponse(AccessTokenResponse):
    """A fresh pair of tokens, and whose they are."""

    refresh_token: RefreshTokenText
    refresh_expires_in: Annotated[Seconds, Meta(examples=[604800])]
    device_token: DeviceToken
    user: UserRead
