"""The blocks of code on the pages, and whether what a command printed is what a page shows."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (*ROOT.glob("docs/**/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md")
    if "```" in path.read_text()
)
SHELLS = {"bash", "console"}
SHOWN = {"json", "text"}

_FENCE = re.compile(
    r"(?:^<!-- docs/examples/(?P<example>[\w.]+) -->\n)?"
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_CHANGING = re.compile(
    r"(?P<instant>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?)"
    r"|(?P<id>\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\b[0-9a-f]{16,}\b)"
    r"|(?P<token>\b(eyJ|cms_[a-z]_)[\w.-]*)"
    r"|(?P<number>\d+)"
)
_ELLIPSIS = "…"


class Block(msgspec.Struct, frozen=True):
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    code: str
    is_printed: bool
    """Whether it follows a block of commands at once, and so is what those print."""

    example: str | None = None
    """The file of docs/examples that it shows: the comment above it names that."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: str) -> Iterator[Block]:
    """Every block of the page, in order. Fails where one is not closed."""
    text = (ROOT / page).read_text()
    assert len(re.findall(r"^ *```", text, re.MULTILINE)) == 2 * len(_FENCE.findall(text)), page
    end_of_commands = None
    for match in _FENCE.finditer(text):
        language = match["language"]
        code = re.sub(f"^{match['indent']}", "", match["code"], flags=re.MULTILINE)
        is_printed = (
            language in SHOWN and end_of_commands is not None and not text[end_of_commands : match.start()].strip()
        )
        line = text.count("\n", 0, match.start("indent")) + 1
        yield Block(page, line, language, code, is_printed, match["example"])
        end_of_commands = match.end() if language in SHELLS else None


def prints(shown: str, actual: str) -> bool:
    """Whether the page shows this, but for ids, instants, tokens and numbers; `…` stands for anything."""
    parts = (re.escape(settled(part)) for part in shown.split(_ELLIPSIS))
    return re.fullmatch(".*".join(parts), settled(actual), re.DOTALL) is not None


def answers(shown: str, actual: str) -> bool:
    """Whether the page shows this JSON, but for ids, instants, tokens and numbers."""
    return _is_like(parse(shown), json.loads(actual))


def parse(shown: str) -> Any:
    """The JSON of a page, where `…` may stand for further members."""
    return json.loads(re.sub(rf",\s*{_ELLIPSIS}\s*(?=[}}\]])", "", shown))


def _is_like(shown: Any, actual: Any) -> bool:
    match shown, actual:
        case dict(), dict():
            return shown.keys() == actual.keys() and all(_is_like(shown[name], actual[name]) for name in shown)
        case list(), list():
            return len(shown) == len(actual) and all(map(_is_like, shown, actual))
        case str(), str():
            return prints(shown, actual)
        case _:
            return type(shown) is type(actual) and (shown == actual or not isinstance(shown, bool))


def settled(text: str) -> str:
    """The text with names in the place of what is different every time."""
    named = _CHANGING.sub(lambda match: f"<{match.lastgroup}>", text)
    return re.sub(r"[ \t]+", " ", named).strip()
