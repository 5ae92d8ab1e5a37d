"""Which functions can notice what a module does when it is imported: those that use the names that it binds."""

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec


class Body(msgspec.Struct, frozen=True):
    """The body of a function."""

    path: str
    first_line: int
    last_line: int


class _Binding(msgspec.Struct, frozen=True):
    """A statement that runs at import."""

    path: str
    lines: tuple[int, int]
    binds: frozenset[str]
    uses: frozenset[str]


class NameIndex:
    """The names of all modules of `cms_service`. Equal names are taken for the same, which finds too much at worst."""

    def __init__(self, root: Path) -> None:
        self._bodies: list[tuple[Body, frozenset[str]]] = []
        self._bindings: list[_Binding] = []
        for file in sorted((root / "cms_service").rglob("*.py")):
            path = file.relative_to(root).as_posix()
            self._add(path, ast.parse(file.read_bytes()).body)

    def readers(self, path: str, line: int) -> list[Body]:
        """Return the functions that use, over whatever steps, what the statement at the line binds."""
        around = [
            binding
            for binding in self._bindings
            if binding.path == path and binding.lines[0] <= line <= binding.lines[1]
        ]
        if not around:
            return []
        names = set(min(around, key=lambda binding: binding.lines[1] - binding.lines[0]).binds)
        while more := {
            name for binding in self._bindings if binding.uses & names for name in binding.binds if name not in names
        }:
            names |= more
        return [body for body, uses in self._bodies if uses & names]

    def _add(self, path: str, statements: Sequence[ast.stmt]) -> None:
        for statement in statements:
            lines = (statement.lineno, statement.end_lineno or statement.lineno)
            match statement:
                case ast.Import() | ast.ImportFrom():
                    continue
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    body = Body(path, statement.body[0].lineno, lines[1])
                    uses = frozenset(_names(statement))
                    self._bodies.append((body, uses))
                    outside = [statement.args, *statement.decorator_list]
                    used = frozenset(name for node in outside for name in _names(node))
                    header = (lines[0], max(lines[0], body.first_line - 1))
                    self._bindings.append(_Binding(path, header, frozenset({name}), used))
                case ast.ClassDef(name=name):
                    uses = frozenset(used for base in (*statement.bases, *statement.keywords) for used in _names(base))
                    header = (lines[0], max(lines[0], statement.body[0].lineno - 1))
                    self._bindings.append(_Binding(path, header, frozenset({name}), uses))
                    self._add(path, statement.body)
                case _:
                    self._bindings.append(
                        _Binding(path, lines, frozenset(_bound(statement)), frozenset(_names(statement)))
                    )


def _names(node: ast.AST) -> Iterator[str]:
    for child in ast.walk(node):
        match child:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                yield name


def _bound(statement: ast.stmt) -> Iterator[str]:
    for child in ast.walk(statement):
        match child:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
