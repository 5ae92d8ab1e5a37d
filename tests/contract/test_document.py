"""What neither Redocly nor Spectral asks of openapi.json."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

ROOT = Path(__file__).parents[2]
DOCUMENT: dict[str, Any] = json.loads((ROOT / "openapi.json").read_text())
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
LEAVE_OUT = {
    "Decision": {"context"},
    "EvaluationsAnswer": {"decision", "evaluations"},
    "IntrospectionResponse": {"aud", "client_id", "exp", "iat", "iss", "jti", "sub", "token_type", "username"},
    "JsonWebKey": {"y"},
    "SearchPage": {"total"},
}
"""What answers leave out, because standards ask for it."""


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(child)


def contents(part: Any) -> Iterator[dict[str, Any]]:
    for node in nodes(part):
        yield from node.get("content", {}).values()


def reachable(part: Any) -> set[str]:
    found: set[str] = set()
    waiting = [part]
    while waiting:
        for node in nodes(waiting.pop()):
            name = node.get("$ref", "").removeprefix("#/components/schemas/")
            if name in SCHEMAS and name not in found:
                found.add(name)
                waiting.append(SCHEMAS[name])
    return found


def test_examples_fit_their_schemas() -> None:
    found = [*contents(DOCUMENT["paths"]), *contents(DOCUMENT["components"]["responses"])]
    assert len(found) > 100
    for content in found:
        schema = content["schema"] | {"components": DOCUMENT["components"]}
        OAS31Validator(schema, format_checker=OAS31Validator.FORMAT_CHECKER).validate(content["example"])


def test_parameter_for_acting_on_behalf_of_a_user_names_refusals_that_its_operations_document() -> None:
    parameter = DOCUMENT["components"]["parameters"]["OnBehalfOf"]
    codes = set(re.findall(r"(\d{3}) ((?:`\w+`(?: or )?)+)", parameter["description"]))
    assert codes == {
        ("401", "`token_invalid` or `token_expired`"),
        ("401", "`authentication_required`"),
        ("403", "`permission_denied`"),
    }
    reference = {"$ref": "#/components/parameters/OnBehalfOf"}
    operations = [each for item in DOCUMENT["paths"].values() for each in item.values()]
    taking = [each for each in operations if reference in each.get("parameters", [])]
    assert len(taking) > 50
    for operation in taking:
        assert {"401", "403"} <= operation["responses"].keys(), operation["operationId"]
    assert "`X-On-Behalf-Of`" in DOCUMENT["components"]["securitySchemes"]["bearerAuth"]["description"]
    assert "`X-On-Behalf-Of`" in DOCUMENT["info"]["description"]


def test_answers_hold_all_their_members() -> None:
    operations = [operation for item in DOCUMENT["paths"].values() for operation in item.values()]
    asked = reachable([operation.get("requestBody") for operation in operations])
    answered = reachable([operation["responses"] for operation in operations] + [DOCUMENT["components"]["responses"]])
    left_out = {
        name: set(SCHEMAS[name]["properties"]) - set(SCHEMAS[name].get("required", ()))
        for name in answered - asked
        if "properties" in SCHEMAS[name]
    }
    assert {name: members for name, members in left_out.items() if members} == LEAVE_OUT


@pytest.mark.parametrize(
    ("code", "operations"),
    [
        ("registration_closed", {"register"}),
        ("refresh_token_reused", {"refreshTokens"}),
        ("role_cycle", {"replaceRoleParents"}),
        ("email_taken", {"register", "createUser", "updateMe", "updateUser", "restoreUser"}),
    ],
)
def test_problem_is_documented_for_the_operations_that_give_it_alone(code: str, operations: set[str]) -> None:
    shared = DOCUMENT["components"]["responses"]
    found = {
        operation["operationId"]
        for item in DOCUMENT["paths"].values()
        for operation in item.values()
        for response in operation["responses"].values()
        if f"`{code}`" in ({**shared.get(response.get("$ref", "").rpartition("/")[2], {}), **response})["description"]
    }
    assert found == operations
