"""Each bound of the promised document: a value at the bound is taken, and one just beside it is refused."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from cms_service.api.violations import violations_of
from cms_service.schemas import IntrospectionRequest, RevocationRequest, TokenRequest
from tests.api.operations import OPERATIONS, Operation
from tests.api.problems import faults_of
from tests.fixtures import Caller

PROMISED: dict[str, Any] = json.loads((Path(__file__).parents[2] / "openapi.json").read_text())
"""As it was released, not as the code has it."""
BOUND_CODES = {"too_short", "too_long", "out_of_range"}
FORMS = {
    "introspectToken": IntrospectionRequest,
    "issueToken": TokenRequest,
    "revokeToken": RevocationRequest,
}
"""Endpoints of OAuth name no members in their refusals."""
TEXTS: dict[str, Callable[[int], str]] = {
    r"^[a-z][a-z0-9_-]*:[^\x00-\x20\x7f-\x9f]+$": lambda length: "a:".ljust(length, "b"),
    r"^([a-z][a-z0-9_-]*:([a-z][a-z0-9_-]*|\*)|\*:\*)$": lambda length: "a:".ljust(length, "b"),
    r'^(\*|(W/)?"[\x21\x23-\x7e]*"( *, *(W/)?"[\x21\x23-\x7e]*")*)$': lambda length: f'"{"a" * (length - 2)}"',
}
"""Texts of a length, by their pattern. Every other pattern lets any number of letters in."""


class Bound(msgspec.Struct, frozen=True):
    """A value at a bound, and one just beside it."""

    place: str
    """`/member/member` of the body, where `*` is an item, or `query/name` or `header/name`."""
    at: Any
    beside: Any


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = PROMISED["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def bounds_of(schema: dict[str, Any], place: str) -> Iterator[Bound]:
    schema = resolved(schema)
    for choice in schema.get("anyOf", []):
        yield from bounds_of(choice, place)
    if "properties" in schema:
        for name, member in schema["properties"].items():
            yield from bounds_of(member, f"{place}/{name}")
    if schema.get("format") == "password" and schema.get("minLength", 1) > 1:
        return  # The policy for passwords is the operator's, and has tests of its own.
    for low, high, make in values_of(schema):
        if low is not None:
            yield Bound(place, make(low), make(low - 1))
        if high is not None:
            yield Bound(place, make(high), make(high + 1))
    if "items" in schema:
        yield from bounds_of(schema["items"], f"{place}/*")


def values_of(schema: dict[str, Any]) -> Iterator[tuple[int | None, int | None, Callable[[int], Any]]]:
    text = TEXTS.get(schema.get("pattern", ""), lambda length: "a" * length)
    yield schema.get("minLength"), schema.get("maxLength"), text
    yield schema.get("minimum"), schema.get("maximum"), int
    yield schema.get("minItems"), schema.get("maxItems"), lambda count: [item_of(schema["items"]) for _ in range(count)]


def item_of(schema: dict[str, Any]) -> Any:
    """A small valid one."""
    schema = resolved(schema)
    if "properties" in schema:
        return {name: item_of(schema["properties"][name]) for name in schema.get("required", [])}
    return str(uuid4()) if schema.get("format") == "uuid" else schema.get("examples", ["a"])[0]


def described(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = PROMISED["paths"][operation.path][operation.method.lower()]
    return found


def parameters_of(operation: Operation) -> Iterator[Bound]:
    for parameter in map(resolved, described(operation).get("parameters", [])):
        if parameter["in"] != "path":
            yield from bounds_of(parameter["schema"], f"{parameter['in']}/{parameter['name']}")


def members_of(operation: Operation) -> Iterator[Bound]:
    for content in described(operation).get("requestBody", {}).get("content", {}).values():
        # Services check the attributes of AuthZEN; those checks have tests of their own.
        yield from (bound for bound in bounds_of(content["schema"], "") if "/properties/" not in bound.place)


def body_with(place: str, value: Any) -> Any:
    """A body that holds only this, and what nobody knows, so that it is refused in any case."""
    for name in reversed(place.split("/")[1:]):
        value = [value] if name == "*" else {name: value}
    return {"no_such": 1} | value


async def codes_of(caller: Caller, operation: Operation, place: str, value: Any) -> set[str]:
    """The codes of the faults that a request with the value at this place has."""
    kind, _, name = place.partition("/")
    options: dict[str, Any] = {"params": {"no_such": "1"}} if kind else {"json": body_with(place, value)}
    if kind == "query":
        options["params"] = {name: str(value)} | options["params"]
    if kind == "header":
        options["headers"] = {name: value}
    response = await caller.request(operation.method, operation.url(), **options)
    if response.is_success:  # AuthZEN wants unknown members ignored, and answers any question.
        return set()
    return set(faults_of(response).get(place.replace("*", "0"), [])) & BOUND_CODES


def form_codes_of(operation: Operation, place: str, value: Any) -> set[str]:
    expected = msgspec.inspect.type_info(FORMS[operation.id])
    found = violations_of({place.removeprefix("/"): value}, expected, "")
    return {violation.code for violation in found if violation.pointer == place} & BOUND_CODES


BOUNDED = [each for each in OPERATIONS if [*parameters_of(each), *members_of(each)]]


@pytest.mark.parametrize("operation", BOUNDED, ids=str)
async def test_value_is_taken_at_its_bound_and_refused_beside_it(admin: Caller, operation: Operation) -> None:
    bounds = [*parameters_of(operation), *members_of(operation)]

    async def codes(place: str, value: Any) -> set[str]:
        if operation.id in FORMS:
            return form_codes_of(operation, place, value)
        return await codes_of(admin, operation, place, value)

    for bound in bounds:
        assert await codes(bound.place, bound.at) == set(), bound
        assert len(await codes(bound.place, bound.beside)) == 1, bound


def test_bounds_are_found_in_bodies_forms_queries_and_headers() -> None:
    places = {f"{each.id} {bound.place}" for each in BOUNDED for bound in [*parameters_of(each), *members_of(each)]}
    assert places >= {
        "createUser /email",
        "createUser header/Idempotency-Key",
        "evaluateAccesses /evaluations",
        "evaluateAccesses /evaluations/*/resource/id",
        "introspectToken /token",
        "listUsers query/limit",
        "replaceUserRoles /assignments/*/reason",
        "updateMe header/If-Match",
    }
