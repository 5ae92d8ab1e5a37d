"""Entity tags: what a client has seen, it need not read again, and what it has not seen, it does not overwrite."""

from typing import Annotated, TypeVar

from litestar import Response
from litestar.datastructures import ResponseHeader
from litestar.params import HeaderParameter
from litestar.types import HTTPScope, Message, Send

from cms_service.api.header_fields import values_of
from cms_service.api.json_response import JsonResponse
from cms_service.services import Versioned, entity_tag

T = TypeVar("T", bound=Versioned)

_OF_THE_BODY = {b"content-length", b"content-type"}
_PATTERN = r'^(\*|(W/)?"[\x21\x23-\x7e]*"( *, *(W/)?"[\x21\x23-\x7e]*")*)$'

IfMatch = Annotated[
    str,
    HeaderParameter(
        name="If-Match",
        max_length=256,
        pattern=_PATTERN,
        description="The `ETag` of what you have seen, its `version` in quotes, or `*` for whatever is there.",
    ),
]
OptionalIfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        max_length=256,
        pattern=_PATTERN,
        description="The change happens only if the resource is as you have seen it.",
    ),
]

ETAG = ResponseHeader(
    "ETag",
    documentation_only=True,
    description="Names this state of the resource; send it as If-Match or If-None-Match.",
)
LOCATION = ResponseHeader("Location", documentation_only=True, description="Where the new resource is.")


def tagged(resource: T, *, status_code: int = 200) -> Response[T]:
    """The resource with its entity tag."""
    return JsonResponse(resource, status_code=status_code, headers={"ETag": entity_tag(resource)})


def unless_known(scope: HTTPScope, send: Send) -> Send:
    """`send`, which answers 304 without a body where the client has the same state already (RFC 9110 §13.1.2)."""
    given = values_of(scope, b"if-none-match")
    if not given or scope["method"] != "GET":
        return send
    known_tags = {tag.strip().removeprefix(b"W/") for tag in b",".join(given).split(b",")}
    is_unchanged = False

    async def send_if_changed(message: Message) -> None:
        nonlocal is_unchanged
        if message["type"] == "http.response.start":
            headers = list(message["headers"])
            tag = next((value for name, value in headers if name.lower() == b"etag"), None)
            is_unchanged = message["status"] == 200 and tag is not None and bool({tag, b"*"} & known_tags)
            if is_unchanged:
                message["status"] = 304
                # All others stay: a cache gives those of a 304 to what it has kept, also the Content-Security-Policy.
                message["headers"] = [item for item in headers if item[0].lower() not in _OF_THE_BODY]
        elif message["type"] == "http.response.body" and is_unchanged:
            message["body"] = b""
        await send(message)

    return send_if_changed
