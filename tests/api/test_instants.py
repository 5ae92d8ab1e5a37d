"""The fault of an instant is named wherever one is read: shown for every member and parameter of the document."""

from urllib.parse import quote

import httpx
import pytest

from tests.api.operations import OPERATIONS, WITH_BODY, Operation
from tests.api.problems import code_of
from tests.fixtures import Caller

FAULTS = {
    "2027-02-29T00:00:00Z": ("not_a_datetime", "day"),
    "2027-13-01T00:00:00Z": ("not_a_datetime", "month"),
    "2027-01-01T25:00:00Z": ("not_a_datetime", "hour"),
    "2027-01-01T10:60:00Z": ("not_a_datetime", "minute"),
    "2027-01-01T10:00:60Z": ("not_a_datetime", "second"),
    "2027-01-01T10:00:00+24:00": ("not_a_datetime", "offset"),
    "2027-01-01T10:00:00": ("not_a_datetime", "offset is missing"),
    "0001-01-01T00:00:00Z": ("out_of_range", "year"),
    "9999-01-01T00:00:00Z": ("out_of_range", "year"),
}


BODIES = [
    (operation, way)
    for operation in WITH_BODY
    for way, schema in operation.members()
    if schema.get("format") == "date-time"
]
QUERIES = [
    (operation, parameter["name"])
    for operation in OPERATIONS
    for parameter in operation.parameters_in("query")
    if parameter["schema"].get("format") == "date-time"
]


def fault_of(response: httpx.Response) -> tuple[str, str, str]:
    assert code_of(response, 400) == "validation_failed"
    (fault,) = response.json()["errors"]
    return fault["pointer"], fault["code"], fault["detail"]


def test_instants_are_read_in_bodies_and_queries() -> None:
    assert {operation.id for operation, _ in BODIES} >= {"assignRole", "replaceUserRoles", "createApiKey"}
    assert {operation.id for operation, _ in QUERIES} >= {"listUsers", "listAuditEvents"}


@pytest.mark.parametrize(("operation", "way"), BODIES, ids=str)
async def test_fault_of_a_member_is_named(admin: Caller, operation: Operation, way: tuple[str, ...]) -> None:
    for text, (code, word) in FAULTS.items():
        body = operation.body_with(way, text)
        response = await admin.request(operation.method, operation.url(), json=body, if_match="*")
        pointer, found_code, detail = fault_of(response)
        assert (pointer, found_code) == (f"/{'/'.join(way)}", code), text
        assert word in detail, text


@pytest.mark.parametrize(("operation", "name"), QUERIES, ids=str)
async def test_fault_of_a_parameter_is_named(admin: Caller, operation: Operation, name: str) -> None:
    for text, (code, word) in FAULTS.items():
        response = await admin.get(f"{operation.url()}?{name}={quote(text)}")
        pointer, found_code, detail = fault_of(response)
        assert (pointer, found_code) == (f"query/{name}", code), text
        assert word in detail, text
    pointer, code, detail = fault_of(await admin.get(f"{operation.url()}?{name}=2027-01-01T10:00:00+02:00"))
    assert (pointer, code) == (f"query/{name}", "not_a_datetime")
    assert "%2B" in detail
