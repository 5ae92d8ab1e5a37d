"""A Litestar service with two protected routes, one of which asks for a recent sign-in."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from access import AccessService, Unauthenticated
from litestar import Litestar, Request, Response, delete, get
from litestar.connection import ASGIConnection
from litestar.exceptions import PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath
from litestar.types import Guard

access = AccessService(os.environ["ACCOUNTS_URL"], os.environ["ACCOUNTS_API_KEY"])


def may(action: str, max_age_seconds: int | None = None) -> Guard:
    """Make a guard: 401 without a good token, 403 without the permission, 401 again long after the sign-in."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        caller = await asyncio.to_thread(access.verify, connection.headers.get("Authorization"))
        article_id = connection.path_params["article_id"]
        article = {"type": "articles", "id": article_id, "properties": {"scopes": ["site:blog"]}}
        if not await access.may(caller, action, article):
            raise PermissionDeniedException
        if max_age_seconds is not None:
            caller.require_recent_sign_in(max_age_seconds)

    return guard


def challenge(_: Request[Any, Any, Any], error: Unauthenticated) -> Response[dict[str, str]]:
    return Response({"detail": str(error)}, status_code=401, headers={"WWW-Authenticate": error.challenge})


@get("/articles/{article_id:str}", guards=[may("read")])
async def get_article(article_id: FromPath[str]) -> dict[str, str]:
    return {"id": article_id}


@delete("/articles/{article_id:str}", guards=[may("delete", max_age_seconds=300)])
async def delete_article(article_id: FromPath[str]) -> None: ...


@asynccontextmanager
async def lifespan(_: Litestar) -> AsyncIterator[None]:
    yield
    await access.aclose()


app = Litestar([get_article, delete_article], exception_handlers={Unauthenticated: challenge}, lifespan=[lifespan])
