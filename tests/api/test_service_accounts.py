"""The identities of machines, and the roles that they hold."""

from typing import Any

import asyncpg
import pytest

from tests.api import given
from tests.api.credentials import actions_on
from tests.api.machines import ACCOUNTS, account, key, machine
from tests.api.problems import code_of, faults_of
from tests.factories import unique
from tests.fixtures import Caller, Register


async def test_account_is_made_shown_changed_and_deleted(admin: Caller, db: asyncpg.Connection) -> None:
    name = unique("machine")
    made = await admin.post(ACCOUNTS, {"name": name, "description": "Publishes."})
    assert made.status_code == 201
    shown = made.json()
    path = made.headers["location"]
    assert path == f"{ACCOUNTS}/{shown['id']}"
    expected = {"name": name, "description": "Publishes.", "is_active": True, "version": 1, "roles": []}
    assert expected.items() <= shown.items()
    got = await admin.get(path)
    assert (got.json(), got.headers["etag"]) == (shown, made.headers["etag"])
    listed = (await admin.get(ACCOUNTS, params={"q": name, "is_active": True, "include_total": True})).json()
    assert (listed["items"], listed["total"]) == ([shown], 1)
    assert (await admin.get(ACCOUNTS, params={"q": name, "is_active": False})).json()["items"] == []

    assert code_of(await admin.post(ACCOUNTS, {"name": name}), 409) == "name_taken"
    assert faults_of(await admin.post(ACCOUNTS, {"name": "Not A Slug"})).keys() == {"/name"}
    body = {"description": "Publishes everything."}
    assert code_of(await admin.patch(path, body), 428) == "precondition_required"
    assert code_of(await admin.patch(path, body, if_match='"7"'), 412) == "precondition_failed"
    changed = await admin.patch(path, body, if_match=made.headers["etag"])
    assert (changed.json()["description"], changed.json()["version"]) == (body["description"], 2)
    assert (await admin.delete(path, if_match=changed.headers["etag"])).status_code == 204

    assert code_of(await admin.get(path), 404) == "not_found"
    assert (await account(admin, name=name))["id"] != shown["id"]
    assert await actions_on(db, shown["id"]) == [
        "service_account.created",
        "service_account.updated",
        "service_account.deleted",
    ]


async def test_roles_are_assigned_changed_replaced_and_withdrawn(admin: Caller, db: asyncpg.Connection) -> None:
    made, first, second = await account(admin), await given.role(admin), await given.role(admin)
    path = f"{ACCOUNTS}/{made['id']}"
    terms = {"scope": "site:blog", "expires_at": "2998-01-01T00:00:00Z", "reason": "Blog."}
    for reason in ("Blog.", "Blog."):
        assert (await admin.put(f"{path}/roles/{first['id']}", terms | {"reason": reason})).is_success
    assigned = await admin.put(f"{path}/roles/{first['id']}", terms | {"reason": "News."})
    [item] = assigned.json()["items"]
    assert (item["role"]["id"], item["scope"], item["reason"]) == (first["id"], "site:blog", "News.")
    assert item["granted_by"] == admin.id
    assert [role["id"] for role in (await admin.get(path)).json()["roles"]] == [first["id"]]

    wrong = [{"role_id": made["id"]}, {"role_id": second["id"]}, {"role_id": second["id"]}]
    refused = await admin.put(f"{path}/roles", {"assignments": wrong}, if_match="*")
    assert faults_of(refused).keys() == {"/assignments/0/role_id", "/assignments/2"}
    other = await admin.put(f"{path}/roles/{first['id']}", {"role_id": second["id"]})
    assert faults_of(other) == {"/role_id": ["mismatch"]}
    window = {"not_before": "2998-01-01T00:00:00Z", "expires_at": "2998-01-01T00:00:00Z"}
    assert faults_of(await admin.put(f"{path}/roles/{first['id']}", window)) == {"/expires_at": ["empty_window"]}

    stale = '"1"'
    replaced = {"assignments": [{"role_id": second["id"]}]}
    assert code_of(await admin.put(f"{path}/roles", replaced, if_match=stale), 412) == "precondition_failed"
    tag = (await admin.get(path)).headers["etag"]
    assert (await admin.put(f"{path}/roles", replaced, if_match=tag)).is_success
    assert [role["id"] for role in (await admin.get(path)).json()["roles"]] == [second["id"]]
    withdrawn = f"{path}/roles/{second['id']}"
    assert code_of(await admin.delete(withdrawn, params={"scope": "site:blog"}), 404) == "not_found"
    assert (await admin.delete(withdrawn)).status_code == 204
    assert (await admin.get(f"{path}/roles")).json()["items"] == []
    actions = ["service_account.created", *["service_account.role_assigned"] * 2]
    after = await actions_on(db, made["id"])
    assert after[:3] == actions
    assert sorted(after[3:5]) == ["service_account.role_assigned", "service_account.role_withdrawn"]
    assert after[5:] == ["service_account.role_withdrawn"]


