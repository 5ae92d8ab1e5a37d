"""Whatever is sent, the answer is a clear refusal: shown for every operation of the OpenAPI document."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from cms_service.models import Base
from tests.api.operations import OPERATIONS, SCHEMAS, STRICT, WITH_BODY, Operation
from tests.api.problems import code_of, faults_of
from tests.fixtures import Caller

JSON = {"Content-Type": "application/json"}
MAX_BODY_BYTES = 64 * 1024
MOST_VIOLATIONS = 100
"""In one answer."""

NOT_JSON = {
    "empty object left open": b"{",
    "trailing comma": b'{"a": 1,}',
    "two documents": b"{}{}",
    "raw NUL": b'{"a": "\x00"}',
    "invalid UTF-8": b'{"a": "\xff"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "half of a surrogate pair": b'{"a": "\\ud800"}',
    "member twice": b'{"a": 1, "a": 1}',
    "member twice, escaped": b'{"a": 1, "\\u0061": 1}',
    "deep array": b"[" * 20_000 + b"]" * 20_000,
    "deep object": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "number without end": b'{"a": ' + b"9" * 10_000 + b"}",
    "not a number": b'{"a": NaN}',
    "infinite number": b'{"a": 1e999}',
}
NOT_AN_OBJECT: list[Any] = [[], "x", 5, True, [{}]]
WRONG_CONTENT_TYPES = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/json; charset=utf-16",
    "application/jsonp",
]
HUGE = 10**400
WRONG_MEMBERS: dict[str, list[Any]] = {
    "string": [5, -HUGE, True, [], {}, "\x00", "a\x00b", "Ada\n", "a\rb", "\x7f", "x" * 5000],
    "boolean": ["true", 1, 0, [], {}, HUGE],
    "array": [{}, "x", 5, True, [5], [None], [[]], ["x"], [{"no": 1}]],
}
WRONG_PARAMETERS = {
    "integer": ["", "x", "0", "-1", "101", "1.0", "1e1", "9" * 400, "%00", "٣"],
    "boolean": ["", "1", "yes", "TRUE", "null"],
    "string": ["%00", "a%0Ab", "%FF", "%ED%A0%80", "%zz", quote("é" * 1100)],
}
WRONG_FORMATS = {
    "uuid": ["abc", "00000000", "%7B0190c8a0-7a1b-7c3d-8e4f-00000000000a%7D"],
    "date-time": ["yesterday", "2026-05-01", "2026-05-01T00:00:00", "99999-01-01T00:00:00Z", "2026-02-30T00:00:00Z"],
}
WRONG_IDS = [
    "0",
    "null",
    "%00",
    "..%2F..",
    "%7B0190c8a0-7a1b-7c3d-8e4f-00000000000a%7D",
    "0190c8a07a1b7c3d8e4f00000000000a",
    "9" * 400,
    quote("é"),
    "%FF",
]
COLUMNS = {column.name for table in Base.metadata.tables.values() for column in table.columns}
SHOWN = {name for schema in SCHEMAS.values() for name in schema.get("properties", {})}


async def send(caller: Caller, operation: Operation, content: bytes, content_type: str = JSON["Content-Type"]) -> Any:
    headers = {"Content-Type": content_type}
    return await caller.request(operation.method, operation.url(), content=content, headers=headers, if_match="*")


def types_of(schema: dict[str, Any]) -> set[str]:
    """The types of JSON that the schema lets in."""
    return {choice.get("type", "string") for choice in schema.get("anyOf", [schema])}


def wrong_members(operation: Operation) -> Iterator[tuple[str, Any]]:
    assert operation.body is not None
    for name, schema in operation.body["properties"].items():
        types = types_of(schema)
        if "null" not in types:
            yield name, None
        for kind in types - {"null"}:
            yield from ((name, value) for value in WRONG_MEMBERS[kind])


def wrong_parameters(operation: Operation) -> Iterator[tuple[str, str]]:
    for parameter in operation.parameters_in("query"):
        schema = parameter["schema"]
        values = WRONG_FORMATS.get(schema.get("format", "")) or WRONG_PARAMETERS[schema.get("type", "string")]
        if "$ref" in schema:
            values = [*values, "", "password_hash", "created_at;DROP TABLE users"]
        yield from ((parameter["name"], value) for value in values)


@pytest.mark.parametrize("content", NOT_JSON.values(), ids=NOT_JSON)
@pytest.mark.parametrize("operation", WITH_BODY, ids=str)
async def test_body_is_refused_when_it_is_not_json(admin: Caller, operation: Operation, content: bytes) -> None:
    assert code_of(await send(admin, operation, content), 400) == "malformed_json"


@pytest.mark.parametrize("operation", WITH_BODY, ids=str)
async def test_body_is_refused_when_it_is_not_an_object(admin: Caller, operation: Operation) -> None:
    for value in NOT_AN_OBJECT:
        assert faults_of(await send(admin, operation, json.dumps(value).encode())) == {"": ["wrong_type"]}


@pytest.mark.parametrize("operation", STRICT, ids=str)
async def test_body_is_refused_when_its_content_type_is_another(admin: Caller, operation: Operation) -> None:
    for content_type in WRONG_CONTENT_TYPES:
        assert code_of(await send(admin, operation, b"{}", content_type), 415) == "unsupported_media_type"


@pytest.mark.parametrize("operation", WITH_BODY, ids=str)
async def test_body_is_refused_when_it_is_too_large(admin: Caller, operation: Operation) -> None:
    assert code_of(await send(admin, operation, b" " * (MAX_BODY_BYTES + 1)), 413) == "body_too_large"


@pytest.mark.parametrize("operation", STRICT, ids=str)
async def test_member_is_refused_and_named_when_it_is_wrong(admin: Caller, operation: Operation) -> None:
    for name, value in wrong_members(operation):
        # Huge numbers are written out: msgspec would refuse to.
        response = await send(admin, operation, json.dumps((operation.minimal_body() or {}) | {name: value}).encode())
        faults = faults_of(response)
        assert faults, (name, value)
        assert all(pointer == f"/{name}" or pointer.startswith(f"/{name}/") for pointer in faults), (name, value)


@pytest.mark.parametrize("operation", STRICT, ids=str)
async def test_member_is_refused_when_it_is_a_column_or_shown_but_not_to_be_set(
    admin: Caller, operation: Operation
) -> None:
    assert operation.body is not None
    foreign = sorted((COLUMNS | SHOWN) - operation.body["properties"].keys())
    assert {"id", "version", "password_hash", "deleted_at", "is_system"} <= set(foreign)
    for start in range(0, len(foreign), MOST_VIOLATIONS):
        some = foreign[start : start + MOST_VIOLATIONS]
        body = (operation.minimal_body() or {}) | dict.fromkeys(some)
        faults = faults_of(await send(admin, operation, msgspec.json.encode(body)))
        assert faults == {f"/{name}": ["unknown_member"] for name in some}


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_query_parameter_is_refused_when_it_is_unknown(admin: Caller, operation: Operation) -> None:
    response = await admin.request(operation.method, f"{operation.url()}?no_such=1", if_match="*")
    if operation.form is None:
        assert faults_of(response)["query/no_such"] == ["unknown_parameter"]
    else:
        assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.parameters_in("query")], ids=str)
async def test_query_parameter_is_refused_when_it_is_wrong_or_repeated(admin: Caller, operation: Operation) -> None:
    body = operation.minimal_body()
    for name, value in wrong_parameters(operation):
        url = f"{operation.url()}?{name}={value}"
        response = await admin.request(operation.method, url, json=body, if_match="*")
        assert faults_of(response).keys() <= {f"query/{name}", "query"}, (name, value)
    for parameter in operation.parameters_in("query"):
        name = parameter["name"]
        url = f"{operation.url()}?{name}=aa&{name}=aa"
        response = await admin.request(operation.method, url, json=body, if_match="*")
        assert faults_of(response) == {f"query/{name}": ["duplicate"]}


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.has_path_parameters], ids=str)
async def test_path_leads_nowhere_when_an_id_is_unknown_or_is_none(admin: Caller, operation: Operation) -> None:
    body = operation.minimal_body()
    for parameter in operation.parameters_in("path"):
        for value in [None, *WRONG_IDS]:
            url = operation.url(**({} if value is None else {parameter["name"]: value}))
            response = await admin.request(operation.method, url, json=body, if_match="*")
            assert code_of(response, 404) == "not_found", value


@pytest.mark.parametrize(
    "operation", [each for each in OPERATIONS if any(p["name"] == "If-Match" for p in each.parameters)], ids=str
)
async def test_if_match_is_refused_when_it_is_no_entity_tag(admin: Caller, operation: Operation) -> None:
    for value in ("1", "abc", '"', '"a" "b"', "*, *", 'W/"a', '"' + "a" * 300 + '"'):
        response = await admin.request(operation.method, operation.url(), json=operation.minimal_body(), if_match=value)
        assert faults_of(response).keys() == {"header/If-Match"}, value
