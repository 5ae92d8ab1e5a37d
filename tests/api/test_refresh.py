from collections.abc import Callable
from uuid import UUID

import asyncpg
import pytest

from cms_service.core.config import Settings
from cms_service.core.security import SECRET_BYTES, RefreshTokenCodec
from cms_service.parts import keys_for
from tests.api.credentials import actions_on, is_accepted, refresh, session_id_of
from tests.api.problems import code_of
from tests.fixtures import Caller, Database, Register, Service, ServiceFactory

STRANGER = RefreshTokenCodec(b"k" * 32)
UNKNOWN_SESSION = UUID(int=0)


async def row_of(db: asyncpg.Connection, caller: Caller) -> asyncpg.Record:
    (row,) = await db.fetch("SELECT * FROM refresh_tokens WHERE user_id = $1", caller.id)
    return row


async def age_rotation(db: asyncpg.Connection, caller: Caller, seconds: int) -> None:
    await db.execute(
        "UPDATE refresh_tokens SET last_used_at = last_used_at - make_interval(secs => $2) WHERE user_id = $1",
        caller.id,
        seconds,
    )


async def test_token_is_replaced_when_used(register: Register, db: asyncpg.Connection) -> None:
    ada = await register()
    before = await row_of(db, ada)

    response = await refresh(ada.http, ada.refresh_token)

    assert response.status_code == 200
    pair = response.json()
    assert pair.keys() == {"access_token", "token_type", "expires_in", "refresh_token", "refresh_expires_in"}
    assert pair["refresh_token"] != ada.refresh_token
    assert session_id_of(pair["access_token"]) == session_id_of(ada.access_token)
    assert await is_accepted(ada.http, pair["access_token"])
    after = await row_of(db, ada)
    assert (before["counter"], after["counter"]) == (0, 1)
    assert after["idle_expires_at"] > before["idle_expires_at"]
    assert after["expires_at"] == before["expires_at"]


async def test_parent_gets_the_same_successor_when_replayed_within_the_grace(register: Register) -> None:
    ada = await register()

    first, second = [(await refresh(ada.http, ada.refresh_token)).json() for _ in range(2)]

    assert first["refresh_token"] == second["refresh_token"]
    assert first["access_token"] != second["access_token"]


async def after_the_grace(ada: Caller, db: asyncpg.Connection) -> str:
    """The answer to a refresh comes late, and the parent once more."""
    successor = (await refresh(ada.http, ada.refresh_token)).json()["refresh_token"]
    await age_rotation(db, ada, 11)
    return str(successor)


async def after_the_successor_was_used(ada: Caller, db: asyncpg.Connection) -> str:
    successor = (await refresh(ada.http, ada.refresh_token)).json()["refresh_token"]
    return str((await refresh(ada.http, successor)).json()["refresh_token"])


@pytest.mark.parametrize("prepare", [after_the_grace, after_the_successor_was_used])
async def test_session_ends_when_a_spent_token_comes_back(
    register: Register, db: asyncpg.Connection, prepare: Callable[..., object]
) -> None:
    ada = await register()
    live = await prepare(ada, db)  # type: ignore[misc]

    response = await refresh(ada.http, ada.refresh_token)

    assert code_of(response, 401) == "refresh_token_reused"
    row = await row_of(db, ada)
    assert row["revoked_at"] is not None
    assert row["revoked_reason"] == "refresh_token_reused"
    assert await actions_on(db, row["id"]) == ["session.opened", "session.reuse_detected"]
    assert not await is_accepted(ada.http, ada.access_token)
    assert code_of(await refresh(ada.http, live), 401) == "refresh_token_invalid"
    assert code_of(await refresh(ada.http, ada.refresh_token), 401) == "refresh_token_invalid"


async def test_other_sessions_go_on_when_a_spent_token_comes_back(register: Register, db: asyncpg.Connection) -> None:
    ada = await register()
    other = await ada.http.post("/api/v1/auth/login", json={"email": ada.email, "password": ada.password})
    await after_the_successor_was_used(ada, db)

    await refresh(ada.http, ada.refresh_token)

    assert await is_accepted(ada.http, other.json()["access_token"])


