"""A FastAPI service with two protected routes, one of which asks for a recent sign-in."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from access import AccessService, Caller, Unauthenticated
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse

access = AccessService(os.environ["ACCOUNTS_URL"], os.environ["ACCOUNTS_API_KEY"])


def caller(authorization: Annotated[str | None, Header()] = None) -> Caller:
    """A dependency: 401 without a good token. Without `async`, FastAPI calls it in a thread."""
    return access.verify(authorization)


def may(action: str, max_age_seconds: int | None = None) -> Any:
    """Make a dependency: 403 without the permission, 401 long after the sign-in."""

    async def check(article_id: str, caller: Annotated[Caller, Depends(caller)]) -> None:
        article = {"type": "articles", "id": article_id, "properties": {"scopes": ["site:blog"]}}
        if not await access.may(caller, action, article):
            raise HTTPException(403)
        if max_age_seconds is not None:
            caller.require_recent_sign_in(max_age_seconds)

    return Depends(check)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await access.aclose()


app = FastAPI(lifespan=lifespan)


@app.exception_handler(Unauthenticated)
async def challenge(_: Request, error: Unauthenticated) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, status_code=401, headers={"WWW-Authenticate": error.challenge})


@app.get("/articles/{article_id}", dependencies=[may("read")])
async def get_article(article_id: str) -> dict[str, str]:
    return {"id": article_id}


@app.delete("/articles/{article_id}", dependencies=[may("delete", max_age_seconds=300)], status_code=204)
async def delete_article(article_id: str) -> None: ...