MANAGE = ("service_accounts:read", "service_accounts:manage")


@pytest.mark.parametrize("credential", ["user", "key", "token", "on behalf"])
async def test_nobody_gives_a_machine_what_they_do_not_hold_or_takes_hold_of_one_above_them(
    admin: Caller, register: Register, credential: str
) -> None:
    chief: Caller
    if credential in {"user", "on behalf"}:
        chief = await given.caller(admin, register, *MANAGE, "articles:read")
    else:
        chief = await machine(admin, *MANAGE, "articles:read")
        chief = chief.holding(await chief.exchange()) if credential == "token" else chief
    if credential == "on behalf":
        deputy = (await machine(admin, "*:*")).key
        headers = {"Authorization": f"Bearer {deputy}", "X-On-Behalf-Of": chief.access_token}
    else:
        headers = {}
    equal, above = await given.role(admin, "articles:read"), await given.role(admin, "articles:publish")
    own, powerful = await account(admin), await machine(admin, "articles:publish")

    async def attempt(method: str, path: str, json: Any = None) -> str:
        response = await chief.request(method, f"{ACCOUNTS}/{path}", json=json, if_match="*", headers=headers)
        return "" if response.is_success else code_of(response, 403)

    def all_of(role: dict[str, Any]) -> dict[str, Any]:
        return {"assignments": [{"role_id": role["id"]}]}

    assert await attempt("PUT", f"{own['id']}/roles/{above['id']}") == "escalation_refused"
    assert await attempt("PUT", f"{own['id']}/roles", all_of(above)) == "escalation_refused"
    attempts: list[tuple[str, str, Any]] = [
        ("PATCH", "", {"description": "Mine."}),
        ("DELETE", "", None),
        ("POST", "/keys", {"name": "mine"}),
        ("DELETE", f"/keys/{powerful.key_id}", None),
        ("PUT", "/roles", {"assignments": []}),
    ]
    for method, path, body in attempts:
        assert await attempt(method, f"{powerful.id}{path}", body) == "escalation_refused", path
    assert await powerful.is_accepted()

    assert await attempt("PUT", f"{own['id']}/roles/{equal['id']}") == ""
    assert await attempt("POST", f"{own['id']}/keys", {"name": "mine"}) == ""
    assert await attempt("PATCH", own["id"], {"description": "Mine."}) == ""
    assert await attempt("DELETE", own["id"]) == ""


async def test_machine_holds_what_its_roles_inherit_and_only_while_the_assignment_lasts(admin: Caller) -> None:
    parent, child = await given.role(admin, "users:read"), await given.role(admin)
    inherited = await admin.put(f"/api/v1/roles/{child['id']}/parents", {"parent_ids": [parent["id"]]}, if_match="*")
    assert inherited.is_success, inherited.text
    made = await account(admin)
    secret = (await key(admin, made["id"]))["key"]
    path = f"{ACCOUNTS}/{made['id']}/roles/{child['id']}"

    async def may_read() -> bool:
        headers = {"Authorization": f"Bearer {secret}"}
        return (await admin.http.get("/api/v1/users?limit=1", headers=headers)).is_success

    for terms, is_let_in in [
        ({"scope": "site:blog"}, False),
        ({"not_before": "2998-01-01T00:00:00Z"}, False),
        ({"expires_at": "2998-01-01T00:00:00Z"}, True),
        ({"expires_at": "2020-01-01T00:00:00Z"}, False),
        ({}, True),
    ]:
        assert (await admin.put(path, terms)).is_success
        assert await may_read() == is_let_in, terms
    assert (await admin.delete(path)).is_success
    assert not await may_read()


async def test_machine_creates_users_with_passwords(admin: Caller) -> None:
    robot = await machine(admin, "users:create")
    for credential in (robot.key, await robot.exchange()):
        email = f"{unique('user')}@example.org"
        body = {"email": email, "display_name": "Ada", "password": "seven green owls on a wire"}
        response = await robot.holding(credential).post("/api/v1/users", body)
        assert response.status_code == 201, response.text
