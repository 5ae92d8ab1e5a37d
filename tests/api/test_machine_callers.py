"""What a machine without any rights gets, and a user who acts like one, is documented for whatever it calls."""

from typing import Any

import httpx
import pytest

from tests.api.machines import Machine, machine
from tests.api.operations import DOCUMENT, OPERATIONS, Operation
from tests.api.problems import code_of
from tests.fixtures import Caller, Register

WITH_CREDENTIAL = [operation for operation in OPERATIONS if operation.takes_bearer]


@pytest.fixture(scope="module")
async def powerless(admin: Caller) -> Machine:
    return await machine(admin)


@pytest.fixture(scope="module")
async def member(register: Register) -> Caller:
    return await register()


async def call(caller: Caller, operation: Operation, **headers: str) -> httpx.Response:
    return await caller.request(
        operation.method, operation.url(), json=operation.minimal_body(), if_match="*", headers=headers
    )


def documented_codes(operation: Operation, status: int) -> str:
    """The description of this answer, which names its codes."""
    responses: dict[str, Any] = DOCUMENT["paths"][operation.path][operation.method.lower()]["responses"]
    assert str(status) in responses, f"{operation.id} does not document {status}"
    shared = DOCUMENT["components"]["responses"][responses[str(status)]["$ref"].rpartition("/")[2]]
    return str((shared | responses[str(status)])["description"])


def test_every_way_to_send_a_bearer_credential_is_called() -> None:
    assert {operation.id for operation in OPERATIONS} - {operation.id for operation in WITH_CREDENTIAL} == {
        "issueToken",
        "login",
        "refreshTokens",
        "register",
        "revokeToken",
    }
    assert {item["operationId"] for path in DOCUMENT["paths"].values() for item in path.values()} >= {"getMe"}


@pytest.mark.parametrize("operation", WITH_CREDENTIAL, ids=str)
async def test_refusal_of_a_key_without_rights_is_documented(powerless: Machine, operation: Operation) -> None:
    response = await call(powerless, operation)
    code = code_of(response, 400, 403)
    assert f"`{code}`" in documented_codes(operation, response.status_code)
    # Only questions may be asked by everybody: an empty one is not whole.
    assert code == ("validation_failed" if operation.id == "evaluateAccesses" else "permission_denied")


@pytest.mark.parametrize("operation", WITH_CREDENTIAL, ids=str)
async def test_refusal_of_a_user_who_acts_on_behalf_of_another_is_documented(
    member: Caller, admin: Caller, operation: Operation
) -> None:
    response = await call(member, operation, **{"X-On-Behalf-Of": admin.access_token})
    assert code_of(response, 403) == "permission_denied"
    assert "`permission_denied`" in documented_codes(operation, 403)
