"""How a credential may be written in the Authorization header (RFC 9110 §11.4)."""

from base64 import b64encode

import httpx
import pytest

from tests.api.machines import INTROSPECT, REVOKE, TOKEN, Machine, machine
from tests.api.operations import OPERATIONS, Operation
from tests.api.problems import code_of
from tests.fixtures import Caller

GRANT = {"grant_type": "client_credentials"}
SOUND = ["{scheme} {credential}", "{scheme}  {credential}", "{scheme}     {credential}"]
UNSOUND = [
    "{scheme}\t{credential}",
    "{scheme} \t{credential}",
    "{scheme}\t {credential}",
    "{scheme}{credential}",
    "{scheme}",
]
SCHEMES = [("Bearer", "Basic"), ("bearer", "basic"), ("BEARER", "BASIC")]
WITH_CREDENTIAL = [each for each in OPERATIONS if each.takes_bearer and each.id != "logout"]
"""For logout, a credential that does not count is as good as none."""


def headers(form: str, scheme: str, credential: str) -> dict[str, str]:
    return {"Authorization": form.format(scheme=scheme, credential=credential)}


def basic(client: Machine) -> str:
    return b64encode(f"{client.id}:{client.key}".encode()).decode()


@pytest.fixture(scope="module")
async def one(admin: Caller) -> Machine:
    return await machine(admin, "tokens:introspect")


@pytest.mark.parametrize("form", SOUND)
async def test_credential_counts_however_many_spaces_stand_before_it(
    client: httpx.AsyncClient, admin: Caller, one: Machine, form: str
) -> None:
    for bearer, basic_scheme in SCHEMES:
        for token in (admin.access_token, one.key, await one.exchange()):
            asked = {"token": admin.access_token}
            assert (await client.post(INTROSPECT, data=asked, headers=headers(form, bearer, token))).is_success
        me = await client.get("/api/v1/users/me", headers=headers(form, bearer, admin.access_token))
        assert me.json()["id"] == admin.id
        for path, data in ((TOKEN, GRANT), (INTROSPECT, {"token": "x"}), (REVOKE, {"token": "x"})):
            response = await client.post(path, data=data, headers=headers(form, basic_scheme, basic(one)))
            assert response.status_code == 200, (path, response.text)


@pytest.mark.parametrize("form", UNSOUND)
@pytest.mark.parametrize("operation", WITH_CREDENTIAL, ids=str)
async def test_credential_is_refused_when_no_space_stands_before_it(
    admin: Caller, operation: Operation, form: str
) -> None:
    response = await admin.http.request(
        operation.method, operation.url(), headers=headers(form, "Bearer", admin.access_token)
    )
    assert code_of(response, 401) in {"authentication_required", "token_invalid"}


@pytest.mark.parametrize("form", UNSOUND)
async def test_client_is_refused_when_no_space_stands_before_its_credential(
    client: httpx.AsyncClient, one: Machine, form: str
) -> None:
    sent = headers(form, "Basic", basic(one))
    for path, data in ((TOKEN, GRANT), (REVOKE, {"token": "x"})):
        response = await client.post(path, data=data, headers=sent)
        assert (response.status_code, response.json()["error"]) == (401, "invalid_client"), path
    response = await client.post(INTROSPECT, data={"token": "x"}, headers=sent)
    assert code_of(response, 401) in {"authentication_required", "token_invalid"}
