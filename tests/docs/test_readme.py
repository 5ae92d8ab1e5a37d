"""The claims of the README name their tests, and what any page names or links to is there."""

import ast
import re
from pathlib import Path

import pytest

from cms_service.cli import commands
from tests.docs.snippets import ROOT
from tests.docs.test_reference_pages import names

TEXTS = [*ROOT.glob("docs/**/*.md"), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))]


def functions_of_tests(path: Path) -> list[str]:
    return [
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]


def test_every_claim_names_tests_that_exist() -> None:
    _, _, section = (ROOT / "README.md").read_text().partition("## How it compares")
    rows = re.findall(r"^\| (?!Asked|-)(.*) \|$", section.partition("\n## ")[0], re.MULTILINE)

    assert len(rows) > 10
    for row in rows:
        files = re.findall(r"\((tests/[\w/]+\.py)\)", row.rpartition(" | ")[2])
        assert files, row
        assert all(functions_of_tests(ROOT / file) for file in files), row


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_every_link_leads_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", re.sub(r"```.*?```", "", (ROOT / name).read_text(), flags=re.DOTALL))
    files = [link for link in links if not link.startswith("https://")]

    assert [file for file in files if not (ROOT / file).exists()] == []


def test_every_command_that_is_named_within_a_sentence_exists() -> None:
    recipes = set(re.findall(r"^([a-z][\w-]*)[^\n:]*:(?!=)", (ROOT / "justfile").read_text(), re.MULTILINE))
    operations = tuple(names(commands))
    spans = {span for text in TEXTS for span in re.findall(r"`([^`\n]+)`", text.read_text())}
    named = {match[1] for span in spans if (match := re.match(r"(?:uv run )?just ([a-z][\w-]*)", span))}
    operated = {match[1] for span in spans if (match := re.match(r"cms-service ([a-z][^`]*)", span))}

    assert named - recipes == set()
    assert [
        command for command in operated if not f"{command} ".startswith(tuple(f"{each} " for each in operations))
    ] == []
