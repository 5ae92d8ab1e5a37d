"""The forgeries that the codec refuses, sent to a service whose own keys signed them."""

from collections.abc import AsyncIterator

import httpx
import pytest

from cms_service.core.security import NONCE_BYTES, Sealer, SigningKey, derive_key
from tests.fixtures import DatabaseFactory, ServiceFactory
from tests.fixtures.services import SECRET_KEY
from tests.forgeries import ISSUER, MINTS, SESSION_ID, USER_ID, Mint, raw_private_key

USER = "INSERT INTO users (id, email, display_name) VALUES ($1, 'ada@example.org', 'Ada')"
SESSION = """
    INSERT INTO refresh_tokens (id, user_id, secret, idle_expires_at, expires_at)
    VALUES ($1, $2, 'secret', now() + interval '1 day', now() + interval '1 day')
"""
KEY = "INSERT INTO signing_keys (kid, algorithm, encrypted_private_key, active_from) VALUES ($1, $2, $3, $4)"


def sealed(key: SigningKey) -> bytes:
    sealer = Sealer(derive_key(bytes.fromhex(SECRET_KEY), "signing-keys"))
    return sealer.seal(b"n" * NONCE_BYTES, raw_private_key(key), context=key.kid)


@pytest.fixture(params=MINTS)
def mint(request: pytest.FixtureRequest) -> Mint:
    return MINTS[request.param]


@pytest.fixture
async def http(
    mint: Mint, fresh_database: DatabaseFactory, service_factory: ServiceFactory
) -> AsyncIterator[httpx.AsyncClient]:
    """A service with the keys of the mint, and the session that its good token names."""
    database = await fresh_database()
    db = await database.connect()
    await db.execute(USER, USER_ID)
    await db.execute(SESSION, SESSION_ID, USER_ID)
    for key in (mint.key, mint.other_key):
        await db.execute(KEY, key.kid, key.algorithm.value, sealed(key), key.active_from)
    await db.close()
    service = await service_factory(database, public_url=ISSUER)
    async with service.client() as client:
        yield client


async def present(http: httpx.AsyncClient, token: str) -> int | None:
    """The status of the answer; None where the token cannot even be sent, or the connection is closed."""
    try:
        header = f"Bearer {token}".encode()
        response = await http.get("/api/v1/users/me", headers=[(b"Authorization", header)])
    except (httpx.LocalProtocolError, httpx.RemoteProtocolError, httpx.NetworkError):
        return None
    return response.status_code


async def test_forgery_opens_nothing(http: httpx.AsyncClient, mint: Mint) -> None:
    assert await present(http, mint.token) == 200

    statuses = {name: await present(http, forgery) for name, forgery in mint.forgeries().items()}

    assert {name: status for name, status in statuses.items() if status not in {401, None}} == {}
    assert sum(status == 401 for status in statuses.values()) >= 80
    assert await present(http, mint.token) == 200
