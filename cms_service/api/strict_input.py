"""Refuses input that breaks its contract, before dependencies run, and names every fault in one answer."""

import re
import time
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
from litestar import Request
from litestar.enums import RequestEncodingType
from litestar.handlers import HTTPRouteHandler
from msgspec import inspect as types

from cms_service.api.header_fields import has_field, values_of
from cms_service.api.input_plan import Body, InputPlan, Parameter, plan_for
from cms_service.api.litestar_seam import keep_form, keep_json
from cms_service.api.readmission import Readmission
from cms_service.api.request_body import BodyReader
from cms_service.api.strict_json import parse_json
from cms_service.api.violations import quoted, violations_of
from cms_service.core.exceptions import (
    NotFound,
    PreconditionRequired,
    UnsupportedContentEncoding,
    UnsupportedMediaType,
    ValidationFailed,
    Violation,
)
from cms_service.core.security import PasswordPolicy

STRICT_QUERY_BELOW = "/api/"
"""Routes below this path refuse query parameters that they do not declare. All others ignore them: caches, monitors and
links add parameters of their own to the addresses of probes, metadata and pages."""
MOST_VIOLATIONS = 100
LONGEST_TRUST_SECONDS = 0.1
"""When a body takes longer to arrive, the caller is looked at once more."""
OWN_WORDS = ("email", "display_name")
"""Members of which a password beside them is not made."""
LONGEST_OWN_WORDS = 254
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LAX_CHARACTER = re.compile(rb"\\(n|u000[0aA])")
"""NUL, which no type forbids by itself, and the line break, which Python's `$` lets follow, as JSON escapes them."""
_MEDIA_TYPE = re.compile(r'([^;\s]+)\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?', re.IGNORECASE)


class StrictInput:
    """Litestar's `before_request` hook: runs after the guards, so that 401 and 403 come before 400."""

    def __init__(self, password_policy: PasswordPolicy, readmission: Readmission) -> None:
        self._password_policy = password_policy
        self._readmission = readmission
        self._bodies = BodyReader()
        self._plans: dict[HTTPRouteHandler, InputPlan] = {}

    async def __call__(self, request: Request[Any, Any, Any]) -> None:
        """Leaves the decoded body for Litestar to inject.

        NotFound: a UUID of the path is not in its canonical form. UnsupportedContentEncoding, UnsupportedMediaType,
        MalformedJson: the body cannot be read at all. ValidationFailed: everything else that is wrong with query,
        headers and body together.
        PreconditionRequired: nothing is wrong, but If-Match is missing.
        """
        _require_canonical_ids(request)
        plan = self._plans.get(request.route_handler)
        if plan is None:
            plan = self._plans[request.route_handler] = plan_for(request.route_handler)
        violations: list[Violation] = []
        query, is_strict = request.scope["query_string"], request.scope["path_template"].startswith(STRICT_QUERY_BELOW)
        if plan.query or (query and is_strict):
            violations += islice(_query_violations(query, plan.query, is_strict=is_strict), MOST_VIOLATIONS)
        if plan.headers:
            violations += _header_violations(request, plan.headers)
        if plan.body is not None:
            started_at = time.monotonic()
            value, found = await self._read_body(request, plan.body)
            if time.monotonic() - started_at > LONGEST_TRUST_SECONDS:
                await self._readmission.readmit(request)
            violations += islice(found, MOST_VIOLATIONS)
            if violations and isinstance(value, dict):
                violations += await self._password_violations(value, plan.body, violations)
        if violations:
            raise ValidationFailed(*violations)
        if (
            b"if-match" in plan.headers
            and plan.headers[b"if-match"].is_required
            and not has_field(request.scope, b"if-match")
        ):
            raise PreconditionRequired

    async def _read_body(self, request: Request[Any, Any, Any], declared: Body) -> tuple[Any, Iterator[Violation]]:
        _require_no_coding(request)
        return _decode(request, declared, await self._bodies.read(request))

    async def _password_violations(
        self, body: dict[str, Any], declared: Body, found: list[Violation]
    ) -> list[Violation]:
        """What services would say of the new passwords in a body that does not reach them."""
        refused = {violation.pointer for violation in found}
        own_words = [str(body.get(name, ""))[:LONGEST_OWN_WORDS] for name in OWN_WORDS]
        violations: list[Violation] = []
        for name in declared.new_passwords:
            if isinstance(password := body.get(name), str) and f"/{name}" not in refused:
                violations += await self._password_policy.violations(password, f"/{name}", own_words)
        return violations


def _require_canonical_ids(request: Request[Any, Any, Any]) -> None:
    """Litestar takes `{…}`, `urn:uuid:…` and bare hexadecimal digits for a UUID: one resource, many addresses."""
    for value in request.path_params.values():
        if isinstance(value, UUID) and str(value) not in request.scope["path"].lower().split("/"):
            raise NotFound


