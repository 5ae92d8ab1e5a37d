"""The work of administrators, machines and decisions, through the Python client of `just sdk`."""

import base64
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from uuid import UUID

from cms_service_client import AuthenticatedClient
from cms_service_client.api.access import (
    evaluate_access,
    evaluate_accesses,
    explain_access,
    search_actions,
    search_resources,
    search_subjects,
)
from cms_service_client.api.audit import list_audit_events
from cms_service_client.api.auth import logout
from cms_service_client.api.oauth import introspect_token, issue_token
from cms_service_client.api.permissions import create_permission, list_permission_holders, list_permissions
from cms_service_client.api.roles import (
    create_role,
    delete_role,
    get_role,
    grant_permission,
    list_role_users,
    replace_role_parents,
    replace_role_permissions,
    update_role,
    withdraw_permission,
)
from cms_service_client.api.service_accounts import (
    assign_service_account_role,
    create_api_key,
    create_service_account,
    revoke_api_key,
    update_service_account,
)
from cms_service_client.api.users import (
    assign_role,
    get_me,
    list_user_permissions,
    list_user_roles,
    replace_user_roles,
    withdraw_role,
)
from cms_service_client.models import (
    AccessAction,
    AccessPreview,
    AccessResource,
    AccessSubject,
    ActionSearchRequest,
    ApiKeyCreate,
    AssignedRolePage,
    DenialCode,
    EvaluationItem,
    EvaluationRequest,
    EvaluationsOptions,
    EvaluationsRequest,
    EvaluationsSemantic,
    IntrospectionRequest,
    IntrospectionResponse,
    OAuthError,
    Permission,
    PermissionCreate,
    PermissionSort,
    ResourceSearchRequest,
    Role,
    RoleAssignment,
    RoleAssignmentsReplace,
    RoleAssignmentTerms,
    RoleCreate,
    RoleParentsReplace,
    RolePermissionsReplace,
    RoleUpdate,
    SearchedResource,
    SearchedSubject,
    ServiceAccountCreate,
    ServiceAccountUpdate,
    ServiceTokenResponse,
    SubjectSearchRequest,
    SubjectType,
    TokenRequest,
)
from sdk_answers import accepted

from tests.factories import unique
from tests.fixtures import Service
from tests.sdk.callers import administrator, nobody, refusal, registered

YEAR = timedelta(days=365)
ANYTIME = "*"


def new_permission(admin: AuthenticatedClient, name: str) -> Permission:
    return accepted(create_permission.sync(client=admin, body=PermissionCreate(name=name)))


def new_role(admin: AuthenticatedClient, *permission_ids: UUID) -> Role:
    body = RoleCreate(name=unique("role"), title="Role", permission_ids=list(permission_ids))
    role = accepted(create_role.sync(client=admin, body=body))
    assert isinstance(role, Role)
    return role


def test_administrators_shape_roles(service: Service) -> None:
    admin, kind = administrator(service).client, unique("article")
    read, write = (new_permission(admin, f"{kind}:{action}") for action in ("read", "write"))
    named = accepted(list_permissions.sync(client=admin, q=kind, sort=PermissionSort.NAME))
    assert [permission.name for permission in named.items] == [read.name, write.name]
    preview = create_role.sync(
        client=admin, body=RoleCreate(name=unique("r"), title="R", permission_ids=[read.id]), dry_run=True
    )
    assert isinstance(preview, AccessPreview)
    assert (preview.gains.total, preview.losses.total) == (0, 0)
    reader, writer = new_role(admin, read.id), new_role(admin)

    # A role, its permissions and its parents.
    tag = get_role.sync_detailed(writer.id, client=admin).headers["ETag"]
    renamed = accepted(update_role.sync(writer.id, client=admin, body=RoleUpdate(title="Writer"), if_match=tag))
    assert isinstance(renamed, Role)
    assert (renamed.title, renamed.name) == ("Writer", writer.name)
    body = RolePermissionsReplace(permission_ids=[read.id, write.id])
    assert refusal(replace_role_permissions.sync(writer.id, client=admin, body=body, if_match=tag)).status == 412
    assert (
        replace_role_permissions.sync_detailed(writer.id, client=admin, body=body, if_match=ANYTIME).status_code
        == HTTPStatus.OK
    )
    withdrawn = withdraw_permission.sync_detailed(writer.id, read.id, client=admin)
    assert withdrawn.status_code is HTTPStatus.NO_CONTENT
    assert isinstance(grant_permission.sync(writer.id, write.id, client=admin), Role)
    parents = RoleParentsReplace(parent_ids=[reader.id])
    heir = accepted(replace_role_parents.sync(writer.id, client=admin, body=parents, if_match=ANYTIME))
    assert isinstance(heir, Role)
    assert ([one.id for one in heir.parents], [one.name for one in heir.permissions]) == ([reader.id], [write.name])
    assert isinstance(delete_role.sync(writer.id, client=admin, if_match=ANYTIME, dry_run=True), AccessPreview)
    gone = delete_role.sync_detailed(writer.id, client=admin, if_match=ANYTIME)
    assert gone.status_code is HTTPStatus.NO_CONTENT
    events = accepted(list_audit_events.sync(client=admin, target_id=writer.id, limit=100)).items
    assert {event.actor_id for event in events} == {events[0].actor_id} != {None}
    assert {(event.actor_type, event.target_type, event.target_name) for event in events} == {
        ("user", "role", writer.name)
    }
    assert all(event.at.tzinfo is not None for event in events)


