"""What a machine without any rights gets, and a user who acts like one, is documented for whatever it calls."""

from typing import Any

import httpx
import pytest

from tests.api.machines import Machine, machine
from tests.api.operations import ALL_OPERATIONS, DOCUMENT, OPERATIONS, Operation
from tests.api.problems import code_of
from tests.fixtures import Caller, Register

WITH_CREDENTIAL = [operation for operation in OPERATIONS if operation.takes_bearer]


@pytest.fixture(scope="module")
async def powerless(admin: Caller) -> Machine:
    return await machine(admin)


@pytest.fixture(scope="module")
async def member(register: Register) -> Caller:
    return await register()


ON_BEHALF_OF = "X-On-Behalf-Of"


async def call(caller: Caller, operation: Operation, **headers: str) -> httpx.Response:
    return await caller.request(
        operation.method, operation.url(), json=operation.minimal_body(), if_match="*", headers=headers
    )


def takes_header(operation: Operation) -> bool:
    return ON_BEHALF_OF in {parameter["name"] for parameter in operation.parameters_in("header")}


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
    response = await call(member, operation, **{ON_BEHALF_OF: admin.access_token})
    assert code_of(response, 403) == "permission_denied"
    assert "`permission_denied`" in documented_codes(operation, 403)


@pytest.mark.parametrize("operation", ALL_OPERATIONS, ids=str)
async def test_header_is_a_parameter_exactly_where_the_service_honours_it(
    powerless: Machine, operation: Operation
) -> None:
    """A token in it that does not count changes the answer only where the service looks at it."""

    async def status(**headers: str) -> int:
        body: dict[str, Any] | None = {} if operation.body is not None or operation.form is not None else None
        response = await powerless.request(operation.method, operation.url(), json=body, if_match="*", headers=headers)
        return response.status_code

    alone, on_behalf = await status(), await status(**{ON_BEHALF_OF: "no.token.of-anybody"})

    if takes_header(operation):
        assert on_behalf == 401 != alone
    else:
        assert on_behalf == alone


def test_header_is_a_parameter_of_some_operations_only() -> None:
    """Else the walk over all of them shows nothing."""
    declared = {operation.id for operation in ALL_OPERATIONS if takes_header(operation)}
    assert declared >= {"getMe", "listUsers", "logout", "introspectToken", "evaluateAccess"}
    others = {operation.id for operation in ALL_OPERATIONS} - declared
    assert others >= {"login", "register", "issueToken", "revokeToken", "checkLiveness"}
