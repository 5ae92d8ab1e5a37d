"""Users are asked about by their id, their address or their external id, and nobody comes to be taken for another."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.api import given, machines
from tests.api.problems import code_of
from tests.factories import unique
from tests.fixtures import Caller

EVALUATION = "/api/v1/access/evaluation"
ACCOUNTS = {"user": "/api/v1/users", "service": machines.ACCOUNTS}
MEMBERS = [("user", "email"), ("user", "external_id"), ("service", "name")]
"""By which accounts can be asked about, besides their ids."""
QUESTIONS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "evaluation": lambda answer: answer["decision"],
    "evaluations": lambda answer: answer["evaluations"][0]["decision"],
    "explain": lambda answer: answer["decision"] and answer["subject_id"] is not None,
    "search/resource": lambda answer: answer["context"]["all"],
    "search/action": lambda answer: bool(answer["results"]),
}
"""Each endpoint that takes the name of an account, and how its answer says that the account is allowed."""


async def may(admin: Caller, name: str, permission: str, kind: str = "user") -> bool:
    resource, _, action = permission.partition(":")
    body = {
        "subject": {"type": kind, "id": name},
        "action": {"name": action},
        "resource": {"type": resource, "id": "any"},
    }
    response = await admin.post(EVALUATION, body)
    assert response.status_code == 200, response.text
    return bool(response.json()["decision"])


@pytest.mark.parametrize(
    "form", ["hr-{}", "0190c8a0-0000-4000-8000-{}", "urn:0190c8a0000040008000{}", "hr-department-of-people-{}"]
)
async def test_external_id_may_be_of_any_form(admin: Caller, form: str) -> None:
    external_id = form.format(uuid4().hex[:12])
    permission = (await given.permission(admin))["name"]
    role = await given.role(admin, permission)
    one, other = await given.user(admin, external_id=external_id), await given.user(admin)
    await given.assignment(admin, one["id"], role["id"])
    assert await may(admin, external_id, permission)
    assert not await may(admin, external_id, permission, kind="service")
    assert not await may(admin, one["id"], permission, kind="service")

    for user_id, value in ((one["id"], None), (other["id"], external_id)):
        response = await admin.patch(f"/api/v1/users/{user_id}", {"external_id": value}, if_match="*")
        assert response.status_code == 200, response.text

    assert not await may(admin, external_id, permission)
    assert await may(admin, one["id"], permission)


@pytest.mark.parametrize("form", ["{}", "urn:{}", "----{}", "{{{}--}}"])
async def test_account_is_not_known_by_another_spelling_of_its_id(admin: Caller, form: str) -> None:
    """Python reads all of these as the same UUID; to other systems they are other names."""
    permission = (await given.permission(admin))["name"]
    user, robot = await given.user(admin), await machines.machine(admin, permission)
    await given.assignment(admin, user["id"], (await given.role(admin, permission))["id"])
    for account_id, kind in ((user["id"], "user"), (robot.id, "service")):
        assert await may(admin, account_id.upper(), permission, kind)
        spelling = form.format(account_id.replace("-", ""))
        assert UUID(spelling) == UUID(account_id)
        assert not await may(admin, spelling, permission, kind)


async def test_id_of_an_account_is_nobodys_external_id(admin: Caller) -> None:
    """Whoever is put to sleep is not taken for who calls itself by that id."""
    permission = (await given.permission(admin))["name"]
    role = await given.role(admin, permission)
    asleep = await given.user(admin)
    impostor = await given.user(admin, external_id=asleep["id"])
    await given.assignment(admin, impostor["id"], role["id"])
    assert (await admin.post(f"/api/v1/users/{asleep['id']}/deactivate")).is_success
    assert not await may(admin, asleep["id"], permission)


async def test_address_moves_on_with_its_owner(admin: Caller) -> None:
    permission = (await given.permission(admin))["name"]
    role = await given.role(admin, permission)
    one, other = await given.user(admin), await given.user(admin)
    await given.assignment(admin, one["id"], role["id"])
    address = one["email"]
    assert await may(admin, address.upper(), permission)
    for user_id, email in ((one["id"], f"new-{address}"), (other["id"], address)):
        response = await admin.patch(f"/api/v1/users/{user_id}", {"email": email}, if_match="*")
        assert response.status_code == 200, response.text
    assert not await may(admin, address, permission)
    assert await may(admin, f"new-{address}", permission)


async def test_external_id_that_looks_like_an_address_is_none(admin: Caller) -> None:
    """Else whoever gave an address away would still be asked about by it."""
    permission = (await given.permission(admin))["name"]
    role = await given.role(admin, permission)
    one, other = await given.user(admin), await given.user(admin)
    await given.assignment(admin, one["id"], role["id"])
    address = one["email"]
    assert await may(admin, address, permission)
    body = {"external_id": address, "email": f"new-{address}"}
    assert (await admin.patch(f"/api/v1/users/{one['id']}", body, if_match="*")).is_success
    assert await may(admin, one["id"], permission)
    assert not await may(admin, address, permission)
    assert (await admin.patch(f"/api/v1/users/{other['id']}", {"email": address}, if_match="*")).is_success
    assert not await may(admin, address, permission)


async def test_resource_is_part_of_no_more_than_fifty(admin: Caller) -> None:
    """Each is looked up for each of a thousand questions."""
    body = {
        "subject": {"type": "user", "id": admin.id},
        "action": {"name": "read"},
        "resource": {"type": "users", "id": "any", "properties": {"scopes": ["site:a"] * 51}},
    }
    assert code_of(await admin.post(EVALUATION, body), 400) == "validation_failed"
    response = await admin.post(f"{EVALUATION}s", body | {"evaluations": [{}]})
    assert response.json()["evaluations"][0]["context"]["error"]["status"] == 400
    body["resource"]["properties"]["scopes"].pop()  # type: ignore[index]
    assert (await admin.post(EVALUATION, body)).json() == {"decision": True}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(("kind", "member"), MEMBERS)
async def test_account_is_judged_by_its_own_name_when_there_are_others(
    admin: Caller, kind: str, member: str, question: str
) -> None:
    permission = (await given.permission(admin))["name"]
    role = await given.role(admin, permission)
    make = given.user if kind == "user" else machines.account
    holder, other = await make(admin), await make(admin)
    assert (await admin.put(f"{ACCOUNTS[kind]}/{holder['id']}/roles/{role['id']}")).is_success

    async def is_allowed(name: str) -> bool:
        resource, _, action = permission.partition(":")
        body = {
            "subject": {"type": kind, "id": name},
            "action": {"name": action},
            "resource": {"type": resource} if question == "search/resource" else {"type": resource, "id": "any"},
        }
        response = await admin.post(f"/api/v1/access/{question}", body | {"evaluations": [{}]})
        assert response.status_code == 200, response.text
        return QUESTIONS[question](response.json())

    names = (holder[member], other[member], f"{unique('nobody')}@example.org" if member == "email" else unique("no"))
    assert [await is_allowed(name) for name in names] == [True, False, False]
