"""Finds the conditions in a text of SQL that can be dropped."""

import re
from collections.abc import Iterator

import msgspec

_TOKEN = re.compile(r"--[^\n]*|'(?:[^']|'')*'|\{[^{}]*\}|\w+|[(),;]|[^\s\w]")
_STATEMENT = re.compile(r"\b(SELECT|UPDATE|DELETE|INSERT)\b")
_ENDS = {"GROUP", "ORDER", "LIMIT", "OFFSET", "FOR", "RETURNING", "UNION", "HAVING", "WINDOW", ";"}
_JOINS = {"JOIN", "LEFT", "RIGHT", "INNER", "CROSS", "FULL", "WHERE", "ON"}
_OPENING = {"WHERE", "ON"}
_EXPRESSION_ENDS = {"AS", ","}


class Cut(msgspec.Struct, frozen=True):
    """A part of a text that can be removed."""

    start: int
    end: int


class _Part(msgspec.Struct):
    """A condition with the keyword before it."""

    keyword_start: int
    start: int = -1
    end: int = -1


class _Clause(msgspec.Struct):
    """The conditions behind a WHERE or an ON, or the operands of an AND elsewhere."""

    keyword: str
    parts: list[_Part]
    has_or: bool = False

    def cuts(self) -> Iterator[Cut]:
        if self.has_or or len(self.parts) == 1:
            if self.keyword != "ON":
                yield Cut(self.parts[0].keyword_start, self.parts[-1].end)
            return
        first, second = self.parts[:2]
        if self.keyword != "AND":
            yield Cut(first.start, second.start)
        for part in self.parts[1:] if self.keyword != "AND" else self.parts:
            yield Cut(part.keyword_start, part.end)


def is_sql(text: str) -> bool:
    return _STATEMENT.search(text) is not None


def conditions(text: str) -> list[Cut]:
    """Return the conditions that can be dropped and leave valid SQL."""
    scanner = _Scanner()
    for match in _TOKEN.finditer(text):
        if not match[0].startswith("--"):
            scanner.read(match)
    return sorted((cut for clause in scanner.end() for cut in clause.cuts()), key=lambda cut: (cut.start, cut.end))


class _Scanner:
    """Reads a text of SQL word by word."""

    def __init__(self) -> None:
        self._closed: list[_Clause] = []
        self._open: list[_Clause | None] = [None]
        """The clause that is being read, at each depth of brackets."""
        self._is_between = False

    def read(self, match: re.Match[str]) -> None:
        token, clause = match[0], self._open[-1]
        if token == "(":
            self._extend(match)
            self._open.append(None)
        elif token == ")":
            self._close()
            if len(self._open) > 1:
                self._open.pop()
            self._extend(match)
        elif token in _ENDS | _JOINS or (token in _EXPRESSION_ENDS and clause and clause.keyword == "AND"):
            self._close()
            if token in _OPENING:
                self._begin(match)
        elif token == "AND" and not self._is_between:
            if clause is None:
                self._begin(match)
            else:
                clause.parts.append(_Part(match.start()))
        else:
            self._is_between = token == "BETWEEN" or (self._is_between and token != "AND")
            if token == "OR" and clause:
                clause.has_or = True
            self._extend(match)

    def end(self) -> list[_Clause]:
        while self._open:
            self._close()
            self._open.pop()
        return self._closed

    def _begin(self, match: re.Match[str]) -> None:
        self._open[-1] = _Clause(match[0], [_Part(match.start())])

    def _extend(self, match: re.Match[str]) -> None:
        if (clause := self._open[-1]) is not None:
            part = clause.parts[-1]
            part.start = match.start() if part.start < 0 else part.start
            part.end = match.end()

    def _close(self) -> None:
        clause = self._open[-1]
        if clause is not None and all(part.end > 0 for part in clause.parts):
            self._closed.append(clause)
        self._open[-1] = None
