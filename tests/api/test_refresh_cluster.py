"""One session, many processes: whichever of them a refresh token comes to, it has one live successor."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TypeAlias

import asyncpg
import httpx
import pytest

from cms_service.core.security import SECRET_BYTES, RefreshTokenCodec, derive_key
from tests.api.cluster import open_connections, running_replicas
from tests.api.credentials import actions_on, is_accepted, refresh, session_id_of
from tests.api.problems import code_of
from tests.fixtures import Caller, Database, Register, Service, ServiceFactory
from tests.fixtures.services import SECRET_KEY
from tests.unit.opaque_tokens import with_flipped_bits, with_wrong_character

pytestmark = pytest.mark.slow

AT_ONCE = 50
GRACE_SECONDS = 60
TOKEN_BYTES = 52
OUR_CODEC = RefreshTokenCodec(derive_key(bytes.fromhex(SECRET_KEY), "refresh-tokens"))

Connections: TypeAlias = list[httpx.AsyncClient]


@pytest.fixture(scope="module")
async def replicas(
    database: Database, service: Service, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[list[Service]]:
    """With a grace that outlasts a test on a slow machine."""
    grace = str(GRACE_SECONDS)
    async with running_replicas(database, service, tmp_path_factory, refresh_grace_seconds=grace) as running:
        yield running


@pytest.fixture(scope="module")
async def connections(replicas: list[Service]) -> AsyncIterator[Connections]:
    """One for each of fifty clients; together they reach every worker of both replicas."""
    async with open_connections(replicas, AT_ONCE // len(replicas)) as clients:
        yield clients


class Lineage:
    """A session, and every token that it has had."""

    def __init__(self, caller: Caller) -> None:
        self.id = session_id_of(caller.access_token)
        self.refresh_tokens = [caller.refresh_token]
        self.access_tokens = [caller.access_token]

    @property
    def live(self) -> str:
        return self.refresh_tokens[-1]

    async def refresh(self, http: httpx.AsyncClient) -> None:
        response = await refresh(http, self.live)
        assert response.status_code == 200, response.text
        self.refresh_tokens.append(response.json()["refresh_token"])
        self.access_tokens.append(response.json()["access_token"])

    async def row(self, db: asyncpg.Connection) -> asyncpg.Record:
        """With the transaction that wrote it and the place where it is: any write shows."""
        (row,) = await db.fetch("SELECT xmin::text, ctid::text, * FROM refresh_tokens WHERE id = $1", self.id)
        return row

    async def was_rotated_ago(self, db: asyncpg.Connection, seconds: int) -> None:
        await db.execute(
            "UPDATE refresh_tokens SET last_used_at = clock_timestamp() - make_interval(secs => $2) WHERE id = $1",
            self.id,
            seconds,
        )

    async def is_over(self, connections: Connections) -> bool:
        """Whether every token that it has ever had is refused, whoever is asked."""

        async def accepts_any(http: httpx.AsyncClient) -> bool:
            accepted = [await is_accepted(http, token) for token in self.access_tokens]
            codes = {code_of(await refresh(http, token), 401) for token in self.refresh_tokens}
            assert codes == {"refresh_token_invalid"}
            return any(accepted)

        return not any(await asyncio.gather(*map(accepts_any, connections)))


@pytest.fixture
async def lineage(register: Register) -> Lineage:
    return Lineage(await register())


async def test_fifty_at_once_get_one_successor_generation_after_generation(
    lineage: Lineage, connections: Connections, db: asyncpg.Connection
) -> None:
    for generation in range(1, 6):
        responses = await asyncio.gather(*(refresh(http, lineage.live) for http in connections))

        assert Counter(response.status_code for response in responses) == {200: len(connections)}
        (successor,) = {response.json()["refresh_token"] for response in responses}
        lineage.refresh_tokens.append(successor)
        access_tokens = [response.json()["access_token"] for response in responses]
        # Each is shown to somebody other than who issued it.
        neighbours = zip(connections[1:] + connections[:1], access_tokens, strict=True)
        assert all(await asyncio.gather(*(is_accepted(http, token) for http, token in neighbours)))
        row = await lineage.row(db)
        assert (row["counter"], row["revoked_at"]) == (generation, None)

    assert await actions_on(db, lineage.id) == ["session.opened"]


async def test_no_two_lineages_live_when_parent_and_successor_are_used_at_once(
    lineage: Lineage, connections: Connections, db: asyncpg.Connection
) -> None:
    await lineage.refresh(connections[0])

    responses = await asyncio.gather(
        *(refresh(http, lineage.refresh_tokens[number % 4 // 2]) for number, http in enumerate(connections))
    )

    assert {response.status_code for response in responses} <= {200, 401}
    codes = Counter(response.json().get("code") for response in responses)
    assert codes.keys() <= {None, "refresh_token_reused", "refresh_token_invalid"}
    lineage.refresh_tokens += {response.json()["refresh_token"] for response in responses if response.is_success}
    lineage.access_tokens += [response.json()["access_token"] for response in responses if response.is_success]
    row = await lineage.row(db)
    assert row["counter"] <= 2
    if codes.keys() == {None}:
        assert row["revoked_at"] is None
    else:
        assert row["revoked_reason"] == "refresh_token_reused"
        assert await lineage.is_over(connections[:4])
        assert await actions_on(db, lineage.id) == ["session.opened", "session.reuse_detected"]


Prepare: TypeAlias = Callable[[Lineage, httpx.AsyncClient, asyncpg.Connection], Awaitable[str]]


async def parent_after_the_grace(lineage: Lineage, http: httpx.AsyncClient, db: asyncpg.Connection) -> str:
    await lineage.refresh(http)
    await lineage.was_rotated_ago(db, GRACE_SECONDS + 1)
    return lineage.refresh_tokens[0]


async def parent_of_a_used_successor(lineage: Lineage, http: httpx.AsyncClient, db: asyncpg.Connection) -> str:
    await lineage.refresh(http)
    await lineage.refresh(http)
    return lineage.refresh_tokens[0]


async def first_of_many(lineage: Lineage, http: httpx.AsyncClient, db: asyncpg.Connection) -> str:
    for _ in range(5):
        await lineage.refresh(http)
    return lineage.refresh_tokens[0]


async def one_of_many_after_the_grace(lineage: Lineage, http: httpx.AsyncClient, db: asyncpg.Connection) -> str:
    for _ in range(5):
        await lineage.refresh(http)
    await lineage.was_rotated_ago(db, 3_600)
    return lineage.refresh_tokens[3]


REPLAYS: list[Prepare] = [
    parent_after_the_grace,
    parent_of_a_used_successor,
    first_of_many,
    one_of_many_after_the_grace,
]


async def assert_reuse_ends(
    lineage: Lineage, responses: list[httpx.Response], connections: Connections, db: asyncpg.Connection
) -> None:
    """One of the replays has ended the session, for everybody and on record; to the others it is already over."""
    codes = Counter(code_of(response, 401) for response in responses)
    assert codes.keys() <= {"refresh_token_reused", "refresh_token_invalid"}
    assert codes["refresh_token_reused"] >= 1
    row = await lineage.row(db)
    assert row["revoked_at"] is not None
    assert row["revoked_reason"] == "refresh_token_reused"
    assert await actions_on(db, lineage.id) == ["session.opened", "session.reuse_detected"]
    assert await lineage.is_over(connections)


@pytest.mark.parametrize("prepare", REPLAYS)
@pytest.mark.parametrize("times", [1, 20])
async def test_replay_elsewhere_ends_the_session_everywhere(
    lineage: Lineage, connections: Connections, db: asyncpg.Connection, prepare: Prepare, times: int
) -> None:
    spent = await prepare(lineage, connections[0], db)

    responses = await asyncio.gather(*(refresh(http, spent) for http in connections[1 : times + 1]))

    await assert_reuse_ends(lineage, responses, connections[:12], db)


async def test_parent_gets_its_successor_elsewhere_within_the_grace(
    lineage: Lineage, connections: Connections, db: asyncpg.Connection
) -> None:
    await lineage.refresh(connections[0])
    await lineage.was_rotated_ago(db, 5)
    before = await lineage.row(db)

    responses = [await refresh(http, lineage.refresh_tokens[0]) for http in connections[:12]]

    assert {response.json()["refresh_token"] for response in responses} == {lineage.live}
    assert await lineage.row(db) == before, "nor does the grace begin anew"


async def test_replays_are_noticed_after_a_restart(
    register: Register,
    service: Service,
    database: Database,
    db: asyncpg.Connection,
    connections: Connections,
    service_factory: ServiceFactory,
) -> None:
    replays, patient = [(Lineage(await register()), prepare) for prepare in REPLAYS], Lineage(await register())
    start = partial(service_factory, database, public_url=service.url, refresh_grace_seconds=str(GRACE_SECONDS))
    before = await start()
    async with before.client() as http:
        spent = [await prepare(lineage, http, db) for lineage, prepare in replays]
        await patient.refresh(http)
    await before.stop()

    after = await start()
    async with after.client() as http:
        # However long the start took.
        await patient.was_rotated_ago(db, 5)
        response = await refresh(http, patient.refresh_tokens[0])
        assert response.json()["refresh_token"] == patient.live
        for (lineage, _), token in zip(replays, spent, strict=True):
            assert await is_accepted(http, lineage.access_tokens[-1])
            await assert_reuse_ends(lineage, [await refresh(http, token)], [http, *connections[:4]], db)


def every_forgery(token: str) -> list[str]:
    """Each bit flipped, with the checksum that belongs to it; each character changed; cut anywhere; something added."""
    return [
        *with_flipped_bits(token, TOKEN_BYTES),
        *(with_wrong_character(token, place) for place in range(len(token))),
        *(token[:length] for length in range(1, len(token))),
        *(token[length:] for length in range(1, len(token))),
        *(token + more for more in ("0", "z", "=", "==", token[-6:], token)),
    ]


async def test_forgery_is_refused_before_anything_is_written(
    lineage: Lineage, connections: Connections, db: asyncpg.Connection
) -> None:
    await lineage.refresh(connections[0])
    before = await lineage.row(db)
    forgeries = every_forgery(lineage.live)
    assert lineage.live not in forgeries

    async def try_some(number: int, http: httpx.AsyncClient) -> list[str]:
        return [code_of(await refresh(http, token), 401) for token in forgeries[number :: len(connections)]]

    codes = await asyncio.gather(*(try_some(number, http) for number, http in enumerate(connections)))

    assert Counter(code for part in codes for code in part) == {"refresh_token_invalid": len(forgeries)}
    assert await lineage.row(db) == before
    assert await actions_on(db, lineage.id) == ["session.opened"]
    await lineage.refresh(connections[1])
    assert await is_accepted(connections[2], lineage.access_tokens[-1])


@pytest.mark.parametrize("counter", range(5))
async def test_session_goes_on_when_somebody_has_our_key_and_not_its_secret(
    lineage: Lineage, connections: Connections, db: asyncpg.Connection, counter: int
) -> None:
    for http in connections[:3]:
        await lineage.refresh(http)
    before = await lineage.row(db)
    forged = OUR_CODEC.encode(before["id"], b"s" * SECRET_BYTES, counter)

    assert OUR_CODEC.encode(before["id"], before["secret"], before["counter"]) == lineage.live
    assert code_of(await refresh(connections[3], forged), 401) == "refresh_token_invalid"

    assert await lineage.row(db) == before
    await lineage.refresh(connections[0])