def test_administrators_give_roles_and_see_beforehand_who_gains(service: Service) -> None:
    admin, kind, user = administrator(service).client, unique("article"), registered(service)
    read, write = (new_permission(admin, f"{kind}:{action}") for action in ("read", "write"))
    reader, writer = new_role(admin, read.id), new_role(admin, write.id)
    parents = RoleParentsReplace(parent_ids=[reader.id])
    assert isinstance(replace_role_parents.sync(writer.id, client=admin, body=parents, if_match=ANYTIME), Role)

    # Who has it, where, how long and why.
    now = datetime.now(UTC).replace(microsecond=0)
    terms = RoleAssignmentTerms(
        scope="site:blog", not_before=now - YEAR, expires_at=now + YEAR, reason="Stands in for Grace."
    )
    expected = assign_role.sync(user.id, writer.id, client=admin, body=terms, dry_run=True)
    assert isinstance(expected, AccessPreview)
    gained = {(grant.permission, grant.scope, grant.subject.type_) for grant in expected.gains.items}
    assert gained == {(name, "site:blog", SubjectType.USER) for name in (read.name, write.name)}
    assert write.name not in str(accepted(list_user_permissions.sync(user.id, client=admin)))
    assigned = accepted(assign_role.sync(user.id, writer.id, client=admin, body=terms))
    assert isinstance(assigned, AssignedRolePage)
    (told,) = [one for one in assigned.items if one.role.id == writer.id]
    assert (told.scope, told.not_before, told.expires_at) == (terms.scope, terms.not_before, terms.expires_at)
    effective = accepted(list_user_permissions.sync(user.id, client=admin)).items
    (inherited,) = [one for one in effective if one.permission.name == read.name]
    assert [one.id for one in inherited.sources[0].via] == [reader.id]
    assert [one.id for one in accepted(list_role_users.sync(writer.id, client=admin)).items] == [user.id]
    holders = accepted(list_permission_holders.sync(read.id, client=admin, limit=100)).items
    assert user.id in {holder.subject.id for holder in holders}

    # And no more.
    only = RoleAssignmentsReplace(assignments=[RoleAssignment(role_id=reader.id)])
    replaced = accepted(replace_user_roles.sync(user.id, client=admin, body=only, if_match=ANYTIME))
    assert isinstance(replaced, AssignedRolePage)
    assert [(one.role.id, one.scope, one.expires_at) for one in replaced.items] == [(reader.id, None, None)]
    assert withdraw_role.sync_detailed(user.id, reader.id, client=admin).status_code is HTTPStatus.NO_CONTENT
    assert accepted(list_user_roles.sync(user.id, client=admin)).items == []


