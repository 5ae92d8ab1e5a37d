"""Refusals of the OAuth 2 endpoints in the form of the standard (RFC 6749 §5.2)."""

import re
from typing import Any

from litestar import Request, Response
from litestar.openapi import ResponseSpec
from litestar.types import ExceptionHandlersMap

from cms_service.api.client_authentication import authorization_values
from cms_service.api.problems import note_refusal
from cms_service.core.exceptions import InvalidClient, InvalidRequest, OAuthRefused, ValidationFailed
from cms_service.schemas import OAuthError, OAuthErrorCode

CHALLENGE = 'Basic realm="cms-service", charset="UTF-8"'
_FORBIDDEN = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")
"""What an error_description may not hold."""

_MEANINGS = {
    400: "`invalid_request`, `invalid_client`, `invalid_scope`, `unauthorized_client` or `unsupported_grant_type`.",
    401: "`invalid_client`, where the client came in the header.",
}


def documented_oauth(*statuses: int) -> dict[int, ResponseSpec]:
    """`responses=` of a handler for refusals in this form."""
    return {status: ResponseSpec(OAuthError, description=_MEANINGS[status]) for status in statuses}


def refuse_oauth(request: Request[Any, Any, Any], error: OAuthRefused) -> Response[OAuthError]:
    """The answer to a client that is refused."""
    note_refusal(request.scope, error.error)
    body = OAuthError(OAuthErrorCode(error.error), _FORBIDDEN.sub("?", error.description))
    if isinstance(error, InvalidClient) and authorization_values(request.scope):
        return Response(body, status_code=401, headers={"WWW-Authenticate": CHALLENGE})
    return Response(body, status_code=400)


def refuse_invalid(request: Request[Any, Any, Any], error: ValidationFailed) -> Response[OAuthError]:
    """The answer to a request that breaks its contract."""
    faults = " ".join(f"{violation.pointer}: {violation.detail}" for violation in error.violations)
    return refuse_oauth(request, InvalidRequest(faults))


OAUTH_EXCEPTION_HANDLERS: ExceptionHandlersMap = {OAuthRefused: refuse_oauth, ValidationFailed: refuse_invalid}
