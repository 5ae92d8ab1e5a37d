"""The header with which a service account acts for a user: where it counts, and how the document describes it."""

from collections.abc import Mapping
from typing import Any

from litestar.types import Scope

from cms_service.api.header_fields import values_of
from cms_service.core.security import PUBLIC

NAME = "X-On-Behalf-Of"
PARAMETER = {
    "name": NAME,
    "in": "header",
    "required": False,
    "description": "For a service account that acts for a user: the access token of the user, without `Bearer`, beside "
    "the credential of the service account. This one request then has the permissions of the user instead of its own."
    "\n\n"
    "401 `token_invalid` or `token_expired`: the token does not count. 401 `authentication_required`: there is no "
    "credential beside it. 403 `permission_denied`: the caller is no service account. Where credentials are optional, "
    "none of these 401 is given: the request counts as one without a credential.",
    "schema": {"type": "string", "pattern": r"^[\x21-\x7e]+$"},
}
"""As `components/parameters` holds it. No handler declares it: `Authentication` reads the header."""
_KEY = NAME.lower().encode()


def is_honoured(opt: Mapping[str, Any]) -> bool:
    """Whether a route with this `opt` looks at credentials, and so at the header."""
    return not opt.get(PUBLIC)


def user_tokens_of(scope: Scope) -> list[bytes]:
    """The value of every such header of the request, as it came."""
    return values_of(scope, _KEY)
