"""All pages spell the type of a resource the same way: a permission of another spelling allows nothing."""

import re
from pathlib import Path

from tests.docs.snippets import ROOT

SUBJECT_TYPES = {"user", "service"}
"""They name who acts, beside the permissions `users:…` and `service_accounts:…`."""
TEXTS = [
    *ROOT.glob("docs/**/*.md"),
    *(path for path in ROOT.glob("docs/examples/*.*") if path.is_file()),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "openapi.json", "tests/docs/world.py")),
]

_PERMISSION_OR_SCOPE = re.compile(r"""["'`]([a-z][a-z0-9_-]*):[a-z*][a-z0-9_*-]*["'`]""")
_ENTITY = re.compile(r"""["']?\btype["']?: ["']([a-z][a-z0-9_-]*)["']""")


def resource_types(path: Path) -> set[str]:
    text = path.read_text().replace('\\"', '"')
    return {*_PERMISSION_OR_SCOPE.findall(text), *_ENTITY.findall(text)} - SUBJECT_TYPES


def other_forms(noun: str) -> set[str]:
    """The plurals of a singular, and the noun itself."""
    return {noun, f"{noun}s", f"{noun}es", f"{noun.removesuffix('y')}ies"}


def test_resource_type_has_one_spelling_on_all_pages() -> None:
    pages = {path: resource_types(path) for path in TEXTS}
    types = set().union(*pages.values())

    spellings = [types & other_forms(noun) for noun in sorted(types)]

    assert [
        (forms, path.name) for forms in spellings if len(forms) > 1 for path, found in pages.items() if found & forms
    ] == []


def test_tutorial_and_guides_speak_of_the_same_resource() -> None:
    pages = ("tutorial/life-of-an-account", "guides/permissions", "guides/decisions", "guides/protect-a-service")

    assert [page for page in pages if "articles" not in resource_types(ROOT / f"docs/{page}.md")] == []
