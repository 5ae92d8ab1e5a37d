"""Answers to POSTs that create something: once for each `Idempotency-Key`."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Protocol, TypeVar
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.datastructures import ResponseHeader
from litestar.params import HeaderParameter

from cms_service.api.base_path import public_path
from cms_service.core.exceptions import IdempotencyKeyReused, RequestInProgress
from cms_service.services import IdempotencyService, KeptAnswer, Versioned, entity_tag

IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="A key of your choice, such as a UUID, that you use for this request alone. Repeated with the same "
        "key within 24 hours, the request happens once, and the answer is the same.",
    ),
]
REPLAYED = ResponseHeader(
    "Idempotency-Replayed",
    documentation_only=True,
    description="`true` where this is the answer to an earlier request with the same `Idempotency-Key`, else `false`.",
)
KEY_REFUSALS = (RequestInProgress, IdempotencyKeyReused)
"""What such a POST may refuse because of its key."""


class _Created(Protocol):
    @property
    def id(self) -> UUID: ...


T = TypeVar("T", bound=_Created)


class Creating:
    """Answers 201, and whoever repeats the request, the same."""

    def __init__(self, idempotency: IdempotencyService, request: Request[Any, Any, Any], key: str | None) -> None:
        self._idempotency = idempotency
        self._request = request
        self._key = key

    async def once(self, create: Callable[[], Awaitable[T]], *, location: str) -> Response[T]:
        """The answer about what is created, or was, when the same was asked. `{id}` in `location` is its id.

        Raises:
            RequestInProgress, IdempotencyKeyReused: what `IdempotencyService` raises.
        """

        async def answer() -> KeptAnswer:
            return _answer(await create(), location)

        if self._key is None:
            given, is_replayed = await answer(), False
        else:
            given, is_replayed = await self._idempotency.once(self._key, await self._digest(), answer)
        # The kept answer has no base path: that may be another one when the request is repeated.
        headers = given.headers | {
            "Location": public_path(self._request.scope, given.headers["Location"]),
            "Idempotency-Replayed": str(is_replayed).lower(),
        }
        return Response(given.body, status_code=given.status, headers=headers)  # type: ignore[arg-type]

    async def _digest(self) -> bytes:
        """Of all that was asked for."""
        scope = self._request.scope
        asked = (scope["method"], scope["path"], scope["query_string"], await self._request.body())
        return hashlib.sha256(msgspec.msgpack.encode(asked)).digest()


def _answer(created: _Created, location: str) -> KeptAnswer:
    headers = {"Location": location.format(id=created.id)}
    if isinstance(created, Versioned):
        headers["ETag"] = entity_tag(created)
    return KeptAnswer(201, headers, msgspec.json.encode(created))
