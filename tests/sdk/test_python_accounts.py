"""The life of an account, through the Python client of `just sdk`."""

import tomllib
from collections.abc import Callable
from http import HTTPStatus
from uuid import uuid4

import httpx
import msgspec
import pytest
from cms_service_client import AuthenticatedClient
from cms_service_client.api.auth import login, logout, register
from cms_service_client.api.users import (
    change_my_password,
    create_user,
    delete_user,
    end_my_session,
    get_me,
    get_user,
    list_my_sessions,
    list_users,
    update_me,
    update_user,
)
from cms_service_client.models import (
    LoginRequest,
    OwnUserUpdate,
    PasswordChange,
    RegisterRequest,
    User,
    UserCreate,
    UserUpdate,
    ValidationProblem,
)
from sdk_accounts import append_to_name, create_once, every_user, leave
from sdk_answers import accepted
from sdk_session import Session, SignedOut

from tests.factories import unique
from tests.fixtures import Service
from tests.sdk.callers import PASSWORD, administrator, nobody, refusal, registered, signed_in, tokens_of
from tests.sdk.conftest import CLIENTS, ROOT


def test_client_has_the_version_of_the_document() -> None:
    document = msgspec.json.decode((ROOT / "openapi.json").read_bytes())
    python = tomllib.loads((CLIENTS / "python/pyproject.toml").read_text())["project"]
    typescript = msgspec.json.decode((CLIENTS / "typescript/package.json").read_bytes())

    assert python["version"] == typescript["version"] == document["info"]["version"]
    assert python["name"] == typescript["name"] == "cms-service-client"


def test_account_lives_from_registration_to_logout(service: Service) -> None:
    user = registered(service)
    session, elsewhere = signed_in(service, user.email), signed_in(service, user.email)
    me = get_me.sync_detailed(client=session.client)
    assert me.parsed == user
    assert user.email_verified_at is None
    assert user.created_at.tzinfo is not None

    # What is absent stays as it is.
    changed = accepted(
        update_me.sync(client=session.client, body=OwnUserUpdate(display_name="Ada"), if_match=me.headers["ETag"])
    )
    assert (changed.display_name, changed.email, changed.version) == ("Ada", user.email, user.version + 1)

    sessions = accepted(list_my_sessions.sync(client=session.client)).items
    assert sorted(each.is_current for each in sessions) == [False, True]
    other = next(each for each in sessions if not each.is_current)
    assert end_my_session.sync_detailed(other.id, client=session.client).status_code is HTTPStatus.NO_CONTENT
    assert refusal(get_me.sync(client=elsewhere.client)).status == HTTPStatus.UNAUTHORIZED

    change = PasswordChange(current_password=PASSWORD, new_password="eight blue herons in a row")
    assert change_my_password.sync_detailed(client=session.client, body=change).status_code is HTTPStatus.NO_CONTENT
    old = login.sync(client=nobody(service), body=LoginRequest(email=user.email, password=PASSWORD))
    assert refusal(old).code == "invalid_credentials"
    session = signed_in(service, user.email, change.new_password)
    assert logout.sync_detailed(client=session.client).status_code is HTTPStatus.NO_CONTENT
    assert refusal(get_me.sync(client=session.client)).status == HTTPStatus.UNAUTHORIZED


def test_session_refreshes_ahead_of_time_and_when_a_token_has_expired(
    service: Service, expired: Callable[[str], str]
) -> None:
    user = registered(service)
    tokens = tokens_of(service, user.email)
    first, spent = tokens.access_token, tokens.refresh_token
    tokens.access_token = expired(first)
    assert refusal(get_me.sync(client=AuthenticatedClient(service.url, tokens.access_token))).code == "token_expired"

    session = Session(service.url, tokens)
    assert accepted(get_me.sync(client=session.client)) == user
    late = tokens_of(service, user.email)
    late.expires_in = 1
    ahead = Session(service.url, late)
    assert accepted(get_me.sync(client=ahead.client)) == user

    # The new token is good for long: nothing is refreshed again.
    assert accepted(get_me.sync(client=session.client)) == user
    assert logout.sync_detailed(client=session.client).status_code is HTTPStatus.NO_CONTENT
    ended = Session(service.url, tokens)
    with pytest.raises(SignedOut, match="refresh_token_"):
        get_me.sync(client=ended.client)
    assert tokens.refresh_token == spent


async def test_session_serves_the_asynchronous_client(service: Service, expired: Callable[[str], str]) -> None:
    user = registered(service)
    tokens = tokens_of(service, user.email)
    tokens.access_token = expired(tokens.access_token)

    async with Session(service.url, tokens).client as client:
        assert await get_me.asyncio(client=client) == user


