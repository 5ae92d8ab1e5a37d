"""Examples are such as the service gives: nothing in one contradicts another part of it, or what was asked for."""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from tests.contract.test_document import DOCUMENT, SCHEMAS, contents, nodes

Example = dict[str, Any]

TIMES = ("created_at", "updated_at", "last_used_at", "revoked_at", "expires_at")
"""Members of one object, in the order in which they come about."""
INTERVALS = (
    TIMES,
    ("created_at", "email_verified_at", "updated_at"),
    ("granted_at", "not_before", "expires_at"),
    ("iat", "exp"),
)
NULL_WHERE_MADE = {"User": {"external_id", "email_verified_at"}, "ApiKeyCreated": {"last_used_at", "revoked_at"}}
"""What has to be there in an answer with 201, though nothing can have happened to it yet."""
NO_ACCOUNTS = {"gains": 0, "losses": 0}
PREVIEWED = {
    "put": {"gains": 1, "losses": 0},
    "delete": {"gains": 0, "losses": 1},
    "post": NO_ACCOUNTS,
    "patch": NO_ACCOUNTS,
}
"""What is put gives and what is deleted takes; a new role has nobody yet, and another name changes nothing."""
IDS = ("User", "Role", "Permission", "ServiceAccount", "ApiKey", "Session", "AssignedRole", "AuditEvent")


def bodies() -> Iterator[Any]:
    """Each body with its example: method and operation, status or `request`, the component's name, the example."""
    for item in DOCUMENT["paths"].values():
        for method, operation in item.items():
            for status, part in [("request", operation.get("requestBody", {})), *operation["responses"].items()]:
                for content in part.get("content", {}).values():
                    name = content["schema"]["$ref"].rpartition("/")[2]
                    yield pytest.param(
                        method, operation, status, name, content["example"], id=f"{operation['operationId']}-{status}"
                    )


BODIES = list(bodies())
examples = pytest.mark.parametrize(("method", "operation", "status", "name", "example"), BODIES)


def moment(value: str | int) -> float:
    return value if isinstance(value, int) else datetime.fromisoformat(value).timestamp()


def nulls(example: Example) -> set[str]:
    return {name for node in nodes(example) for name, value in node.items() if value is None}


def comes_in_parts(operation: Example) -> bool:
    return any(parameter.get("name") == "cursor" for parameter in operation.get("parameters", []))


def request_of(operation: Example) -> Example:
    return next((content["example"] for content in contents(operation.get("requestBody", {}))), {})


def said_otherwise(asked: Example, told: Example) -> set[str]:
    """Members of both that differ, but for those that hold objects."""
    return {name for name in asked.keys() & told.keys() if not list(nodes(asked[name])) and asked[name] != told[name]}


@examples
def test_null_stands_only_where_nothing_else_would_be_true(
    method: str, operation: Example, status: str, name: str, example: Example
) -> None:
    """Some generators do not read nulls in examples. These members have to be there, and are empty."""
    if name.endswith("Page") and not comes_in_parts(operation):
        assert nulls(example) == {"next_cursor"}
    elif status == "201":
        assert nulls(example) <= NULL_WHERE_MADE.get(name, set())
    else:
        assert nulls(example) == set()


@examples
def test_list_says_how_much_it_is_a_part_of(
    method: str, operation: Example, status: str, name: str, example: Example
) -> None:
    for node in nodes(example):
        if {"items", "next_cursor"} <= node.keys():
            assert (len(node["items"]) < node["total"]) is (node["next_cursor"] is not None)
            assert (node["next_cursor"] is not None) is comes_in_parts(operation)
        elif {"items", "total"} <= node.keys():
            assert len(node["items"]) == node["total"]
            assert len({item["subject"]["id"] for item in node["items"]}) == node["subjects"]
        if "results" in node:
            page = node["page"]
            assert len(node["results"]) == page["count"] <= page["total"]
            assert (page["count"] < page["total"]) is bool(page["next_token"])


@examples
def test_times_are_in_order(method: str, operation: Example, status: str, name: str, example: Example) -> None:
    for node in nodes(example):
        for members in INTERVALS:
            times = [moment(node[member]) for member in members if node.get(member) is not None]
            assert all(earlier <= later for earlier, later in pairwise(times)), node
        for begin, end in (("created_at", "expires_at"), ("not_before", "expires_at"), ("iat", "exp")):
            if {begin, end} <= node.keys():
                assert moment(node[begin]) < moment(node[end]), node


