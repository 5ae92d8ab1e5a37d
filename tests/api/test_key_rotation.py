"""Keys change under a running service: replicas, workers and verifiers outside go on."""

import secrets
from functools import partial

import httpx
import pytest

from tests.api.cluster import open_connections
from tests.eventually import eventually
from tests.fixtures import Caller, DatabaseFactory, Service, ServiceFactory
from tests.rotation import (
    AHEAD,
    ME,
    Ledger,
    anonymous,
    columns,
    key_of,
    keys,
    quick,
    refusal,
    signed_in,
)
from tests.unit.test_cli import run

pytestmark = pytest.mark.slow

JWKS = "/.well-known/jwks.json"
OLD_SECRET, NEW_SECRET = secrets.token_hex(32), secrets.token_hex(32)


async def is_refused_everywhere(service: Service, token: str) -> bool:
    """By every worker."""
    async with open_connections([service], 2) as connections:
        answers = [await http.get(ME, headers={"Authorization": f"Bearer {token}"}) for http in connections]
    return all(answer.status_code == 401 for answer in answers)


async def test_key_that_signs_at_once_is_known_to_every_worker(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory
) -> None:
    database = await fresh_database()
    replicas = [await quick(service_factory)(database, workers="2") for _ in range(2)]

    async with Ledger(replicas, []).kept() as ledger:
        said = await keys(database, "rotate", "--now")
        await ledger.wait_for_keys(2)
        await ledger.wait_for_checks(20)

    assert ledger.kids[1] in said
    assert "until they read them again" in said
    assert ledger.refused == []


async def test_tokens_of_a_retired_key_die_on_every_worker_and_sessions_go_on(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory
) -> None:
    database = await fresh_database()
    replicas = [await quick(service_factory)(database, workers="2") for _ in range(2)]
    caller = await signed_in(replicas[0])
    leaked = key_of(caller.access_token)
    for service in replicas * 4:
        assert await refusal(service, caller.access_token) is None

    unsure = await run(database, "keys", "retire", leaked, stdin="n\n", **AHEAD)
    assert (unsure.code, await columns(database)) == (1, [[leaked, "EdDSA", "signing"]])
    said = await keys(database, "retire", leaked, "--yes")

    for service in replicas:
        await eventually(partial(is_refused_everywhere, service, caller.access_token))
    async with anonymous(replicas[1]) as http:
        response = await http.post("/api/v1/auth/refresh", json={"refresh_token": caller.refresh_token})
        published = [key["kid"] for key in (await http.get(JWKS)).json()["keys"]]
    token = response.json()["access_token"]
    assert f"Signing key {leaked} has retired. Signing now: {key_of(token)}." in said
    assert published == [key_of(token)]
    for service in replicas * 4:
        assert await refusal(service, token) is None
    unknown, repeated = [await run(database, "keys", "retire", kid, "--yes", **AHEAD) for kid in ("nobody", leaked)]
    assert (unknown.code, unknown.err) == (1, "cms-service: There is no signing key nobody.\n")
    assert (repeated.code, repeated.err) == (1, f"cms-service: Signing key {leaked} has retired already.\n")


async def test_nobody_is_signed_out_while_the_secret_key_changes(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory
) -> None:
    database = await fresh_database()
    start = partial(quick(service_factory), database)

    async def goes_on(service: Service, caller: Caller, cursor: str) -> str:
        """The access token counts, the session is refreshed, and the list is walked on."""
        assert await refusal(service, caller.access_token) is None
        headers = {"Authorization": f"Bearer {caller.access_token}"}
        async with anonymous(service) as http:
            refreshed = await http.post("/api/v1/auth/refresh", json={"refresh_token": caller.refresh_token})
            page = await http.get("/api/v1/permissions", params={"limit": 1, "cursor": cursor}, headers=headers)
        assert (refreshed.status_code, page.status_code) == (200, 200), refreshed.text + page.text
        caller.access_token = refreshed.json()["access_token"]
        caller.refresh_token = refreshed.json()["refresh_token"]
        return str(page.json()["next_cursor"])

    old = await start(secret_key=OLD_SECRET)
    caller = await signed_in(old)
    async with anonymous(old) as http:
        headers = {"Authorization": f"Bearer {caller.access_token}"}
        page = await http.get("/api/v1/permissions", params={"limit": 1}, headers=headers)
    cursor = page.json()["next_cursor"]

    prepared = await start(secret_key=OLD_SECRET, secret_key_previous=NEW_SECRET)
    swapped = await start(secret_key=NEW_SECRET, secret_key_previous=OLD_SECRET)
    for service in (prepared, swapped, prepared, swapped):
        cursor = await goes_on(service, caller, cursor)
    for service in (old, prepared):
        await service.stop()
    await keys(database, "rotate", secret_key=NEW_SECRET, secret_key_previous=OLD_SECRET)

    async def is_sealed_again() -> bool:
        return (await run(database, "keys", "rotate", "--now", secret_key=NEW_SECRET, **AHEAD)).code == 0

    await eventually(is_sealed_again)
    young = await signed_in(swapped)
    await swapped.stop()
    new = await start(secret_key=NEW_SECRET)
    assert await refusal(new, caller.access_token) is None
    assert await refusal(new, young.access_token) is None
    await goes_on(new, young, (await first_cursor(new, young)))


async def first_cursor(service: Service, caller: Caller) -> str:
    async with anonymous(service) as http:
        headers = {"Authorization": f"Bearer {caller.access_token}"}
        page = await http.get("/api/v1/permissions", params={"limit": 1}, headers=headers)
    return str(page.json()["next_cursor"])


async def test_nothing_starts_with_a_foreign_secret_key(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory
) -> None:
    database = await fresh_database()
    service = await service_factory(database, secret_key=OLD_SECRET)
    await signed_in(service)
    before = await columns(database)

    foreign = {"secret_key": NEW_SECRET, "secret_key_previous": secrets.token_hex(32)}
    outcomes = [
        await run(database, *arguments, **foreign)
        for arguments in (["serve"], ["keys", "rotate"], ["keys", "retire", before[0][0], "--yes"])
    ]

    for outcome in outcomes:
        assert outcome.code == 2
        assert outcome.err.startswith("cms-service: CMS_SECRET_KEY is not the one under which signing key ")
    assert await columns(database) == before


async def test_key_set_is_not_sent_again_when_it_is_the_same(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory
) -> None:
    database = await fresh_database()
    replicas = [await quick(service_factory)(database) for _ in range(2)]

    async def ask(service: Service, tag: str = '""') -> httpx.Response:
        async with anonymous(service) as http:
            return await http.get(JWKS, headers={"If-None-Match": tag})

    first, other = [await ask(service) for service in replicas]
    tag = first.headers["etag"]
    assert tag == other.headers["etag"]
    assert not tag.startswith("W/")
    assert first.headers["cache-control"] == "public, max-age=4"
    unchanged = await ask(replicas[1], tag)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["cache-control"] == "public, max-age=4"

    await keys(database, "rotate")

    async def is_changed() -> bool:
        return (await ask(replicas[0], tag)).status_code == 200

    await eventually(is_changed)
    assert len((await ask(replicas[0])).json()["keys"]) == 2
