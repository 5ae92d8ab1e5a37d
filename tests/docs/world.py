"""The service that the pages speak of, with what their readers are supposed to have."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from tests.api import given
from tests.api.machines import key, machine
from tests.fixtures import Caller, Cluster, Database, Service, run_command, service_environ, sign_in

PASSWORD = "seven green owls on a wire"


class World(msgspec.Struct, frozen=True):
    """A running service and its first administrator."""

    service: Service
    database: Database
    admin: Caller
    environ: dict[str, str]
    """The settings of the service, for the operator's commands."""

    async def names(self) -> dict[str, str]:
        """What stands behind the variables of the pages. What a page may spoil is made anew."""
        admin = await sign_in(self.admin.http, self.service.admin_email, PASSWORD)
        robot = await machine(admin, "users:read", "access:check", "tokens:introspect")
        user = await given.user(admin, password=PASSWORD)
        asker = await sign_in(admin.http, user["email"], PASSWORD)
        return self.environ | {
            "SERVICE": self.service.url,
            "TOKEN": admin.access_token,
            "ID": robot.id,
            "KEY": robot.key,
            "LEAKED_KEY": (await key(admin, robot.id, name="leaked"))["key"],
            "KEY_ID": await self._waiting_key(),
            "ROLE_ID": (await given.role(admin, "articles:read", "articles:publish"))["id"],
            "AUTHOR_ID": (await given.role(admin))["id"],
            "EDITOR_ID": (await given.role(admin))["id"],
            "USER_ID": user["id"],
            "USER_TOKEN": asker.access_token,
            "SOME_TOKEN": asker.access_token,
        }

    async def _waiting_key(self) -> str:
        """The signing key that is published and signs nothing yet."""
        connection = await self.database.connect()
        try:
            return str(await connection.fetchval("SELECT kid FROM signing_keys ORDER BY published_at DESC LIMIT 1"))
        finally:
            await connection.close()


@asynccontextmanager
async def running_world(cluster: Cluster, template: str, directory: Path) -> AsyncIterator[World]:
    """The service, and the users whose articles the pages speak of."""
    database = await cluster.create(template=template)
    environ = service_environ(database, admin_password=PASSWORD, log_format="json")
    service = Service(environ, directory)
    try:
        await service.wait_until_ready()
        assert (await run_command(environ, "keys", "rotate")).code == 0
        async with service.client() as http:
            admin = await sign_in(http, service.admin_email, PASSWORD)
            await _populate(admin)
            yield World(service, database, admin, environ)
    finally:
        await service.stop()
        await cluster.drop(database)
    service.refuse_tracebacks()


async def _populate(admin: Caller) -> None:
    publisher = await given.role(admin, "articles:publish")
    reader = await given.role(admin, "articles:read")
    for name in ("ada", "ben", "cleo"):
        user = await given.user(admin, email=f"{name}@example.org")
        await given.assignment(admin, user["id"], publisher["id"], scope="site:blog")
        await given.assignment(admin, user["id"], reader["id"], scope="articles:launch-day")
        assert (await admin.get(f"/api/v1/users/{user['id']}")).is_success
