"""Forged refresh tokens with a correct tag: the attacker has the secret key and cannot read the database."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import pytest

from cms_service.core.config import Settings
from cms_service.core.security import REFRESH_TOKEN_PREFIX, SECRET_BYTES, RefreshTokenCodec, proof_of
from cms_service.core.security.opaque_tokens import OpaqueTokenCodec
from cms_service.parts import keys_for
from tests.api.credentials import actions_on, is_accepted, refresh
from tests.api.machines import INTROSPECT, REVOKE, Machine, machine
from tests.api.problems import code_of
from tests.fixtures import Caller, Register

PROOF_BYTES = 16
ROTATIONS = 3
FOREIGN_SECRET = b"s" * SECRET_BYTES


class Session(msgspec.Struct, frozen=True):
    """The row of a session."""

    id: UUID
    secret: bytes
    counter: int


class Parts(msgspec.Struct, frozen=True):
    """The payload of a refresh token."""

    session_id: UUID
    counter: int
    proof: bytes


def parts(session: Session, *, counter: int = 0, secret: bytes | None = None, proven: int | None = None) -> Parts:
    """Of a token of the session. `counter` and `proven` count from the live token."""
    counter += session.counter
    proven = counter if proven is None else session.counter + proven
    return Parts(session.id, counter, proof_of(session.secret if secret is None else secret, proven))


FORGERIES: dict[str, Callable[[Session, Session], Parts]] = {
    "live counter, foreign secret": lambda ada, _: parts(ada, secret=FOREIGN_SECRET),
    "live counter, no proof": lambda ada, _: Parts(ada.id, ada.counter, bytes(PROOF_BYTES)),
    "live counter, proof of the counter before": lambda ada, _: parts(ada, proven=-1),
    "live counter, proof of the next counter": lambda ada, _: parts(ada, proven=1),
    "live counter, proof of another session": lambda ada, grace: parts(ada, secret=grace.secret),
    "live counter, last bit of the proof flipped": lambda ada, _: with_last_bit_flipped(parts(ada)),
    "next counter, foreign secret": lambda ada, _: parts(ada, counter=1, secret=FOREIGN_SECRET),
    "next counter, its own proof": lambda ada, _: parts(ada, counter=1),
    "next counter, proof of the live counter": lambda ada, _: parts(ada, counter=1, proven=0),
    "greatest counter, proof of the live counter": lambda ada, _: Parts(ada.id, 2**32 - 1, parts(ada).proof),
    "counter before, foreign secret": lambda ada, _: parts(ada, counter=-1, secret=FOREIGN_SECRET),
    "counter before, proof of the live counter": lambda ada, _: parts(ada, counter=-1, proven=0),
    "spent counter, foreign secret": lambda ada, _: parts(ada, counter=-2, secret=FOREIGN_SECRET),
    "spent counter, proof of the live counter": lambda ada, _: parts(ada, counter=-2, proven=0),
    "another session": lambda ada, grace: msgspec.structs.replace(parts(ada), session_id=grace.id),
    "unknown session": lambda ada, _: msgspec.structs.replace(parts(ada), session_id=uuid4()),
}
"""From the sessions of two users, whose live tokens have the same counter."""

Present: TypeAlias = Callable[[httpx.AsyncClient, Machine, str], Awaitable[None]]


async def refresh_with(http: httpx.AsyncClient, _: Machine, token: str) -> None:
    assert code_of(await refresh(http, token), 401) == "refresh_token_invalid"


async def log_out_with(http: httpx.AsyncClient, _: Machine, token: str) -> None:
    response = await http.post("/api/v1/auth/logout", json={"refresh_token": token})
    assert code_of(response, 401) == "refresh_token_invalid"


async def introspect_with(_: httpx.AsyncClient, robot: Machine, token: str) -> None:
    response = await robot.post(INTROSPECT, data={"token": token})
    assert response.json() == {"active": False}


async def revoke_with(http: httpx.AsyncClient, _: Machine, token: str) -> None:
    response = await http.post(REVOKE, data={"token": token})
    assert (response.status_code, response.content) == (200, b"")


USES: dict[str, Present] = {
    "refresh": refresh_with,
    "logout": log_out_with,
    "introspection": introspect_with,
    "revocation": revoke_with,
}
"""Every endpoint that takes a refresh token, and how it answers to one that does not count."""


@pytest.fixture(scope="module")
async def robot(admin: Caller) -> Machine:
    return await machine(admin, "tokens:introspect")


@pytest.fixture(scope="module")
def tags(settings: Settings) -> OpaqueTokenCodec:
    """It writes any payload with a right tag."""
    key, previous_key = keys_for(settings, "refresh-tokens")
    return OpaqueTokenCodec(REFRESH_TOKEN_PREFIX, 16 + 4 + PROOF_BYTES, key, previous_key)


@pytest.fixture(scope="module")
async def users(register: Register) -> list[Caller]:
    """Two of them, each with a live token that has had predecessors."""
    made = [await register() for _ in range(2)]
    for caller in made:
        for _ in range(ROTATIONS):
            caller.refresh_token = (await refresh(caller.http, caller.refresh_token)).json()["refresh_token"]
    return made


def with_last_bit_flipped(genuine: Parts) -> Parts:
    *most, last = genuine.proof
    return msgspec.structs.replace(genuine, proof=bytes([*most, last ^ 1]))


def written(tags: OpaqueTokenCodec, forged: Parts) -> str:
    return tags.write(forged.session_id.bytes + forged.counter.to_bytes(4) + forged.proof)


async def rows_of(db: asyncpg.Connection, callers: list[Caller]) -> list[asyncpg.Record]:
    """With the transaction that wrote each, so that any write shows."""
    statement = "SELECT xmin::text, ctid::text, * FROM refresh_tokens WHERE user_id = ANY($1) ORDER BY id"
    return await db.fetch(statement, [caller.id for caller in callers])


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("forgery", FORGERIES)
async def test_refresh_token_is_refused_and_changes_nothing_when_its_tag_alone_is_right(
    users: list[Caller], robot: Machine, tags: OpaqueTokenCodec, db: asyncpg.Connection, forgery: str, use: str
) -> None:
    before = await rows_of(db, users)
    ada, grace = [Session(row["id"], row["secret"], row["counter"]) for row in before]
    token = written(tags, FORGERIES[forgery](ada, grace))
    actions = await actions_on(db, str(ada.id))

    await USES[use](users[0].http, robot, token)

    assert await rows_of(db, users) == before
    assert await actions_on(db, str(ada.id)) == actions == ["session.opened"]
    assert all([await is_accepted(caller.http, caller.access_token) for caller in users])


async def test_token_is_refreshed_when_it_is_written_from_its_row(
    users: list[Caller], settings: Settings, tags: OpaqueTokenCodec, db: asyncpg.Connection
) -> None:
    (row,) = await rows_of(db, users[:1])
    session = Session(row["id"], row["secret"], row["counter"])
    token = written(tags, parts(session))

    response = await refresh(users[0].http, token)

    assert token == RefreshTokenCodec(*keys_for(settings, "refresh-tokens")).encode(
        session.id, session.secret, session.counter
    )
    assert token == users[0].refresh_token
    assert response.status_code == 200
    users[0].refresh_token = response.json()["refresh_token"]
    assert (await rows_of(db, users[:1]))[0]["counter"] == session.counter + 1
