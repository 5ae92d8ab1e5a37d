"""The short way of an answer and Litestar's own tell the same."""

from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar, Response, get
from litestar.background_tasks import BackgroundTask
from litestar.datastructures import Cookie

from cms_service.api import JsonResponse
from cms_service.schemas import RoleRef
from tests.unit.asgi import Answer, exchange

ROLE = RoleRef(UUID(int=7), "editor", "Éditeur")
DONE: list[str] = []


def note() -> None:
    DONE.append("done")


GIVEN: dict[str, dict[str, Any]] = {
    "nothing": {},
    "headers": {"status_code": 201, "headers": {"ETag": '"1"', "Location": "/roles/7"}},
    "media type": {"status_code": 409, "media_type": "application/problem+json"},
    "content type": {"headers": {"Content-Type": "application/scim+json"}},
    "cookies": {"cookies": [Cookie("a", "b")]},
    "background": {"background": BackgroundTask(note)},
}
CONTENTS = {"struct": ROLE, "null": None, "dict": {"a": ROLE}, "list": [ROLE], "text": "text", "bytes": b"{}"}


async def answer_of(response_class: type[Response[Any]], content: object, given: dict[str, Any]) -> Answer:
    @get("/")
    async def handler() -> Response[Any]:
        return response_class(content, **given)

    return await exchange(Litestar([handler], openapi_config=None), "GET", "/")


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
async def test_answer_is_that_of_litestar(content: object, given: dict[str, Any]) -> None:
    DONE.clear()
    ours = await answer_of(JsonResponse, content, given)
    theirs = await answer_of(Response, content, given)

    assert (ours.status, ours.body) == (theirs.status, theirs.body)
    assert ours.headers == theirs.headers
    assert len(DONE) == (2 if "background" in given else 0)


class Refused(Exception):
    pass


async def test_refusal_leaves_alike() -> None:
    @get("/")
    async def handler() -> RoleRef:
        raise Refused

    def refuse_with(response_class: type[Response[Any]]) -> Litestar:
        def refuse(*_: object) -> Response[Any]:
            return response_class(ROLE, status_code=409, media_type="application/problem+json")

        return Litestar([handler], openapi_config=None, exception_handlers={Refused: refuse})

    assert await exchange(refuse_with(JsonResponse), "GET", "/") == await exchange(refuse_with(Response), "GET", "/")


async def test_struct_that_a_handler_returns_leaves_alike() -> None:
    answers = []
    for response_class in (JsonResponse, Response):

        @get("/", status_code=202)
        async def handler() -> RoleRef:
            return ROLE

        app = Litestar([handler], openapi_config=None, response_class=response_class)
        answers.append(await exchange(app, "GET", "/"))

    assert answers[0] == answers[1]