@examples
def test_example_does_not_contradict_itself(
    method: str, operation: Example, status: str, name: str, example: Example
) -> None:
    for node in nodes(example):
        if "parents" in node:
            assert node["id"] not in {parent["id"] for parent in node["parents"]}
        if "via" in node:
            assert node["role"] not in node["via"]
        if {"assignment", "roles"} <= node.keys():
            assert node["assignment"]["role"] == node["roles"][0]
        if {"before", "after"} <= node.keys():
            assert node["before"] != node["after"]
        if {"current_password", "new_password"} <= node.keys():
            assert node["current_password"] != node["new_password"]
        if "is_closed_to_strangers" in node:
            assert node["is_closed_to_strangers"] is (node["failures"] >= 90)
        if {"type", "id", "name"} <= node.keys():
            assert node["type"] == ("user" if "@" in node["name"] else "service")
        if "on_behalf_of" in node:
            assert node["on_behalf_of"] != node["actor_id"]
        assert "permission" not in node or "*" not in str(node["permission"])


def test_kinds_of_things_have_ids_of_their_own() -> None:
    known = {name: SCHEMAS[name]["properties"]["id"]["examples"][0] for name in IDS}
    assert len(set(known.values())) == len(IDS)
    for param in BODIES:
        for node in nodes(param.values[4]):
            if "role" in node:
                assert node["role"]["id"] == known["Role"]
            if node.get("type") in {"user", "service"} and "name" in node:
                assert node["id"] == known["User" if node["type"] == "user" else "ServiceAccount"]
            for member, kind in (("role_id", "Role"), ("session_id", "Session"), ("credential_id", "ApiKey")):
                assert node.get(member, known[kind]) == known[kind]


def test_explanation_has_either_paths_or_reasons_and_answers_its_question() -> None:
    (explained,) = [each for each in BODIES if each.values[3] == "Explanation"]
    _, operation, _, _, explanation = explained.values
    assert isinstance(explanation, dict)
    assert isinstance(operation, dict)
    question = request_of(operation)
    permission = f"{question['resource']['type']}:{question['action']['name']}"
    assert explanation["decision"] is bool(explanation["paths"]) is not bool(explanation["reasons"])
    assert explanation["has_more"] is False
    assert explanation["permission"] == permission
    assert explanation["scopes"] == [
        f"{question['resource']['type']}:{question['resource']['id']}",
        *question["resource"]["properties"]["scopes"],
    ]
    for path in explanation["paths"]:
        assignment = path["assignment"]
        assert path["permission"]["name"] == permission
        assert assignment["scope"] in explanation["scopes"]
        assert moment(assignment["not_before"]) <= moment(explanation["decided_at"]) < moment(assignment["expires_at"])


def test_search_finds_what_was_looked_for() -> None:
    user = SCHEMAS["User"]["properties"]["id"]["examples"][0]
    for param in BODIES:
        _, operation, status, name, example = param.values
        if status == "200" and str(name) in {"SubjectSearchAnswer", "ResourceSearchAnswer"}:
            assert isinstance(operation, dict)
            assert isinstance(example, dict)
            sought = request_of(operation)["subject" if name == "SubjectSearchAnswer" else "resource"]
            assert {found["type"] for found in example["results"]} == {sought["type"]}
            assert (user in {found["id"] for found in example["results"]}) is (sought["type"] == "user")


@examples
def test_preview_shows_what_such_a_write_does(
    method: str, operation: Example, status: str, name: str, example: Example
) -> None:
    if name == "AccessPreview":
        assert {side: changed["total"] for side, changed in example.items()} == PREVIEWED[method]
        of_service = any(parameter.get("name") == "service_account_id" for parameter in operation.get("parameters", []))
        kinds = {item["subject"]["type"] for side in example.values() for item in side["items"]}
        assert kinds <= {"service" if of_service else "user"}


@examples
def test_answer_tells_what_was_asked_for(
    method: str, operation: Example, status: str, name: str, example: Example
) -> None:
    if status not in {"200", "201"}:
        return
    asked = request_of(operation)
    # A refresh token is good for one use.
    assert said_otherwise(asked, example) == (
        {"refresh_token"} if operation["operationId"] == "refreshTokens" else set()
    )
    for members in ("permission", "parent"):
        if f"{members}_ids" in asked:
            assert asked[f"{members}_ids"] == [each["id"] for each in example[f"{members}s"]]
    if status == "201" and "updated_at" in example:
        assert example["updated_at"] == example["created_at"]
        assert operation["operationId"] == "register" or example["version"] == 1
    if operation["operationId"] == "deactivateUser":
        assert example["is_active"] is False
