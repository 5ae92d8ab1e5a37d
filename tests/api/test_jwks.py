import asyncio

import asyncpg
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cms_service.core.config import Settings
from cms_service.core.security import Sealer, derive_key
from tests.api.credentials import is_accepted
from tests.fixtures import Caller, DatabaseFactory, Service, ServiceFactory, sign_in

JWKS = "/.well-known/jwks.json"


@pytest.fixture
async def key_set(client: httpx.AsyncClient) -> jwt.PyJWKSet:
    return jwt.PyJWKSet.from_dict((await client.get(JWKS)).json())


async def test_access_token_is_verified_by_whoever_has_the_published_keys(
    admin: Caller, service: Service, key_set: jwt.PyJWKSet
) -> None:
    header = jwt.get_unverified_header(admin.access_token)

    claims = jwt.decode(
        admin.access_token,
        key_set[header["kid"]],
        algorithms=["EdDSA"],
        issuer=service.url,
        audience=service.url,
        options={"require": ["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "sid", "auth_time"]},
    )

    assert header["typ"] == "at+jwt"
    assert claims["sub"] == admin.id
    assert claims["exp"] - claims["iat"] == 3600
    assert claims.keys() == {"iss", "sub", "aud", "exp", "iat", "jti", "client_id", "sid", "auth_time"}


async def test_key_set_may_be_cached_and_holds_nothing_private(client: httpx.AsyncClient) -> None:
    response = await client.get(JWKS)

    assert response.headers["cache-control"] == "public, max-age=300"
    (key,) = response.json()["keys"]
    assert key.keys() == {"kty", "crv", "alg", "use", "kid", "x"}


async def test_key_set_is_public_even_when_the_credential_is_no_good(client: httpx.AsyncClient) -> None:
    assert (await client.get(JWKS, headers={"Authorization": "Bearer a.b.c"})).status_code == 200


async def test_signing_key_is_stored_encrypted(
    key_set: jwt.PyJWKSet, settings: Settings, db: asyncpg.Connection
) -> None:
    (row,) = await db.fetch("SELECT * FROM signing_keys")
    sealed: bytes = row["encrypted_private_key"]

    private_key = Sealer(derive_key(settings.secret_key, "signing-keys")).unseal(sealed, context=row["kid"])

    assert Ed25519PrivateKey.from_private_bytes(private_key).public_key() == key_set[row["kid"]].key
    assert private_key not in sealed


async def test_all_processes_sign_with_one_key_when_they_begin_together(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory
) -> None:
    database = await fresh_database()
    service = await service_factory(database, workers="2")

    async def sign_in_and_look() -> str:
        async with service.client() as http:
            caller = await sign_in(http, service.admin_email, service.admin_password)
            assert await is_accepted(http, caller.access_token)
            (key,) = (await http.get(JWKS)).json()["keys"]
            assert key["kid"] == jwt.get_unverified_header(caller.access_token)["kid"]
            return str(key["kid"])

    kids = set(await asyncio.gather(*(sign_in_and_look() for _ in range(8))))

    connection = await database.connect()
    assert kids == {row["kid"] for row in await connection.fetch("SELECT kid FROM signing_keys")}
    assert len(kids) == 1
    await connection.close()
