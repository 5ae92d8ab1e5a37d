"""The text of a module, its syntax tree, and edits of the text."""

import ast
from collections.abc import Iterable
from typing import Protocol

import msgspec


class Positioned(Protocol):
    """A node of the syntax tree that has a position. Columns count bytes."""

    lineno: int
    col_offset: int
    end_lineno: int | None
    end_col_offset: int | None


class Edit(msgspec.Struct, frozen=True):
    """Replaces the bytes from `start` to `end` with `text`."""

    start: int
    end: int
    text: str


class Source:
    """A module. Offsets count bytes, as the syntax tree does."""

    def __init__(self, path: str, content: bytes) -> None:
        self.path = path
        self.content = content
        self.tree = ast.parse(content, path)
        self._line_starts = [0]
        for line in content.splitlines(keepends=True):
            self._line_starts.append(self._line_starts[-1] + len(line))

    def start(self, node: Positioned) -> int:
        return self._line_starts[node.lineno - 1] + node.col_offset

    def end(self, node: Positioned) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._line_starts[node.end_lineno - 1] + node.end_col_offset

    def text(self, start: int, end: int) -> str:
        return self.content[start:end].decode()

    def text_of(self, node: Positioned) -> str:
        return self.text(self.start(node), self.end(node))

    def apply(self, edits: Iterable[Edit]) -> bytes:
        """Return the content with the edits, which must not overlap."""
        content = self.content
        for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
            content = content[: edit.start] + edit.text.encode() + content[edit.end :]
        return content
