"""The path of the public URL: which it is, and that no path makes a route unreachable."""

import pytest
from litestar import Litestar, get

from cms_service.api import EXCEPTION_HANDLERS, Envelope
from cms_service.api.base_path import base_path_of
from tests.unit.asgi import exchange
from tests.unit.settings import edge_settings


@get("/api/v1/users/me")
async def get_me() -> str:
    return "me"


@get("/.well-known/oauth-authorization-server")
async def get_metadata() -> str:
    return "metadata"


def published_at(url: str) -> Envelope:
    litestar = Litestar([get_me, get_metadata], exception_handlers=EXCEPTION_HANDLERS, openapi_config=None)
    return Envelope(litestar, edge_settings(public_url=url))


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://example.org", ""),
        ("https://example.org/", ""),
        ("https://example.org/id", "/id"),
        ("https://example.org/id/", "/id"),
        ("https://example.org/a/b", "/a/b"),
    ],
)
def test_base_path_is_that_of_the_public_url(url: str, path: str) -> None:
    assert base_path_of(url) == path


@pytest.mark.parametrize("path", ["", "/api", "/api/v1", "/v1/users", "/me", "/u", "/.well-known"])
async def test_route_is_reached_when_its_path_holds_the_base_path(path: str) -> None:
    app = published_at(f"https://example.org{path}")

    assert (await exchange(app, "GET", "/api/v1/users/me")).body == b"me"
    assert (await exchange(app, "GET", "/.well-known/oauth-authorization-server")).body == b"metadata"


@pytest.mark.parametrize("path", ["/id", "/a/b"])
async def test_metadata_is_also_where_the_path_follows_the_well_known_one(path: str) -> None:
    app = published_at(f"https://example.org{path}")

    assert (await exchange(app, "GET", f"/.well-known/oauth-authorization-server{path}")).body == b"metadata"
    refused = await exchange(app, "GET", f"/.well-known/oauth-authorization-server{path}x")
    assert (refused.status, refused.json()["type"]) == (404, f"{path}/problems/not_found")


@pytest.mark.parametrize(
    ("path", "instance"),
    [
        ("/.well-known/oauth-authorization-server/id", "/.well-known/oauth-authorization-server/id"),
        ("/.well-known/oauth-authorization-server", "/id/.well-known/oauth-authorization-server"),
        ("/api/v1/users/me", "/id/api/v1/users/me"),
        ("/api/v1/id", "/id/api/v1/id"),
    ],
)
async def test_problem_names_the_path_that_the_client_has_asked_for(path: str, instance: str) -> None:
    refused = await exchange(published_at("https://example.org/id"), "DELETE", path)
    assert refused.json()["instance"] == instance