def test_machines_ask_what_others_may(service: Service) -> None:
    admin, kind = administrator(service).client, unique("article")
    user, idle = registered(service), registered(service)
    read, _ = (new_permission(admin, f"{kind}:{action}") for action in ("read", "write"))
    (check,) = accepted(list_permissions.sync(client=admin, q="access:check")).items
    (look,) = accepted(list_permissions.sync(client=admin, q="tokens:introspect")).items
    reading, asking = new_role(admin, read.id), new_role(admin, check.id, look.id)
    terms = RoleAssignmentTerms(scope="site:blog")
    assert isinstance(assign_role.sync(user.id, reading.id, client=admin, body=terms), AssignedRolePage)

    # A machine, its key, and the access token that it gets for it.
    account = accepted(create_service_account.sync(client=admin, body=ServiceAccountCreate(name=unique("robot"))))
    assign_service_account_role.sync(account.id, asking.id, client=admin)
    changed = update_service_account.sync(
        account.id, client=admin, body=ServiceAccountUpdate(description="Asks."), if_match=ANYTIME
    )
    assert accepted(changed).name == account.name
    key = accepted(create_api_key.sync(account.id, client=admin, body=ApiKeyCreate(name="first")))
    basic = base64.b64encode(f"{account.id}:{key.key}".encode()).decode()
    confidential = AuthenticatedClient(service.url, basic, prefix="Basic")
    token = issue_token.sync(client=confidential, body=TokenRequest(grant_type="client_credentials"))
    assert isinstance(token, ServiceTokenResponse)
    refused = issue_token.sync(client=confidential, body=TokenRequest(grant_type="password"))
    assert isinstance(refused, OAuthError)
    assert refused.error == "unsupported_grant_type"
    seen = introspect_token.sync(client=confidential, body=IntrospectionRequest(token=token.access_token))
    assert isinstance(seen, IntrospectionResponse)
    assert (seen.active, seen.sub) == (True, account.id)
    machine = AuthenticatedClient(service.url, token.access_token)

    # Decisions, one and many, and their reasons.
    ada, somebody = (AccessSubject(type_="user", id=str(one.id)) for one in (user, idle))
    article = AccessResource.from_dict({"type": kind, "id": "1", "properties": {"scopes": ["site:blog"]}})
    elsewhere = AccessResource(type_=kind, id="2")
    reads, writes = AccessAction(name="read"), AccessAction(name="write")
    may = EvaluationRequest(subject=ada, action=reads, resource=article)
    assert accepted(evaluate_access.sync(client=machine, body=may)).decision is True
    many = EvaluationsRequest(
        subject=ada,
        action=reads,
        evaluations=[EvaluationItem(resource=one) for one in (article, elsewhere)]
        + [EvaluationItem(resource=article, action=writes)],
        options=EvaluationsOptions(evaluations_semantic=EvaluationsSemantic.EXECUTE_ALL),
    )
    answers = accepted(evaluate_accesses.sync(client=machine, body=many)).evaluations
    assert [one.decision for one in answers or []] == [True, False, False]
    granted = accepted(explain_access.sync(client=admin, body=may))
    assert (granted.decision, granted.subject_id, granted.paths[0].roles[0].id) == (True, user.id, reading.id)
    denied = accepted(explain_access.sync(client=admin, body=EvaluationRequest(ada, reads, elsewhere)))
    assert [reason.code for reason in denied.reasons] == [DenialCode.OTHER_SCOPE]
    unknown = accepted(explain_access.sync(client=machine, body=EvaluationRequest(somebody, writes, article)))
    assert ([reason.code for reason in unknown.reasons], unknown.paths) == ([DenialCode.PERMISSION_NOT_HELD], [])

    # Who may, what, and to which.
    subjects = SubjectSearchRequest(subject=SearchedSubject(type_="user"), action=reads, resource=article)
    found = accepted(search_subjects.sync(client=machine, body=subjects))
    assert str(user.id) in {one.id for one in found.results}
    assert str(idle.id) not in {one.id for one in found.results}
    actions = accepted(search_actions.sync(client=machine, body=ActionSearchRequest(subject=ada, resource=article)))
    assert [one.name for one in actions.results] == ["read"]
    resources = ResourceSearchRequest(subject=ada, action=reads, resource=SearchedResource(type_=kind))
    assert accepted(search_resources.sync(client=machine, body=resources)).context.all_ is False

    assert revoke_api_key.sync_detailed(account.id, key.id, client=admin).status_code is HTTPStatus.NO_CONTENT
    assert refusal(evaluate_access.sync(client=machine, body=may)).status == HTTPStatus.UNAUTHORIZED
    assert refusal(evaluate_access.sync(client=nobody(service), body=may)).code == "authentication_required"


def test_machine_is_told_in_a_type_that_it_is_no_user(service: Service) -> None:
    admin = administrator(service).client
    account = accepted(create_service_account.sync(client=admin, body=ServiceAccountCreate(name=unique("robot"))))
    key = accepted(create_api_key.sync(account.id, client=admin, body=ApiKeyCreate(name="first")))
    machine = AuthenticatedClient(service.url, key.key, raise_on_unexpected_status=True)

    assert refusal(get_me.sync(client=machine)).code == "permission_denied"
    assert refusal(logout.sync(client=machine)).code == "permission_denied"
