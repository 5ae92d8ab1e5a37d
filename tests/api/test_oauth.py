"""OAuth 2 for machines: tokens for keys, what a token says, and the end of tokens, in the words of the standards."""

from base64 import b64encode
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import asyncpg
import httpx
import jwt
import pytest

from tests.api import given
from tests.api.credentials import actions_on, login, refresh, session_id_of
from tests.api.machines import INTROSPECT, REVOKE, TOKEN, Machine, account, introspect, key, machine
from tests.api.operations import DOCUMENT
from tests.api.problems import code_of
from tests.fixtures import Caller, Register, Service

GRANT = {"grant_type": "client_credentials"}
OAUTH = {"issueToken", "introspectToken", "revokeToken"}


def basic(client_id: str, secret: str) -> str:
    return "Basic " + b64encode(f"{client_id}:{secret}".encode()).decode()


def refusal(response: httpx.Response, status: int) -> str:
    """The error of a sound refusal."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert ("www-authenticate" in response.headers) == (status == 401)
    if status == 401:
        assert response.headers["www-authenticate"].startswith('Basic realm="cms-service"')
    body = response.json()
    assert body.keys() == {"error", "error_description"}
    assert body["error_description"]
    return str(body["error"])


@pytest.fixture(scope="module")
async def one(admin: Caller) -> Machine:
    return await machine(admin, "users:read", "tokens:introspect")


async def test_key_is_exchanged_for_a_token_by_header_and_by_body(service: Service, one: Machine) -> None:
    own = {"client_id": one.id, "client_secret": one.key}
    encoded = basic(quote(one.id, safe=""), "".join(f"%{byte:02X}" for byte in one.key.encode()))
    ways: list[dict[str, Any]] = [
        {"data": GRANT, "auth": (one.id, one.key)},
        {"data": GRANT | own},
        {"data": GRANT, "headers": {"Authorization": encoded}},
        {"data": GRANT, "headers": {"Authorization": encoded.replace("Basic", "bAsIc")}},
        # What the standard says: unknown parameters are ignored, empty ones count as absent.
        {"data": GRANT | {"client_id": one.id, "client_secret": "", "scope": "", "x": "1"}, "auth": (one.id, one.key)},
    ]
    ids = set()
    for way in ways:
        response = await one.http.post(TOKEN, **way)
        assert response.status_code == 200, response.text
        assert response.headers["cache-control"] == "no-store"
        body = response.json()
        assert {name: body[name] for name in body if name != "access_token"} == {
            "token_type": "Bearer",
            "expires_in": 600,
        }
        token = body["access_token"]
        assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
        claims = jwt.decode(token, options={"verify_signature": False})
        assert claims.keys() == {"iss", "aud", "sub", "client_id", "exp", "iat", "jti", "api_key_id"}
        assert (claims["iss"], claims["sub"], claims["client_id"]) == (service.url, one.id, one.id)
        assert claims["exp"] - claims["iat"] == 600
        ids.add(claims["jti"])
        assert await one.is_accepted(token)
    assert len(ids) == len(ways)


async def test_token_lives_no_longer_than_its_key(admin: Caller, one: Machine, db: asyncpg.Connection) -> None:
    short = await key(admin, one.id)
    await db.execute("UPDATE api_keys SET expires_at = now() + $2 WHERE id = $1", short["id"], timedelta(seconds=90))

    response = await one.http.post(TOKEN, data=GRANT, auth=(one.id, short["key"]))

    assert 60 < response.json()["expires_in"] <= 90


NO_BASIC = ("Basic", "Basic !!!", "Basic /zr/", f"Basic {b64encode(b'no colon').decode()}")
"""Headers with the scheme, and not of its form (RFC 7617)."""


async def test_client_is_refused_in_the_words_of_the_standard(admin: Caller, one: Machine) -> None:
    other = await account(admin)
    own = {"client_id": one.id, "client_secret": one.key}
    by_header: dict[str, Any] = {"auth": (one.id, one.key)}

    async def asked(status: int, **way: Any) -> str:
        return refusal(await one.http.post(TOKEN, **({"data": GRANT} | way)), status)

    for header in [
        basic(one.id, f"{one.key}x"),
        basic(one.id, ""),
        basic("", one.key),
        basic(other["id"], one.key),
        basic(one.id.upper(), one.key),
        basic(one.name, one.key),
        basic(one.id, await one.exchange()),
        basic(one.id, "%FF"),
        *NO_BASIC,
        f"Bearer {one.key}",
    ]:
        assert await asked(401, headers={"Authorization": header}) == "invalid_client", header
    twice = [("Authorization", basic(one.id, one.key))] * 2
    assert await asked(401, headers=twice) == "invalid_client"
    for changed in ({"client_secret": "x"}, {"client_id": other["id"]}, {"client_id": ""}, {"client_secret": ""}):
        assert await asked(400, data=GRANT | own | changed) == "invalid_client", changed
    assert await asked(400) == "invalid_client"
    assert await asked(400, data=GRANT | own, **by_header) == "invalid_request"
    assert await asked(400, data=GRANT | {"client_id": other["id"]}, **by_header) == "invalid_request"
    assert await asked(400, data=GRANT | {"scope": "articles"}, **by_header) == "invalid_scope"
    for grant_type in ("password", "authorization_code", "refresh_token"):
        assert await asked(400, data={"grant_type": grant_type}, **by_header) == "unsupported_grant_type"
    assert await asked(400, data={"x": "1"}, **by_header) == "invalid_request"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for content in ("grant_type=client_credentials&grant_type=client_credentials", "grant_type=%FF", "grant_type=%0A"):
        assert await asked(400, data=None, content=content, headers=form) == "invalid_request", content
    response = await one.http.post(f"{TOKEN}?client_id={one.id}", data=GRANT, **by_header)
    assert refusal(response, 400) == "invalid_request"


async def test_body_of_another_kind_is_a_problem_as_everywhere(one: Machine, admin: Caller) -> None:
    for path in (TOKEN, INTROSPECT, REVOKE):
        assert code_of(await admin.post(path, GRANT), 415) == "unsupported_media_type"
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        large = await admin.post(path, content=b"a=" + b"b" * 65_536, headers=form)
        assert code_of(large, 413) == "body_too_large"
        assert refusal(await admin.post(path, content=b"", headers=form), 400) == "invalid_request"


async def test_introspection_tells_whose_a_live_token_is(service: Service, register: Register, one: Machine) -> None:
    ada = await register()
    by_all = {"active": True, "iss": service.url}
    of_ada = by_all | {"sub": ada.id, "client_id": "cms-service"}
    of_one = by_all | {"sub": one.id, "client_id": one.id, "aud": service.url, "token_type": "Bearer"}
    bearer = {"username": ada.email, "aud": service.url, "token_type": "Bearer"}
    token = await one.exchange()
    for asked, expected in [
        (ada.access_token, of_ada | bearer),
        (ada.refresh_token, of_ada),
        (one.key, of_one | {"jti": one.key_id}),
        (token, of_one),
    ]:
        answer = await introspect(one, asked)
        assert expected.items() <= answer.items()
        assert answer["exp"] > answer["iat"] > 1_700_000_000
        assert None not in answer.values()
        if asked in {ada.access_token, token}:
            claims = jwt.decode(asked, options={"verify_signature": False})
            assert {name: claims[name] for name in ("exp", "iat", "jti")}.items() <= answer.items()
    # Whoever asks may say who it is by HTTP Basic, too.
    response = await one.http.post(INTROSPECT, data={"token": token}, auth=(one.id, one.key))
    assert response.json() == await introspect(one, token)
    for wrong in ((one.id, f"{one.key}x"), (str(uuid4()), one.key), (one.id, token), (ada.id, ada.access_token)):
        response = await one.http.post(INTROSPECT, data={"token": token}, auth=wrong)
        assert code_of(response, 401) == "token_invalid"
    for header in NO_BASIC:
        response = await one.http.post(INTROSPECT, data={"token": token}, headers={"Authorization": header})
        assert code_of(response, 401) == "authentication_required", header


@pytest.mark.parametrize(("left", "is_least"), [(timedelta(days=365), False), (timedelta(minutes=5), True)])
async def test_refresh_token_ends_when_it_was_not_used_or_its_session_ends(
    register: Register, one: Machine, db: asyncpg.Connection, left: timedelta, is_least: bool
) -> None:
    ada = await register()
    statement = (
        "UPDATE refresh_tokens SET expires_at = now() + $2 WHERE user_id = $1 RETURNING last_used_at, expires_at"
    )
    session = await db.fetchrow(statement, UUID(ada.id), left)

    answer = await introspect(one, ada.refresh_token)

    assert session is not None
    assert answer["iat"] == int(session["last_used_at"].timestamp())
    unused_until = session["last_used_at"] + timedelta(days=7)
    assert answer["exp"] == int((session["expires_at"] if is_least else unused_until).timestamp())


async def test_introspection_says_nothing_of_a_token_that_does_not_count(
    admin: Caller, register: Register, one: Machine
) -> None:
    ada, grace = await register(), await register()
    spent = ada.refresh_token
    pair = (await refresh(ada.http, spent)).json()
    stranger = jwt.encode({"sub": ada.id}, "a secret of somebody else who is not us", algorithm="HS256")
    tokens = [spent, stranger, "", "x", "cms_k_x", "cms_r_x", "cms_d_x", ada.id, f"{one.key}x"]
    tokens += [grace.access_token, grace.refresh_token]
    assert (await introspect(one, grace.access_token))["active"]
    await admin.post(f"/api/v1/users/{grace.id}/deactivate")
    for token in filter(None, tokens):
        assert await introspect(one, token) == {"active": False}, token
    assert (await introspect(one, pair["refresh_token"]))["active"]


async def test_whoever_has_a_token_ends_it(register: Register, admin: Caller, db: asyncpg.Connection) -> None:
    async def end(token: str, **way: Any) -> None:
        response = await admin.http.post(REVOKE, data={"token": token, "token_type_hint": "no such hint"}, **way)
        assert (response.status_code, response.content) == (200, b""), response.text

    by_access, by_refresh = await register(), await register()
    await end(by_access.access_token)
    await end(by_refresh.refresh_token)
    for ada in (by_access, by_refresh):
        assert code_of(await ada.get("/api/v1/users/me"), 401) == "token_invalid"
        assert code_of(await refresh(ada.http, ada.refresh_token), 401) == "refresh_token_invalid"
        assert await actions_on(db, session_id_of(ada.access_token)) == ["session.opened", "session.ended"]

    one = await machine(admin, "users:read")
    first, second = await one.exchange(), await one.exchange()
    await end(first)
    await end(first)
    assert [await one.is_accepted(token) for token in (first, second, one.key)] == [False, True, True]
    jti = jwt.decode(first, options={"verify_signature": False})["jti"]
    assert await actions_on(db, jti) == ["token.revoked"]
    [row] = await db.fetch("SELECT actor_id, credential_id FROM audit_events WHERE target_id = $1", jti)
    assert [str(value) for value in row] == [one.id, one.key_id]
    await end(second, auth=(one.id, one.key))
    await end(one.key, auth=(one.id, one.key))
    assert not await one.is_accepted()
    for unknown in ("x", "cms_k_x", "cms_r_x", one.key, first, by_access.access_token, by_access.refresh_token):
        await end(unknown)


async def test_client_that_says_who_it_is_ends_only_its_own_tokens(
    register: Register, admin: Caller, one: Machine
) -> None:
    ada, other = await register(), await machine(admin, "users:read")
    token = await other.exchange()
    for foreign in (other.key, token, ada.access_token, ada.refresh_token):
        response = await one.http.post(REVOKE, data={"token": foreign}, auth=(one.id, one.key))
        assert refusal(response, 400) == "unauthorized_client"
        response = await one.http.post(REVOKE, data={"token": foreign}, auth=(one.id, "x"))
        assert refusal(response, 401) == "invalid_client"
    assert await other.is_accepted()
    assert await other.is_accepted(token)
    assert (await refresh(ada.http, ada.refresh_token)).is_success


async def test_metadata_names_our_own_addresses_whatever_host_was_asked_for(service: Service, one: Machine) -> None:
    path = "/.well-known/oauth-authorization-server"
    response = await one.http.get(path, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    metadata = response.json()
    assert response.headers["cache-control"] == "public, max-age=3600"
    assert (await one.http.get(path, headers={"If-None-Match": response.headers["etag"]})).status_code == 304
    assert (metadata["issuer"], metadata["grant_types_supported"]) == (service.url, ["client_credentials"])
    assert metadata["response_types_supported"] == []
    for name, value in metadata.items():
        if name.endswith(("_endpoint", "_uri")):
            assert value.startswith(f"{service.url}/"), name
    # The addresses lead where they say.
    token = await one.http.post(metadata["token_endpoint"], data=GRANT, auth=(one.id, one.key))
    verifier = jwt.PyJWKClient(metadata["jwks_uri"])
    access_token = token.json()["access_token"]
    signing_key = verifier.get_signing_key_from_jwt(access_token)
    claims = jwt.decode(access_token, signing_key, algorithms=["EdDSA"], audience=service.url, issuer=service.url)
    assert claims["sub"] == one.id
    for endpoint in ("introspection_endpoint", "revocation_endpoint"):
        response = await one.http.post(metadata[endpoint], data={"token": access_token}, auth=(one.id, one.key))
        assert response.status_code == 200


def test_document_tells_the_refusals_of_the_standard_from_problems() -> None:
    operations = {each["operationId"]: each for item in DOCUMENT["paths"].values() for each in item.values()}
    for name in OAUTH:
        responses, security = operations[name]["responses"], operations[name]["security"]
        statuses = {"400"} if name == "introspectToken" else {"400", "401"}
        for status in statuses:
            [(media_type, content)] = responses[status]["content"].items()
            assert (media_type, content["schema"]) == ("application/json", {"$ref": "#/components/schemas/OAuthError"})
        assert all("$ref" in responses[status] for status in responses.keys() - statuses - {"200"})
        assert {"clientBasic": []} in security
        assert list(operations[name]["requestBody"]["content"]) == ["application/x-www-form-urlencoded"]


async def test_login_of_a_user_is_no_business_of_machines(admin: Caller, one: Machine) -> None:
    user = await given.user(admin, password="seven green owls on a wire")
    response = await login(one.http, user["email"], one.key)
    assert code_of(response, 401) == "invalid_credentials"
    for path in ("/api/v1/users/me/sessions", "/api/v1/users/me/permissions"):
        assert code_of(await one.get(path), 403) == "permission_denied"
    for path in ("/api/v1/users/me/password", "/api/v1/auth/reauthenticate"):
        assert code_of(await one.post(path, {}), 403) == "permission_denied"
    assert code_of(await one.post("/api/v1/auth/logout"), 403) == "permission_denied"
