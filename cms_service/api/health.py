"""Probes for whoever runs the service."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal, cast

from litestar import Controller, get
from litestar.datastructures import State
from msgspec import Meta, Struct

from cms_service.core.security import PUBLIC


class Health(Struct):
    """The answer of a probe that succeeds."""

    status: Annotated[Literal["ok"], Meta(description="The same for every probe that succeeds.")]


class HealthController(Controller):
    path = "/health"
    tags = ["health"]
    opt = {PUBLIC: True}

    @get("/live", operation_id="checkLiveness")
    async def live(self) -> Health:
        """Answers as long as the process can.

        It says nothing about PostgreSQL, which restarting this process would not bring back.
        """
        return Health("ok")

    @get("/ready", operation_id="checkReadiness")
    async def ready(self, state: State) -> Health:
        """Answers 200 when requests can be served: PostgreSQL answers, and its schema is migrated."""
        await cast(Callable[[], Awaitable[None]], state.readiness)()
        return Health("ok")
