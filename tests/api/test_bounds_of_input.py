"""Each bound of the promised document: a value at the bound does not violate it, and one just beside it does."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from tests.api.operations import OPERATIONS, Operation
from tests.api.problems import faults_of
from tests.fixtures import Caller

PROMISED: dict[str, Any] = json.loads((Path(__file__).parents[2] / "openapi.json").read_text())
"""As it is in the repository."""
BOUND_CODES = {"too_short", "too_long", "out_of_range"}
TEXTS: dict[str, Callable[[int], str]] = {
    r"^[a-z][a-z0-9_-]*:[^\x00-\x20\x7f-\x9f]+$": lambda length: "a:".ljust(length, "b"),
    r"^([a-z][a-z0-9_-]*:([a-z][a-z0-9_-]*|\*)|\*:\*)$": lambda length: "a:".ljust(length, "b"),
    r'^(\*|(W/)?"[\x21\x23-\x7e]*"( *, *(W/)?"[\x21\x23-\x7e]*")*)$': lambda length: f'"{"a" * (length - 2)}"',
}
"""Texts of a length, by their pattern. Every other pattern accepts any number of letters."""


class Bound(msgspec.Struct, frozen=True):
    """A value at a bound, and one just beside it."""

    place: str
    """`/member/member` of the body, where `*` is an item, or `query/name` or `header/name`."""
    at: Any
    beside: Any


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """The component that a schema or parameter refers to, or itself."""
    while "$ref" in node:
        kind, name = node["$ref"].rsplit("/", 2)[1:]
        node = PROMISED["components"][kind][name]
    return node


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


async def form_faults_of(caller: Caller, operation: Operation, place: str, value: str) -> set[str]:
    """The faults of the member in the refusal of OAuth, which names no codes: `/member: text /other: text`."""
    assert operation.form is not None
    form = {name: operation.form["properties"][name]["examples"][0] for name in operation.form["required"]}
    request = caller.request if operation.takes_bearer else caller.http.request
    response = await request(operation.method, operation.url(), data=form | {place.removeprefix("/"): value})
    assert response.is_success or response.status_code in {400, 401}, response.text
    description = "" if response.is_success else response.json()["error_description"]
    return set(re.findall(rf"(?:^| ){place}: ([^/]*)", description))


BOUNDED = [each for each in OPERATIONS if [*parameters_of(each), *members_of(each)]]


@pytest.mark.parametrize("operation", BOUNDED, ids=str)
async def test_value_violates_its_bound_only_beyond_it(admin: Caller, operation: Operation) -> None:
    bounds = [*parameters_of(operation), *members_of(operation)]

    async def codes(place: str, value: Any) -> set[str]:
        if operation.form is not None:
            return await form_faults_of(admin, operation, place, value)
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
