"""The one table that gives each refusal its status, and the way from an exception to a problem document."""

from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.openapi import ResponseSpec
from litestar.types import ExceptionHandlersMap, Scope
from msgspec import UNSET, UnsetType

from cms_service.api.base_path import public_path, requested_path
from cms_service.api.json_response import JsonResponse
from cms_service.api.previews import answer_preview
from cms_service.api.request_origin import origin_in
from cms_service.core.database import translate_error
from cms_service.core.exceptions import (
    AuthenticationRequired,
    BodyTooLarge,
    Conflict,
    EscalationRefused,
    IdempotencyKeyReused,
    InternalError,
    InvalidCredentials,
    MalformedJson,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    PermissionDenied,
    PreconditionFailed,
    PreconditionRequired,
    RateLimited,
    ReauthenticationRequired,
    RefreshTokenInvalid,
    RefreshTokenReused,
    RegistrationClosed,
    ServiceError,
    ServiceUnavailable,
    TokenExpired,
    TokenInvalid,
    UnsupportedContentEncoding,
    UnsupportedMediaType,
    ValidationFailed,
    Violation,
)
from cms_service.schemas import FieldError, Problem, ValidationProblem
from cms_service.services import Previewed

PROBLEM_MEDIA_TYPE = "application/problem+json"
DEFAULT_RETRY_AFTER_SECONDS = 1
CHALLENGE = 'Bearer realm="cms-service"'

STATUSES: dict[type[ServiceError], int] = {
    ValidationFailed: 400,
    MalformedJson: 400,
    AuthenticationRequired: 401,
    TokenInvalid: 401,
    TokenExpired: 401,
    InvalidCredentials: 401,
    ReauthenticationRequired: 401,
    RefreshTokenInvalid: 401,
    RefreshTokenReused: 401,
    PermissionDenied: 403,
    EscalationRefused: 403,
    RegistrationClosed: 403,
    NotFound: 404,
    MethodNotAllowed: 405,
    Conflict: 409,
    PreconditionFailed: 412,
    BodyTooLarge: 413,
    UnsupportedMediaType: 415,
    UnsupportedContentEncoding: 415,
    IdempotencyKeyReused: 422,
    PreconditionRequired: 428,
    RateLimited: 429,
    InternalError: 500,
    ServiceUnavailable: 503,
    Overloaded: 503,
}
"""A class that is not here has the status of the class that it refines. The first class of a status stands for it."""

REPRESENTATIVES: dict[int, type[ServiceError]] = {status: error for error, status in reversed(STATUSES.items())}
"""For each status the meaning of an error that Litestar itself raises, and the name of the documented response."""

_CODE_KEY = "problem_code"

_log = structlog.get_logger("cms_service.problems")


def status_of(error: type[ServiceError]) -> int:
    """The HTTP status of a meaning."""
    return next(STATUSES[ancestor] for ancestor in error.__mro__ if ancestor in STATUSES)


def documented(*errors: type[ServiceError]) -> dict[int, ResponseSpec]:
    """`responses=` of a handler: what it may refuse beyond what `api/openapi.py` documents on every operation."""
    by_status: dict[int, list[type[ServiceError]]] = {}
    for error in errors:
        by_status.setdefault(status_of(error), []).append(error)
    return {
        status: ResponseSpec(
            model_of(status),
            description=" ".join(f"`{error.code}`: {error.title}" for error in meanings),
            media_type=PROBLEM_MEDIA_TYPE,
        )
        for status, meanings in by_status.items()
    }


def model_of(status: int) -> type[Problem | ValidationProblem]:
    """Two models are all that clients need to know."""
    return ValidationProblem if status == 400 else Problem


def problem_of(error: ServiceError, scope: Scope) -> Problem | ValidationProblem:
    """The document that tells the client of a request about its refusal."""
    status = status_of(type(error))
    common: dict[str, Any] = {
        "type": public_path(scope, f"/problems/{error.code}"),
        "title": error.title,
        "status": status,
        "detail": error.detail,
        "instance": requested_path(scope),
        "code": error.code,
        "request_id": origin_in(scope).request_id,
    }
    if status != 400:
        return Problem(**common)
    violations = error.violations if isinstance(error, ValidationFailed) else ()
    return ValidationProblem(**common, errors=[FieldError(v.pointer, v.code, v.detail) for v in violations])