@pytest.mark.slow
async def test_replay_is_noticed_by_another_replica_and_without_any_grace(
    register: Register,
    service: Service,
    database: Database,
    db: asyncpg.Connection,
    service_factory: ServiceFactory,
) -> None:
    ada = await register()
    replica = await service_factory(database, public_url=service.url, refresh_grace_seconds="0")
    pair = (await refresh(ada.http, ada.refresh_token)).json()

    async with replica.client() as http:
        assert await is_accepted(http, pair["access_token"])
        assert code_of(await refresh(http, ada.refresh_token), 401) == "refresh_token_reused"

    assert (await row_of(db, ada))["revoked_reason"] == "refresh_token_reused"
    assert not await is_accepted(ada.http, pair["access_token"])


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda _: STRANGER.encode(UNKNOWN_SESSION, b"s" * SECRET_BYTES, 0), id="of no session"),
        pytest.param(lambda _: "x", id="anything"),
        pytest.param(lambda _: "\N{OWL}" * 82, id="anything of the right length"),
    ],
)
async def test_forged_token_is_refused_and_harms_nobody(register: Register, forge: Callable[[str], str]) -> None:
    ada = await register()

    assert code_of(await refresh(ada.http, forge(ada.refresh_token)), 401) == "refresh_token_invalid"

    assert (await refresh(ada.http, ada.refresh_token)).status_code == 200


@pytest.mark.parametrize("counter", [0, 1, 2, 3, 2**32 - 1])
async def test_session_goes_on_when_a_stranger_guesses_its_counter(
    register: Register, db: asyncpg.Connection, counter: int
) -> None:
    ada = await register()
    live = await after_the_successor_was_used(ada, db)
    forged = STRANGER.encode((await row_of(db, ada))["id"], b"s" * SECRET_BYTES, counter)

    assert code_of(await refresh(ada.http, forged), 401) == "refresh_token_invalid"

    assert (await refresh(ada.http, live)).status_code == 200


@pytest.mark.parametrize("counter", [2**31 - 1, 2**31, 2**32 - 1])
async def test_token_is_refused_when_its_counter_is_the_greatest_of_a_row_or_greater(
    register: Register, settings: Settings, db: asyncpg.Connection, counter: int
) -> None:
    ada = await register()
    before = await row_of(db, ada)
    forged = RefreshTokenCodec(*keys_for(settings, "refresh-tokens")).encode(before["id"], before["secret"], counter)

    assert code_of(await refresh(ada.http, forged), 401) == "refresh_token_invalid"

    assert await row_of(db, ada) == before


@pytest.mark.parametrize("limit", ["idle_expires_at", "expires_at"])
async def test_session_is_over_when_a_limit_has_passed(register: Register, db: asyncpg.Connection, limit: str) -> None:
    ada = await register()
    await db.execute(f"UPDATE refresh_tokens SET {limit} = now() WHERE user_id = $1", ada.id)  # noqa: S608

    assert code_of(await refresh(ada.http, ada.refresh_token), 401) == "refresh_token_invalid"
    assert not await is_accepted(ada.http, ada.access_token)


async def test_refreshing_never_moves_the_end_of_a_session(register: Register, db: asyncpg.Connection) -> None:
    ada = await register()
    await db.execute("UPDATE refresh_tokens SET expires_at = now() + interval '1 minute' WHERE user_id = $1", ada.id)

    pair = (await refresh(ada.http, ada.refresh_token)).json()

    assert pair["refresh_expires_in"] <= 60
    row = await row_of(db, ada)
    assert row["idle_expires_at"] == row["expires_at"]


@pytest.mark.parametrize("change", ["is_active = false", "deleted_at = now()"])
async def test_token_is_refused_when_its_account_does_not_count(
    register: Register, db: asyncpg.Connection, change: str
) -> None:
    # Straight in the database, so that the session itself has not been ended.
    ada = await register()
    await db.execute(f"UPDATE users SET {change} WHERE id = $1", ada.id)  # noqa: S608

    assert code_of(await refresh(ada.http, ada.refresh_token), 401) == "refresh_token_invalid"
    assert not await is_accepted(ada.http, ada.access_token)
    assert (await row_of(db, ada))["counter"] == 0
