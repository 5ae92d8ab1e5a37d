from datetime import date
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar, get
from litestar.datastructures import State
from litestar.params import FromPath

from cms_service.api import EXCEPTION_HANDLERS, ApiDocument, Envelope, HealthController, Readmission, StrictInput
from cms_service.api.deprecation import deprecated
from cms_service.api.oauth_refusals import OAUTH_EXCEPTION_HANDLERS
from cms_service.core.exceptions import InvalidRequest, NotFound
from cms_service.core.security import PUBLIC, PasswordPolicy, authenticated
from cms_service.schemas import AccessPreview, ChangedGrants, FoundAction
from cms_service.services import Previewed
from tests.unit.asgi import NOBODY, exchange
from tests.unit.settings import edge_settings

KNOWN = UUID("0190c8a0-4b1e-7c3f-9d2a-6e5f4a3b2c1d")
HEADERS = {
    "deprecation": "@1767225600",
    "sunset": "Wed, 01 Jul 2026 00:00:00 GMT",
    "link": '</schema>; rel="deprecation"; type="text/html", </api/v2/things>; rel="successor-version"',
}
going = deprecated(since=date(2026, 1, 1), sunset=date(2026, 7, 1), successor="/api/v2/things")


@going
@get("/api/v1/things/{thing_id:uuid}", operation_id="getThing", tags=["users"], opt={PUBLIC: True})
async def get_thing(thing_id: FromPath[UUID]) -> FoundAction:
    """One thing."""
    if thing_id != KNOWN:
        raise NotFound
    return FoundAction("publish")


@going
@get("/api/v1/things", operation_id="listThings", tags=["users"], guards=[authenticated])
async def list_things() -> FoundAction:
    """All things."""
    raise NotImplementedError  # The guard lets nobody in: what a refusal says is the test.


@going
@get(
    "/api/v1/oauth-things",
    operation_id="findThing",
    tags=["users"],
    opt={PUBLIC: True},
    exception_handlers=OAUTH_EXCEPTION_HANDLERS,
)
async def find_thing() -> FoundAction:
    """Something for clients of OAuth."""
    raise InvalidRequest("No thing is like this.")


@going
@get("/api/v1/tried-things", operation_id="tryThing", tags=["users"], opt={PUBLIC: True})
async def try_thing() -> FoundAction:
    """What would become of a thing."""
    raise Previewed(AccessPreview(ChangedGrants(0, 0, []), ChangedGrants(0, 0, [])))


@pytest.fixture(scope="module")
def app() -> Envelope:
    litestar = Litestar(
        [get_thing, list_things, find_thing, try_thing, HealthController],
        plugins=[ApiDocument()],
        guards=[NOBODY],
        before_request=StrictInput(PasswordPolicy(15), Readmission(NOBODY)),
        exception_handlers=EXCEPTION_HANDLERS,
        logging_config=None,
        state=State({}),
    )
    return Envelope(litestar, edge_settings())


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (f"/api/v1/things/{KNOWN}", 200),
        ("/api/v1/things/0190c8a0-4b1e-7c3f-9d2a-000000000000", 404),
        (f"/api/v1/things/{KNOWN}?unknown=1", 400),
        ("/api/v1/things", 401),
        ("/api/v1/oauth-things", 400),
        ("/api/v1/tried-things", 202),
    ],
)
async def test_every_answer_of_a_deprecated_operation_says_so(app: Envelope, target: str, status: int) -> None:
    answer = await exchange(app, "GET", target)
    assert answer.status == status
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


async def test_links_begin_with_the_path_of_the_public_url(app: Envelope) -> None:
    published = Envelope(app.litestar, edge_settings(public_url="https://example.org/id"))
    link = (await exchange(published, "GET", f"/api/v1/things/{KNOWN}")).headers["link"]
    assert link == HEADERS["link"].replace("</", "</id/")


@pytest.mark.parametrize("target", ["/health/live", "/nowhere"])
async def test_other_answers_do_not(app: Envelope, target: str) -> None:
    assert not HEADERS.keys() & (await exchange(app, "GET", target)).headers.keys()


def test_document_says_since_when_until_when_and_what_comes_instead(app: Envelope) -> None:
    document: dict[str, Any] = app.litestar.openapi_schema.to_schema()
    operation = document["paths"]["/api/v1/things/{thing_id}"]["get"]
    assert operation["deprecated"] is True
    assert operation["x-sunset"] == "2026-07-01"
    assert operation["description"] == (
        "One thing.\n\nDeprecated since 2026-01-01. Use `/api/v2/things`: this may go on 2026-07-01."
    )
    headers = operation["responses"]["200"]["headers"]
    assert set(headers) == {"Deprecation", "Link", "Sunset"}
    assert all(header["schema"] == {"type": "string"} and header["description"] for header in headers.values())
    assert "deprecated" not in document["paths"]["/health/live"]["get"]