def headers_of(error: ServiceError) -> dict[str, str]:
    """The headers that belong to the refusal (RFC 6750 §3, RFC 9110 §10.2.3 and §12.5.3)."""
    match status_of(type(error)):
        case 401:
            return {"WWW-Authenticate": _challenge(error)}
        case 415 if isinstance(error, UnsupportedContentEncoding):
            return {"Accept-Encoding": "identity"}
        case 429 if isinstance(error, RateLimited):
            wait = error.retry_after_seconds
            return {
                "Retry-After": str(wait),
                "RateLimit-Policy": f'"{error.policy}";q={error.quota}',
                "RateLimit": f'"{error.policy}";r=0;t={wait}',
            }
        case 503:
            return {"Retry-After": str(error.retry_after_seconds or DEFAULT_RETRY_AFTER_SECONDS)}
        case _:
            return {"Retry-After": str(error.retry_after_seconds)} if error.retry_after_seconds else {}


def _challenge(error: ServiceError) -> str:
    match error:
        case TokenInvalid() | TokenExpired():
            name = "invalid_token"
        case ReauthenticationRequired():
            name = "insufficient_user_authentication"  # RFC 9470.
        case _:
            return CHALLENGE
    return f'{CHALLENGE}, error="{name}", error_description="{error.title}"'


def note_refusal(scope: Scope, code: str) -> None:
    """Remember the code of the problem for the line that is logged of the request."""
    scope["state"][_CODE_KEY] = code


def noted_refusal(scope: Scope) -> str | UnsetType:
    """Return the code that `note_refusal` has remembered."""
    code: str | UnsetType = scope["state"].get(_CODE_KEY, UNSET)
    return code


def refuse(request: Request[Any, Any, Any], error: ServiceError) -> Response[Problem | ValidationProblem]:
    """The answer to a request that is refused."""
    problem = problem_of(error, request.scope)
    note_refusal(request.scope, error.code)
    if problem.status == 503:
        _log.warning("unavailable", code=error.code, cause=type(error.__cause__).__name__)
    return JsonResponse(problem, status_code=problem.status, headers=headers_of(error), media_type=PROBLEM_MEDIA_TYPE)


def refuse_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem | ValidationProblem]:
    """The answer to what Litestar refuses. Its texts are dropped, because they repeat the URL with its query."""
    if error.status_code >= 500:
        return refuse_unexpected(request, error)
    meaning = REPRESENTATIVES.get(error.status_code, ValidationFailed)
    response = refuse(
        request,
        ValidationFailed(Violation("", "malformed", "The request is malformed."))
        if meaning is ValidationFailed
        else meaning(),
    )
    if allow := (error.headers or {}).get("allow"):
        response.headers["Allow"] = complete_allow(allow)
    return response


def refuse_unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Problem | ValidationProblem]:
    """The answer to an exception that nobody has given a meaning yet."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, HTTPException) and error.status_code < 500:
        return refuse_http(request, error)
    meaning = error if isinstance(error, ServiceError) else translate_error(error)
    if meaning is None:
        _log.error("unexpected_error", exc_info=error)
        meaning = InternalError()
    elif meaning is not error:
        meaning.__cause__ = error
    return refuse(request, meaning)


def complete_allow(methods: str) -> str:
    """`Allow` with the methods that the envelope answers on its own: HEAD where GET is, and OPTIONS."""
    names = {name.strip() for name in methods.split(",")} | {"OPTIONS"}
    return ", ".join(sorted(names | ({"HEAD"} if "GET" in names else set())))


EXCEPTION_HANDLERS: ExceptionHandlersMap = {
    ServiceError: refuse,
    HTTPException: refuse_http,
    Previewed: answer_preview,
    Exception: refuse_unexpected,
}