def _query_violations(query_string: bytes, declared: dict[str, Parameter], *, is_strict: bool) -> Iterator[Violation]:
    try:
        values = _query_values(query_string)
    except ValueError:
        yield Violation("query", "malformed", "The query is not percent-encoded UTF-8.")
        return
    for name, texts in values.items():
        pointer = f"query/{quoted(name)}"
        if name in declared:
            yield from _text_violations(texts, declared[name], pointer)
        elif is_strict:
            yield Violation(pointer, "unknown_parameter", "There is no parameter of this name.")
    for name, parameter in declared.items():
        if parameter.is_required and name not in values:
            yield Violation(f"query/{name}", "missing", "This parameter is required.")


def _query_values(query_string: bytes) -> dict[str, list[str]]:
    text = query_string.decode("ascii")
    if _BROKEN_ESCAPE.search(text):
        raise ValueError
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, errors="strict"):
        values.setdefault(name, []).append(value)
    return values


def _header_violations(request: Request[Any, Any, Any], declared: dict[bytes, Parameter]) -> Iterator[Violation]:
    for name, parameter in declared.items():
        values = [value.decode("latin-1") for value in values_of(request.scope, name)]
        if values:
            yield from _text_violations(values, parameter, f"header/{parameter.name}")
        elif parameter.is_required and name != b"if-match":
            yield Violation(f"header/{parameter.name}", "missing", "This header is required.")


def _text_violations(texts: list[str], parameter: Parameter, pointer: str) -> Iterator[Violation]:
    if any(_CONTROL_CHARACTER.search(text) for text in texts):
        yield Violation(pointer, "control_character", "Control characters are not allowed.")
    elif item_type := parameter.item_type:
        yield from violations_of([_from_text(text, item_type) for text in texts], parameter.type, pointer)
    elif len(texts) > 1:
        yield Violation(pointer, "duplicate", "It is given more than once.")
    else:
        yield from violations_of(_from_text(texts[0], parameter.type), parameter.type, pointer)


def _from_text(text: str, expected: types.Type) -> Any:
    """The value that the text stands for, or the text itself, which is then found to be of the wrong type."""
    match expected:
        case types.IntType() if _WHOLE_NUMBER.fullmatch(text):
            return int(text)
        case types.BoolType():
            return {"true": True, "false": False}.get(text, text)
        case _:
            return text


def _require_no_coding(request: Request[Any, Any, Any]) -> None:
    """Compressed bodies are not read: a small one could unfold into a huge one."""
    if any(value.strip().lower() not in {b"", b"identity"} for value in values_of(request.scope, b"content-encoding")):
        raise UnsupportedContentEncoding("Send the body as it is, without Content-Encoding.")


def _media_type_of(request: Request[Any, Any, Any]) -> str | None:
    """Return the media type of the body, or None where it is missing or not readable."""
    values = values_of(request.scope, b"content-type")
    media_type = _MEDIA_TYPE.fullmatch(values[0].decode("latin-1")) if values else None
    return media_type[1].lower() if media_type else None


def _decode(request: Request[Any, Any, Any], declared: Body, body: bytes) -> tuple[Any, Iterator[Violation]]:
    """The body, if it is JSON, and all that is wrong with it."""
    if not body:
        return None, iter([Violation("", "missing", "A body is required.")] if declared.is_required else [])
    if _media_type_of(request) != declared.media_type:
        raise UnsupportedMediaType(f"The body must be {declared.media_type}.")
    if declared.media_type == RequestEncodingType.URL_ENCODED:
        return None, _read_form(request, declared, body)
    value = parse_json(body)
    if value is None:
        return None, iter([Violation("", "wrong_type", "The body is null.")])
    try:
        decoded = msgspec.convert(value, declared.annotation)
    except msgspec.ValidationError:
        return value, _all_violations(value, declared)
    keep_json(request, decoded)
    is_enough = not declared.is_read_laxly and _LAX_CHARACTER.search(body) is None
    return value, iter(()) if is_enough else violations_of(value, declared.type, "")


def _read_form(request: Request[Any, Any, Any], declared: Body, body: bytes) -> Iterator[Violation]:
    """Members without a value count as absent, and those that nobody knows are not looked at (RFC 6749 §3.2)."""
    try:
        values = {name: texts for name, texts in _query_values(body).items() if any(texts)}
    except ValueError:
        return iter([Violation("", "malformed", "The body is not percent-encoded UTF-8.")])
    form = {name: texts[0] for name, texts in values.items()}
    keep_form(request, form)
    repeated = [name for name in declared.members if len(values.get(name, ())) > 1]
    duplicates = [Violation(f"/{quoted(name)}", "duplicate", "It is given more than once.") for name in repeated]
    return chain(duplicates, violations_of(form, declared.type, ""))


def _all_violations(value: Any, declared: Body) -> Iterator[Violation]:
    found = list(islice(violations_of(value, declared.type, ""), MOST_VIOLATIONS))
    return iter(found or [Violation("", "invalid", "The body is not valid.")])
