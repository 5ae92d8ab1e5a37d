"""A page on which people read the API and try it, served wholly from this process."""

import hashlib
from html import escape
from pathlib import Path
from typing import Any

from litestar import Request, Response, Router, get
from litestar.connection import ASGIConnection
from litestar.datastructures import ResponseHeader
from litestar.enums import MediaType
from litestar.handlers import BaseRouteHandler
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.params import FromPath

from cms_service.api.base_path import base_path_in
from cms_service.core.exceptions import NotFound
from cms_service.core.security import PUBLIC

_ASSETS = {path.name: path.read_bytes() for path in sorted((Path(__file__).parent / "static").iterdir())}
_DIGEST = hashlib.sha256(b"".join(_ASSETS.values())).hexdigest()[:16]
_MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class ReferencePage(OpenAPIRenderPlugin):
    """Swagger UI, vendored under `static/`."""

    def __init__(self) -> None:
        super().__init__(path="/", media_type=MediaType.HTML)
        self._page = _ASSETS["index.html"].replace(b"{digest}", _DIGEST.encode())

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002
        return self._page.replace(b"{base}", escape(base_path_in(request.scope)).encode())

    def receive_router(self, router: Router) -> None:
        router.register(asset)


def asset_path(name: str) -> str:
    """Where the service has a file of the page."""
    return f"/schema/assets/{_DIGEST}/{name}"


def reference_router() -> Router:
    """The router under which Litestar puts the document and its page."""
    return Router(
        "/schema",
        route_handlers=[],
        include_in_schema=False,
        opt={PUBLIC: True},
        guards=[known_page],
        response_headers=[ResponseHeader(name="Content-Security-Policy", value=_CONTENT_SECURITY_POLICY)],
    )


async def known_page(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """Litestar would answer all other paths below `/schema` with an HTML page of its own."""
    if "path" in connection.path_params:
        raise NotFound


@get("/assets/{digest:str}/{name:str}", sync_to_thread=False)
def asset(digest: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """A file of the page. Its address changes with its content, so that it may be kept for ever."""
    if digest != _DIGEST or name not in _ASSETS:
        raise NotFound
    return Response(
        _ASSETS[name],
        media_type=_MEDIA_TYPES.get(Path(name).suffix, "text/plain"),
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )
