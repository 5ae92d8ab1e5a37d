"""A Litestar service with one protected route."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from access import AccessService, Unauthenticated
from litestar import Litestar, get
from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath

access = AccessService(os.environ["ACCOUNTS_URL"], os.environ["ACCOUNTS_API_KEY"])


async def may_read(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard: 401 without a good token, 403 without the permission `articles:read` there."""
    try:
        subject = await asyncio.to_thread(access.verify, connection.headers.get("Authorization"))
    except Unauthenticated as error:
        raise NotAuthorizedException(headers={"WWW-Authenticate": "Bearer"}) from error
    article = {"type": "articles", "id": connection.path_params["article_id"], "properties": {"scopes": ["site:blog"]}}
    if not await access.may(subject, "read", article):
        raise PermissionDeniedException


@get("/articles/{article_id:str}", guards=[may_read])
async def get_article(article_id: FromPath[str]) -> dict[str, str]:
    return {"id": article_id}


@asynccontextmanager
async def lifespan(_: Litestar) -> AsyncIterator[None]:
    yield
    await access.aclose()


app = Litestar([get_article], lifespan=[lifespan])
