"""How OAuth 2 clients say who they are in a header."""

from base64 import b64decode
from urllib.parse import unquote_plus

from litestar.types import Scope

from cms_service.api.header_fields import values_of
from cms_service.core.exceptions import InvalidClient
from cms_service.services import PresentedClient

BASIC = "basic_client"
"""Key of `opt`: a service account may authenticate with its id and a key by HTTP Basic, instead of a bearer token."""


def authorization_values(scope: Scope) -> list[bytes]:
    """Every Authorization header of the request, as it came."""
    return values_of(scope, b"authorization")


def credentials_in(authorization: bytes) -> tuple[bytes, bytes]:
    """The scheme in lower case, and what follows it after one space or more (RFC 9110 §11.4)."""
    scheme, _, credentials = authorization.partition(b" ")
    return scheme.lower(), credentials.lstrip(b" ")


def client_in_header(scope: Scope) -> PresentedClient | None:
    """The client that authenticates by HTTP Basic, each part percent-encoded (RFC 6749 §2.3.1); None without a header.

    Raises:
        InvalidClient: the header is of another scheme or form.
    """
    values = authorization_values(scope)
    if not values:
        return None
    scheme, encoded = credentials_in(values[0])
    if len(values) > 1 or scheme != b"basic":
        raise InvalidClient("Send one Authorization header, with the scheme Basic.")
    try:
        client_id, colon, secret = b64decode(encoded, validate=True).decode().partition(":")
        if not colon:
            raise ValueError
        return PresentedClient(unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict"))
    except ValueError:
        raise InvalidClient("The Authorization header is not of the form of HTTP Basic.") from None
