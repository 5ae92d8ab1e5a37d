"""The document says what the service does, where the two could part."""

import gzip
import json
from typing import Any

import pytest

from tests.api.machines import ACCOUNTS, account
from tests.api.operations import DOCUMENT, OPERATIONS, SCHEMAS, Operation
from tests.api.problems import code_of, faults_of
from tests.factories import unique
from tests.fixtures import Caller

WITH_BODY = [operation for operation in OPERATIONS if operation.body is not None or operation.form is not None]
QUESTION: dict[str, Any] = {"subject": {"type": "user", "id": "nobody"}, "action": {"name": "read"}}


@pytest.mark.parametrize("operation", WITH_BODY, ids=str)
async def test_wrong_content_type_is_refused_with_the_status_that_is_documented(
    admin: Caller, operation: Operation
) -> None:
    responses = DOCUMENT["paths"][operation.path][operation.method.lower()]["responses"]
    response = await admin.request(
        operation.method, operation.url(), content=b"{}", headers={"Content-Type": "text/plain"}, if_match="*"
    )
    assert "accept-encoding" not in response.headers
    if operation.path.startswith("/api/v1/access/"):
        assert "unsupported_media_type" not in responses["415"]["description"]
        assert faults_of(response) == {"header/Content-Type": ["unsupported_media_type"]}
    else:
        assert "415" in responses
        assert code_of(response, 415) == "unsupported_media_type"


@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip", "GZIP", "unknown"])
@pytest.mark.parametrize("operation", WITH_BODY, ids=str)
async def test_coded_body_is_refused_as_documented(admin: Caller, operation: Operation, coding: str) -> None:
    documented = DOCUMENT["paths"][operation.path][operation.method.lower()]["responses"]["415"]
    shared = DOCUMENT["components"]["responses"][documented["$ref"].rpartition("/")[2]]
    content = gzip.compress(json.dumps(operation.minimal_body()).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}

    response = await admin.request(operation.method, operation.url(), content=content, headers=headers, if_match="*")

    assert code_of(response, 415) == "unsupported_content_encoding"
    assert response.headers["accept-encoding"] == "identity"
    assert "`unsupported_content_encoding`" in (shared | documented)["description"]
    assert shared["headers"]["Accept-Encoding"]["required"] is False


@pytest.mark.parametrize("operation", WITH_BODY, ids=str)
async def test_body_is_read_when_its_coding_is_identity(admin: Caller, operation: Operation) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "Identity"}
    response = await admin.request(operation.method, operation.url(), content=b"{", headers=headers, if_match="*")
    assert code_of(response, 400, 415) == ("malformed_json" if operation.form is None else "unsupported_media_type")


def test_every_question_about_a_subject_says_that_its_address_will_have_to_be_verified() -> None:
    named = {
        operation.id for operation in WITH_BODY if any(way[-2:] == ("subject", "id") for way, _ in operation.members())
    }
    assert named == {"evaluateAccess", "evaluateAccesses", "explainAccess", "searchActions", "searchResources"}
    for item in DOCUMENT["paths"].values():
        for operation in item.values():
            is_announced = "only if it is verified" in operation.get("description", "")
            assert is_announced == (operation["operationId"] in named), operation["operationId"]


async def test_scopes_of_a_resource_are_bounded_as_the_document_says(admin: Caller) -> None:
    scopes = SCHEMAS["ResourceProperties"]["properties"]["scopes"]
    assert scopes["items"]["pattern"] == r"^[^\x00]*$"

    async def ask(*names: str) -> Any:
        resource = {"type": "record", "id": "1", "properties": {"scopes": names}}
        return await admin.post("/api/v1/access/evaluation", QUESTION | {"resource": resource})

    most = [f"site:{number}" for number in range(scopes["maxItems"])]
    assert (await ask(*most)).status_code == 200
    assert (await ask("x" * 10_000, "\n")).status_code == 200
    assert faults_of(await ask(*most, "site:more")) == {"/resource/properties/scopes": ["too_long"]}
    assert faults_of(await ask("a\0")) == {"/resource/properties/scopes/0": ["control_character"]}


async def test_what_was_just_made_looks_like_its_example(admin: Caller) -> None:
    machine = await account(admin)
    for path, template, names in (
        ("/api/v1/auth/register", None, {"email": f"{unique('user')}@example.org"}),
        ("/api/v1/users", None, {"email": f"{unique('user')}@example.org", "external_id": unique("hr")}),
        ("/api/v1/permissions", None, {"name": f"{unique('things')}:do"}),
        ("/api/v1/roles", None, {"name": unique("role"), "permission_ids": [], "parent_ids": []}),
        (ACCOUNTS, None, {"name": unique("machine")}),
        (f"{ACCOUNTS}/{machine['id']}/keys", f"{ACCOUNTS}/{{service_account_id}}/keys", {"permissions": None}),
    ):
        operation = DOCUMENT["paths"][template or path]["post"]
        asked = operation["requestBody"]["content"]["application/json"]["example"]
        example = operation["responses"]["201"]["content"]["application/json"]["example"]
        response = await admin.post(path, asked | names | ({"expires_at": None} if "expires_at" in asked else {}))
        assert response.status_code == 201, response.text
        made = response.json()

        assert made.keys() == example.keys()
        free = asked.keys() | {"permissions", "parents"}
        assert {name for name in made.keys() - free if made[name] is None} == {
            name for name in example.keys() - free if example[name] is None
        }
        assert made.get("version") == example.get("version")
        assert (made.get("updated_at") == made["created_at"]) is (example.get("updated_at") == example["created_at"])
        assert [role["name"] for role in made.get("roles", [])] == [role["name"] for role in example.get("roles", [])]
