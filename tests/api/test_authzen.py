"""Access evaluation and evaluations, as OpenID AuthZEN Authorization API 1.0 and its certification want them.

The fixture and the requests are those of the published certification scenario: `alice` and `bob` are external ids.
"""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api import given
from tests.api.problems import code_of, faults_of
from tests.fixtures import Caller, Register

ACCESS = "/api/v1/access"
ALICE, BOB = {"type": "user", "id": "alice"}, {"type": "user", "id": "bob"}
READ, WRITE = {"name": "read"}, {"name": "write"}
RECORD_1 = {"type": "record", "id": "record-1"}
RECORD_2 = {"type": "record", "id": "record-2", "properties": {"status": "archived"}}
QUESTION: dict[str, Any] = {"subject": ALICE, "action": READ, "resource": RECORD_1}
CONTEXT = {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"}
YES, NO = {"decision": True}, {"decision": False}


@pytest.fixture(scope="module")
async def people(admin: Caller) -> dict[str, str]:
    """The certification fixture. Ids of alice and bob, by their names."""
    for action in ("read", "write", "delete"):
        await given.permission(admin, f"record:{action}")
    reader = await given.role(admin, "record:read")
    writer = await given.role(admin, "record:write")
    await admin.put(f"/api/v1/roles/{writer['id']}/parents", {"parent_ids": [reader["id"]]}, if_match="*")
    ids = {}
    for name, assignments in {
        "alice": [(writer, "record:record-1")],
        "bob": [(reader, "record:record-1"), (writer, "record:record-2")],
    }.items():
        ids[name] = (await given.user(admin, external_id=name, email=f"{name}@certified.example.org"))["id"]
        for role, scope in assignments:
            await given.assignment(admin, ids[name], role["id"], scope=scope)
    return ids


async def ask(caller: Caller, body: Any, *, path: str = "evaluation", **options: Any) -> Any:
    response = await caller.post(f"{ACCESS}/{path}", body, **options)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    return response.json()


@pytest.mark.parametrize(
    ("question", "decision"),
    [
        (QUESTION, YES),
        (QUESTION | {"action": WRITE}, YES),
        (QUESTION | {"subject": BOB}, YES),
        (QUESTION | {"subject": BOB, "action": WRITE}, NO),
        (QUESTION | {"action": WRITE, "resource": RECORD_2}, NO),
        (QUESTION | {"subject": BOB | {"properties": {"role": "admin"}}, "action": WRITE, "resource": RECORD_2}, YES),
        (QUESTION | {"context": CONTEXT}, YES),
        (QUESTION | {"context": None, "subject": ALICE | {"properties": None}}, YES),
        (QUESTION | {"foo": "bar", "futureField": {"nested": True}, "subject": ALICE | {"x": [{"y": 10**15}]}}, YES),
        (QUESTION | {"subject": ALICE | {"id": "alice@certified.example.org"}}, YES),
        (QUESTION | {"subject": ALICE | {"id": "nobody"}}, NO),
        (QUESTION | {"subject": ALICE | {"type": "spaceship"}}, NO),
        (QUESTION | {"subject": ALICE | {"type": "service"}}, NO),
        (QUESTION | {"action": {"name": "no_such"}}, NO),
        (QUESTION | {"action": {"name": "*"}}, NO),
        (QUESTION | {"resource": RECORD_1 | {"id": "record-3"}}, NO),
        (QUESTION | {"resource": RECORD_1 | {"id": "x", "properties": {"scopes": ["site:a", "record:record-1"]}}}, YES),
        (QUESTION | {"resource": RECORD_1 | {"properties": {"scopes": None, "owner": "bob"}}}, YES),
    ],
)
async def test_question_is_answered(
    admin: Caller, people: dict[str, str], question: dict[str, Any], decision: dict[str, bool]
) -> None:
    assert await ask(admin, question) == decision
    assert await ask(admin, question, path="evaluations") == decision
    assert await ask(admin, question | {"evaluations": []}, path="evaluations") == decision
    assert await ask(admin, {"evaluations": [question]}, path="evaluations") == {"evaluations": [decision]}
    assert (await ask(admin, question, path="explain"))["decision"] == decision["decision"]


async def test_request_id_is_echoed(admin: Caller, people: dict[str, str]) -> None:
    request_id = str(uuid4())
    response = await admin.post(f"{ACCESS}/evaluation", QUESTION, headers={"X-Request-ID": request_id})
    assert response.headers["x-request-id"] == request_id
    assert (await admin.post(f"{ACCESS}/evaluation", QUESTION)).headers["x-request-id"]


async def test_question_is_refused_when_it_is_not_whole(admin: Caller) -> None:
    for path in ("evaluation", "evaluations", "explain"):
        for name, entity in QUESTION.items():
            body = {other: value for other, value in QUESTION.items() if other != name}
            assert faults_of(await admin.post(f"{ACCESS}/{path}", body)) == {f"/{name}": ["missing"]}
            for member in entity:
                part = {other: value for other, value in entity.items() if other != member}
                response = await admin.post(f"{ACCESS}/{path}", QUESTION | {name: part})
                assert faults_of(response) == {f"/{name}/{member}": ["missing"]}
        for body, pointer in (
            (QUESTION | {"subject": "alice"}, "/subject"),
            (QUESTION | {"action": {"name": 123}}, "/action/name"),
            (QUESTION | {"resource": RECORD_1 | {"id": "a\0"}}, "/resource/id"),
            (QUESTION | {"resource": RECORD_1 | {"properties": []}}, "/resource/properties"),
            (QUESTION | {"resource": RECORD_1 | {"properties": {"scopes": "x"}}}, "/resource/properties/scopes"),
            (QUESTION | {"resource": RECORD_1 | {"properties": {"scopes": [5]}}}, "/resource/properties/scopes"),
        ):
            assert list(faults_of(await admin.post(f"{ACCESS}/{path}", body))) == [pointer]
    response = await admin.post(f"{ACCESS}/evaluation", content=b"{}", headers={"Content-Type": "text/plain"})
    assert faults_of(response) == {"header/Content-Type": ["unsupported_media_type"]}
    assert code_of(
        await admin.post(f"{ACCESS}/evaluation", content=b"", headers={"Content-Type": "application/json"}), 400
    )


async def test_defaults_are_replaced_whole_and_order_is_kept(admin: Caller, people: dict[str, str]) -> None:
    for body, decisions in (
        ({"subject": BOB, "resource": RECORD_1, "evaluations": [{"action": READ}, {"action": WRITE}]}, [YES, NO]),
        (
            {"subject": ALICE, "action": WRITE, "resource": RECORD_1, "evaluations": [{}, {"resource": RECORD_2}]},
            [YES, NO],
        ),
        ({"action": WRITE, "resource": RECORD_2, "evaluations": [{"subject": ALICE}, {"subject": BOB}]}, [NO, YES]),
        ({"evaluations": [QUESTION, {"subject": BOB, "action": WRITE, "resource": RECORD_1}]}, [YES, NO]),
        (
            QUESTION
            | {
                "resource": RECORD_1 | {"id": "x", "properties": {"scopes": ["record:record-1"]}},
                "evaluations": [{}, {"resource": {"type": "record", "id": "y"}, "context": CONTEXT}],
            },
            [YES, NO],
        ),
    ):
        assert await ask(admin, body, path="evaluations") == {"evaluations": decisions}


async def test_answers_end_where_the_semantic_says(admin: Caller, people: dict[str, str]) -> None:
    yes, no = {"action": READ}, {"subject": BOB, "action": WRITE}
    broken: dict[str, Any] = {}
    base = {"subject": ALICE, "resource": RECORD_1}
    for semantic, items, decisions in (
        (None, [no, yes, broken, no], [False, True, False, False]),
        ("execute_all", [no, yes, broken, no], [False, True, False, False]),
        ("deny_on_first_deny", [yes, yes, no, yes], [True, True, False]),
        ("deny_on_first_deny", [yes, broken, yes], [True, False]),
        ("permit_on_first_permit", [no, broken, yes, no], [False, False, True]),
        ("permit_on_first_permit", [no, no], [False, False]),
    ):
        options = {"evaluations_semantic": semantic, "another_option": "value"}
        answer = await ask(admin, base | {"evaluations": items, "options": options}, path="evaluations")
        assert list(answer) == ["evaluations"]
        assert [item["decision"] for item in answer["evaluations"]] == decisions
    response = await admin.post(f"{ACCESS}/evaluations", {"options": {"evaluations_semantic": "no_such"}})
    assert faults_of(response) == {"/options/evaluations_semantic": ["not_in_enum"]}


async def test_item_that_cannot_be_evaluated_is_denied_alone(admin: Caller, people: dict[str, str]) -> None:
    strange = RECORD_1 | {"properties": {"scopes": {"site": "a"}}}
    items = [{"resource": RECORD_1}, {}, {"resource": strange}, {"resource": RECORD_1}]
    answer = await ask(admin, {"subject": ALICE, "action": READ, "evaluations": items}, path="evaluations")
    first, nothing, odd, last = answer["evaluations"]
    assert first == last == YES
    for failed in (nothing, odd):
        assert failed["decision"] is False
        assert failed["context"]["error"]["status"] == 400
        assert failed["context"]["error"]["message"]


async def test_batch_holds_hundreds_of_questions_and_is_bounded(admin: Caller, people: dict[str, str]) -> None:
    items = [{"resource": {"type": "record", "id": str(uuid4())}} for _ in range(800)]
    answer = await ask(admin, {"subject": ALICE, "action": READ, "evaluations": items}, path="evaluations")
    assert answer["evaluations"] == [NO] * 800
    response = await admin.post(f"{ACCESS}/evaluations", QUESTION | {"evaluations": [{}] * 1001})
    assert faults_of(response) == {"/evaluations": ["too_long"]}


async def test_caller_asks_about_others_only_with_the_permission(
    admin: Caller, register: Register, people: dict[str, str]
) -> None:
    plain, checker = await register(), await given.caller(admin, register, "access:check")
    itself = QUESTION | {"subject": {"type": "user", "id": plain.id}}
    for subject in (ALICE, {"type": "service", "id": plain.id}, {"type": "user", "id": plain.email}):
        question = QUESTION | {"subject": subject}
        for path, body in (
            ("evaluation", question),
            ("evaluations", question),
            ("evaluations", itself | {"evaluations": [{}, {"subject": subject}]}),
            ("explain", question),
            ("search/resource", question),
            ("search/action", question),
            ("search/subject", question),
        ):
            assert code_of(await plain.post(f"{ACCESS}/{path}", body), 403) == "permission_denied"
            assert (await checker.post(f"{ACCESS}/{path}", body)).status_code == 200
    assert await ask(plain, itself) == NO
    assert await ask(plain, itself | {"evaluations": [{}, {}]}, path="evaluations") == {"evaluations": [NO, NO]}
    assert (await ask(plain, itself, path="search/resource"))["results"] == []
    assert (await ask(plain, itself, path="explain"))["reasons"]


async def test_decision_follows_assignments_roles_and_accounts_at_once(admin: Caller) -> None:
    name = f"thing{uuid4().hex[:8]}"
    parent, child = await given.role(admin, f"{name}:use"), await given.role(admin)
    user = await given.user(admin)
    await given.assignment(admin, user["id"], child["id"])
    resource = {"type": name, "id": "1"}
    question = {"subject": {"type": "user", "id": user["id"]}, "action": {"name": "use"}, "resource": resource}
    parents = f"/api/v1/roles/{child['id']}/parents"
    for change, decision in (
        (("PUT", parents, {"parent_ids": [parent["id"]]}), YES),
        (("PATCH", f"/api/v1/users/{user['id']}", {"is_active": False}), NO),
        (("PATCH", f"/api/v1/users/{user['id']}", {"is_active": True}), YES),
        (("PUT", parents, {"parent_ids": []}), NO),
        (("PUT", parents, {"parent_ids": [parent["id"]]}), YES),
        (("DELETE", f"/api/v1/roles/{parent['id']}", None), NO),
    ):
        method, path, body = change
        assert (await admin.request(method, path, json=body, if_match="*")).is_success
        assert await ask(admin, question) == decision
        assert (await ask(admin, question, path="explain"))["decision"] is decision["decision"]


async def test_metadata_names_the_endpoints_whatever_host_is_asked(client: httpx.AsyncClient) -> None:
    response = await client.get("/.well-known/authzen-configuration", headers={"Host": "evil.example.org"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "public, max-age=3600"
    base = str(client.base_url).rstrip("/")
    assert response.json() == {
        "policy_decision_point": base,
        "access_evaluation_endpoint": f"{base}{ACCESS}/evaluation",
        "access_evaluations_endpoint": f"{base}{ACCESS}/evaluations",
        "search_subject_endpoint": f"{base}{ACCESS}/search/subject",
        "search_resource_endpoint": f"{base}{ACCESS}/search/resource",
        "search_action_endpoint": f"{base}{ACCESS}/search/action",
    }
