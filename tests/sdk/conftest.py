"""The examples of the guide, what they cost in calls, and tokens that have expired."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import jwt
import pytest

from cms_service.core.config import SigningAlgorithm
from cms_service.core.security import Sealer, derive_key, load_private_key
from tests.fixtures import Database, Service
from tests.fixtures.services import SECRET_KEY

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs/examples"
CLIENTS = ROOT / "build/sdk"
CALLS = pytest.StashKey[Counter[str]]()

# Where `just sdk` puts the client, and what its users copy from the guide.
sys.path[:0] = [str(CLIENTS / "python"), str(EXAMPLES)]


@pytest.fixture(autouse=True)
def calls(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """What the client asks for is counted, by method and status; what it opened is closed."""
    transports: set[httpx.HTTPTransport] = set()
    tally = pytestconfig.stash.setdefault(CALLS, Counter())
    send = httpx.HTTPTransport.handle_request

    def counted(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        transports.add(transport)
        response = send(transport, request)
        tally[f"{request.method} {response.status_code}"] += 1
        return response

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", counted)
    yield tally
    for transport in transports:
        transport.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    tally = config.stash.get(CALLS, Counter())
    terminalreporter.write_line(f"Python: {tally.total()} calls: {dict(sorted(tally.items()))}")


@pytest.fixture
async def expired(service: Service, database: Database) -> Callable[[str], str]:
    """Makes of an access token the one that it will be when its time has run out: the service itself signed it."""
    db = await database.connect()
    rows = await db.fetch("SELECT kid, algorithm, encrypted_private_key FROM signing_keys")
    await db.close()
    sealer = Sealer(derive_key(bytes.fromhex(SECRET_KEY), "signing-keys"))
    keys = {
        row["kid"]: load_private_key(
            SigningAlgorithm(row["algorithm"]), sealer.unseal(row["encrypted_private_key"], context=row["kid"])
        )
        for row in rows
    }

    def expire(token: str) -> str:
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(token, options={"verify_signature": False})
        claims |= {"iat": claims["iat"] - 7200, "exp": claims["iat"] - 3600}
        return jwt.encode(claims, keys[header["kid"]], header["alg"], headers=header)

    return expire
