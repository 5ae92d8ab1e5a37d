"""The page at `/`: it describes the service and leads on, and reveals nothing that the OpenAPI document does not."""

import re
from hashlib import sha256
from html import escape
from importlib.metadata import version
from string import Template
from typing import Any, cast

import msgspec
from litestar import Controller, Request, Response, get
from litestar.datastructures import State
from litestar.enums import MediaType
from litestar.response import Redirect

from cms_service.api.base_path import base_path_of, public_path
from cms_service.api.page_frame import PAGE_HEADERS, TEMPLATES, framed
from cms_service.core.config import Registration, Settings
from cms_service.core.security import PUBLIC

NAME = "cms-service"
LINKS = {
    "reference": "/schema",
    "openapi": "/schema/openapi.json",
    "problems": "/problems",
    "key_set": "/.well-known/jwks.json",
    "oauth_metadata": "/.well-known/oauth-authorization-server",
    "authzen_metadata": "/.well-known/authzen-configuration",
    "live": "/health/live",
    "ready": "/health/ready",
}
_HOME = Template((TEMPLATES / "home.html").read_text(encoding="utf-8"))
_FIRST_CALL = Template((TEMPLATES / "first_call.html").read_text(encoding="utf-8"))
_COMMAND = """curl $url/api/v1/auth/register \\
  --json '{
    "email": "grace@example.org",
    "password": "seven green owls on a wire",
    "display_name": "Grace"
  }'"""


class _Form(msgspec.Struct, frozen=True):
    """One form of the page: for people or for programs."""

    content: bytes
    media_type: MediaType

    def response(self) -> Response[bytes]:
        tag = f'"{sha256(self.content).hexdigest()[:16]}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept", **PAGE_HEADERS}
        return Response(self.content, media_type=self.media_type, headers=headers)


class HomePage:
    """Both forms, made once."""

    def __init__(self, settings: Settings) -> None:
        self._page = _Form(_page(settings).encode(), MediaType.HTML)
        self._index = _Form(_index(base_path_of(settings.public_url)), MediaType.JSON)

    def answer(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """The index for clients that prefer JSON, else the page."""
        return (self._index if _prefers_json(request) else self._page).response()


_REFUSES_JSON = re.compile(r"application/json\s*;[^,]*\bq=0(?:\.0*)?\s*(?:[,;]|$)", re.IGNORECASE)
"""Litestar takes a weight of zero, which refuses a type (RFC 9110, section 12.4.2), for a low one."""


class HomeController(Controller):
    opt = {PUBLIC: True}
    include_in_schema = False

    @get("/", sync_to_thread=False)
    def read_home(self, request: Request[Any, Any, Any], state: State) -> Response[bytes]:
        """Describe the service and lead on to its parts."""
        return cast(HomePage, state.home).answer(request)

    @get("/docs", status_code=307, sync_to_thread=False)
    def read_docs(self, request: Request[Any, Any, Any]) -> Redirect:
        """Lead to the reference, which many services have here."""
        return Redirect(public_path(request.scope, LINKS["reference"]), status_code=307)


def _prefers_json(request: Request[Any, Any, Any]) -> bool:
    try:
        best = request.accept.best_match([MediaType.HTML, MediaType.JSON])
    except OverflowError:
        return False  # Litestar's reading of `q=inf`.
    return best == MediaType.JSON and not _REFUSES_JSON.search(request.headers.get("accept", ""))


def _index(base_path: str) -> bytes:
    links = {name: base_path + path for name, path in LINKS.items()}
    return msgspec.json.encode({"name": NAME, "version": version(NAME), "links": links})


def _page(settings: Settings) -> str:
    base_path = base_path_of(settings.public_url)
    content = _HOME.substitute(
        base=escape(base_path),
        version=escape(version(NAME)),
        mode="<li>Development</li>\n" if settings.is_development else "",
        first_call=_first_call(settings, base_path) if settings.is_development else "",
    )
    return framed(NAME, content, base_path)


def _first_call(settings: Settings, base_path: str) -> str:
    """Empty where a registration would be refused."""
    if settings.registration is not Registration.OPEN:
        return ""
    command = Template(_COMMAND).substitute(url=settings.public_url)
    return _FIRST_CALL.substitute(base=escape(base_path), command=escape(command, quote=False))
