"""A FastAPI service with one protected route."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from access import AccessService, Unauthenticated
from fastapi import Depends, FastAPI, Header, HTTPException

access = AccessService(os.environ["ACCOUNTS_URL"], os.environ["ACCOUNTS_API_KEY"])


def subject(authorization: Annotated[str | None, Header()] = None) -> dict[str, Any]:
    """A dependency: 401 without a good token. Without `async`, FastAPI calls it in a thread."""
    try:
        return access.verify(authorization)
    except Unauthenticated as error:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"}) from error


async def may_read(article_id: str, subject: Annotated[dict[str, Any], Depends(subject)]) -> None:
    """A dependency: 403 without the permission `articles:read` there."""
    article = {"type": "articles", "id": article_id, "properties": {"scopes": ["site:blog"]}}
    if not await access.may(subject, "read", article):
        raise HTTPException(403)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await access.aclose()


app = FastAPI(lifespan=lifespan)


@app.get("/articles/{article_id}", dependencies=[Depends(may_read)])
async def get_article(article_id: str) -> dict[str, str]:
    return {"id": article_id}
