"""The guides show the examples that the tests run, and name every permission of the service."""

import re
from pathlib import Path

from tests.api.given import Json
from tests.fixtures import Caller

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = DOCS / "examples"


async def system_permissions(admin: Caller) -> list[Json]:
    response = await admin.get("/api/v1/permissions", params={"is_system": True, "limit": 100})
    assert response.json()["next_cursor"] is None
    return list(response.json()["items"])


def test_every_marker_is_whole_and_every_example_is_shown() -> None:
    lines = [line.strip() for page in DOCS.rglob("*.md") for line in page.read_text().splitlines()]
    markers = [line for line in lines if re.search(r"-\s*-\s*8\s*<", line)]

    shown = [re.fullmatch(r'--8<-- "([\w/.]+)"', marker) for marker in markers]

    # The formatter for Python breaks them: see `[tool.ruff.format]` in pyproject.toml.
    assert all(shown), markers
    examples = {path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("*.[pt][ys]")}
    assert sorted(match[1] for match in shown if match) == sorted(examples)


async def test_every_permission_of_the_service_is_explained(admin: Caller) -> None:
    guide = (DOCS / "guides/permissions.md").read_text()
    _, _, section = guide.partition("## The service's own permissions")

    explained = re.findall(r"^\| `(\w+:\w+)` \|", section.partition("\n## ")[0], re.MULTILINE)

    names = [permission["name"] for permission in await system_permissions(admin)]
    assert sorted([*explained, "*:*"]) == sorted(names)
