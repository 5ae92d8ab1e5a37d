"""The guides show the examples that the tests run, and name every permission of the service."""

import re

import pytest

from tests.api.given import Json
from tests.docs.examples import EXAMPLES, with_examples
from tests.docs.snippets import PAGES, ROOT, blocks_of
from tests.fixtures import Caller

DOCS = ROOT / "docs"


async def system_permissions(admin: Caller) -> list[Json]:
    response = await admin.get("/api/v1/permissions", params={"is_system": True, "limit": 100})
    assert response.json()["next_cursor"] is None
    return list(response.json()["items"])


@pytest.mark.parametrize("page", PAGES)
def test_page_shows_the_examples_as_they_are(page: str) -> None:
    text = (ROOT / page).read_text()

    assert with_examples(text) == text, "`just examples` writes them anew."


def test_every_example_is_shown_and_every_marker_is_followed_by_one() -> None:
    markers = [name for page in PAGES for name in re.findall(r"docs/examples/([\w.]+) ?-->", (ROOT / page).read_text())]
    shown = [block.example for page in PAGES for block in blocks_of(page) if block.example is not None]

    assert markers == shown
    assert sorted(shown) == sorted(path.name for path in EXAMPLES.iterdir() if path.is_file())


def test_code_is_visible_where_markdown_is_read_without_the_site() -> None:
    """As in the repository on a forge, which knows neither includes nor tabs."""
    lines = [f"{page}: {line}" for page in PAGES for line in (ROOT / page).read_text().splitlines()]

    assert [line for line in lines if re.search(r"-\s*-\s*8\s*<|: *(===[+!]?|[?]{3}[+]?|!!!) ", line)] == []


async def test_every_permission_of_the_service_is_explained(admin: Caller) -> None:
    guide = (DOCS / "guides/permissions.md").read_text()
    _, _, section = guide.partition("## The service's own permissions")

    explained = re.findall(r"^\| `(\w+:\w+)` \|", section.partition("\n## ")[0], re.MULTILINE)

    names = [permission["name"] for permission in await system_permissions(admin)]
    assert sorted([*explained, "*:*"]) == sorted(names)
