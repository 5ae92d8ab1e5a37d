"""The OpenAPI document as this deployment serves it: with the path below which its operations are."""

from typing import Any

import msgspec
from litestar import Request
from litestar.openapi.plugins import JsonRenderPlugin

from cms_service.api.base_path import base_path_in


class ServedDocument(JsonRenderPlugin):
    """Litestar plugin that answers `/schema/openapi.json`. The same process always answers the same bytes."""

    def __init__(self) -> None:
        super().__init__()
        self._encoded: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        if self._encoded is None:
            self._encoded = msgspec.json.encode(_served_below(base_path_in(request.scope), openapi_schema))
        return self._encoded


def _served_below(base_path: str, document: dict[str, Any]) -> dict[str, Any]:
    """Without a path, the document is the published one."""
    (server,) = document["servers"]
    return document | {"servers": [server | {"url": base_path or server["url"]}]}