def test_null_empties_and_absence_keeps(service: Service) -> None:
    admin = administrator(service).client
    new = UserCreate(email=f"{unique('user')}@example.org", display_name="Bob", external_id=unique("hr"))
    user = accepted(create_user.sync(client=admin, body=new))
    assert user.external_id == new.external_id

    kept = accepted(update_user.sync(user.id, client=admin, body=UserUpdate(display_name="Rob"), if_match="*"))
    assert (kept.external_id, kept.display_name) == (new.external_id, "Rob")
    emptied = leave(admin, kept)
    assert (emptied.external_id, emptied.display_name) == (None, "Rob")


def test_change_waits_for_nobody_and_overwrites_nothing(service: Service) -> None:
    admin = administrator(service).client
    user = registered(service)
    assert append_to_name(admin, user.id, " Byron").display_name == "Ada Lovelace Byron"
    stale = update_user.sync(user.id, client=admin, body=UserUpdate(display_name="x"), if_match=f'"{user.version}"')
    assert refusal(stale).code == "precondition_failed"

    def drop(request: httpx.Request) -> None:
        request.headers.pop("If-Match", None)

    careless = AuthenticatedClient(
        service.url, tokens_of(service, service.admin_email, service.admin_password).access_token
    )
    careless.get_httpx_client().event_hooks = {"request": [drop]}
    unconditional = update_user.sync(user.id, client=careless, body=UserUpdate(display_name="x"), if_match="*")
    assert refusal(unconditional).code == "precondition_required"
    assert delete_user.sync_detailed(user.id, client=admin, if_match="*").status_code is HTTPStatus.NO_CONTENT

    # Somebody else is quicker, once.
    racing = registered(service)
    session = administrator(service)
    meddled = False

    def meddle(request: httpx.Request) -> None:
        nonlocal meddled
        if request.method == "PATCH" and not meddled:
            meddled = True
            append_to_name(admin, racing.id, " II")

    session.client.get_httpx_client().event_hooks = {"request": [meddle]}
    assert append_to_name(session.client, racing.id, " III").display_name == "Ada Lovelace II III"


def test_creation_is_repeated_and_happens_once(service: Service) -> None:
    admin = administrator(service).client
    body, key = UserCreate(email=f"{unique('user')}@example.org", display_name="Bob"), str(uuid4())
    first, again = (create_user.sync_detailed(client=admin, body=body, idempotency_key=key) for _ in range(2))
    assert accepted(first.parsed) == accepted(again.parsed)
    assert [answer.headers["Idempotency-Replayed"] for answer in (first, again)] == ["false", "true"]
    other = UserCreate(email=body.email, display_name="Rob")
    assert refusal(create_user.sync(client=admin, body=other, idempotency_key=key)).code == "idempotency_key_reused"

    # The answer gets lost after the user was made.
    lossy = administrator(service)
    lost = 0

    def lose(response: httpx.Response) -> None:
        nonlocal lost
        if response.request.method == "POST" and lost < 2:
            lost += 1
            raise httpx.ReadError("the line broke")

    lossy.client.get_httpx_client().event_hooks = {"response": [lose]}
    made = create_once(lossy.client, UserCreate(email=f"{unique('user')}@example.org", display_name="Bob"))
    assert (accepted(get_user.sync(made.id, client=admin)), lost) == (made, 2)


def test_pages_hold_everybody_once(service: Service) -> None:
    admin = administrator(service).client
    mine = {registered(service).id for _ in range(5)}
    count = accepted(list_users.sync(client=admin, limit=1, include_total=True)).total

    everybody = [user.id for user in every_user(admin, part=2)]

    assert len(everybody) == len(set(everybody)) == count
    assert mine <= set(everybody)
    assert everybody == [user.id for user in every_user(admin)]


def test_refusals_are_typed(service: Service) -> None:
    admin, user = administrator(service).client, registered(service)
    member = signed_in(service, user.email).client

    faulty = create_user.sync(client=admin, body=UserCreate(email="nobody", display_name="", external_id="\x00"))
    assert isinstance(faulty, ValidationProblem)
    assert refusal(faulty).faults.keys() == {"/email", "/display_name", "/external_id"}
    assert refusal(get_me.sync(client=AuthenticatedClient(service.url, "no token"))).code == "token_invalid"
    assert refusal(list_users.sync(client=member)).code == "permission_denied"
    assert refusal(get_user.sync(uuid4(), client=admin)).code == "not_found"
    taken = RegisterRequest(email=user.email, password=PASSWORD, display_name="Ada")
    assert refusal(register.sync(client=nobody(service), body=taken)).code == "email_taken"
    guess = LoginRequest(email=user.email, password="no password of anybody")
    codes: list[str] = []
    while codes[-1:] != ["rate_limited"]:  # A slow machine sits the first delays out.
        codes.append(refusal(login.sync(client=nobody(service), body=guess)).code)
    assert codes[:6] == ["invalid_credentials"] * 6
    assert set(codes[6:-1]) <= {"invalid_credentials"}
    assert isinstance(accepted(get_user.sync(user.id, client=admin)), User)
