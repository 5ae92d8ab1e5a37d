"""What there is to compare with: bare Litestar routes, with nothing around them, on the server that runs the service.

Nothing of the service is imported here: its time to start and its memory are compared with those of this.

python -m tests.benchmarks.limits PORT POSTGRESQL_URL
"""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import asyncpg
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server import Server
from litestar import Litestar, get, post
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody
from litestar.types import ASGIApp

from tests.benchmarks.bare_schemas import (
    Decision,
    EvaluationRequest,
    Greeting,
    RoleRef,
    RotatedSession,
    SessionToRotate,
    UserRead,
)

POOL_SIZE = 10
"""As many connections as the service has."""

ROLES = [RoleRef(UUID(int=1), "member", "Member")]
USER = UserRead(
    id=UUID(int=2),
    email="person-1@bench.example.org",
    display_name="Person 1",
    external_id=None,
    is_active=True,
    email_verified_at=None,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    updated_at=datetime(2026, 1, 1, tzinfo=UTC),
    version=1,
    roles=ROLES,
)
SELECT_USER = """
SELECT id, email, display_name, external_id, is_active, email_verified_at, created_at, updated_at, version
FROM users WHERE id = $1 AND deleted_at IS NULL
"""
ROTATE = """
UPDATE refresh_tokens
SET counter = counter + 1, version = version + 1, last_used_at = clock_timestamp(),
    idle_expires_at = least(clock_timestamp() + interval '7 days', expires_at)
WHERE id = $1 AND revoked_at IS NULL RETURNING id, counter
"""


GREETING = Greeting("Hello")
PERMITTED = Decision(decision=True)


@get("/plain")
async def plain() -> UserRead:
    return USER


@get("/guarded")
async def unguarded() -> Greeting:
    return GREETING


@post("/evaluation", status_code=200)
async def evaluation(data: JSONBody[EvaluationRequest]) -> Decision:
    return PERMITTED


@get("/row/{user_id:uuid}")
async def row(user_id: FromPath[UUID], state: State) -> UserRead:
    record = await state.pool.fetchrow(SELECT_USER, user_id)
    return UserRead(**record, roles=ROLES)


@post("/rotation", status_code=200)
async def rotation(data: JSONBody[SessionToRotate], state: State) -> RotatedSession:
    record = await state.pool.fetchrow(ROTATE, data.id)
    return RotatedSession(**record)


def create_limits(dsn: str) -> Litestar:
    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with asyncpg.create_pool(dsn, min_size=0, max_size=POOL_SIZE) as pool:
            app.state.pool = pool
            yield

    return Litestar([plain, unguarded, evaluation, row, rotation], lifespan=[lifespan], openapi_config=None)


def serve(port: int, load: Callable[[], ASGIApp]) -> None:
    """With one worker, on the server that the service runs on."""
    server = Server(
        "benchmarks",
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGI,
        workers=1,
        http=HTTPModes.http1,
        websockets=False,
        log_level=LogLevels.warning,
    )
    server.serve(target_loader=load, wrap_loader=False)


def main() -> None:
    port, dsn = sys.argv[1:]
    serve(int(port), partial(create_limits, dsn))


if __name__ == "__main__":
    main()
