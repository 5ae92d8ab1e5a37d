"""Finds the mutable places of the modules, and draws mutants among them."""

import ast
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from tests.mutation.operators import NOT_BEHAVIOUR, Variant, drop, drop_guards, negate, variants
from tests.mutation.source import Edit, Source

MODULES = ("services", "repositories", "core/security", "core/database", "api")
"""Below `cms_service`: what decides who may do what."""
LEFT_OUT = re.compile(r"(/__init__\.py|/api/static/.*|/api/openapi\w*\.py)$")
"""Exports, and what makes the OpenAPI document."""
LOGGERS = {"log", "logger", "_log", "_logger"}
TYPE_DEFINITIONS = {"TypeVar", "ParamSpec", "NewType"}
STRUCT_FORM = {"frozen", "kw_only", "gc", "weakref", "eq", "order"}
"""Keywords of a class that say how it is written, not what it does."""


class Mutant(msgspec.Struct, frozen=True):
    """The service with one fault."""

    path: str
    """From the root of the repository."""
    scope: str
    """The class and the function around it, as in `UserService.deactivate_user`."""
    line: int
    operator: str
    detail: str
    place: tuple[int, int]
    """Offsets of the node that is changed. The same place may have several mutants."""
    lines: tuple[int, int]
    """First and last line of the statement around it."""
    function: tuple[int, int] | None
    """First and last line of the function around it; None where it is run when the module is imported."""
    edits: tuple[Edit, ...]

    @property
    def id(self) -> str:
        return f"{self.path}:{self.scope}:{self.operator}:{self.detail}"


def find_mutants(root: Path) -> list[Mutant]:
    """Return every mutant of the security-critical modules, in the order of the text."""
    paths = [path for module in MODULES for path in (root / "cms_service" / module).rglob("*.py")]
    names = sorted(path.relative_to(root).as_posix() for path in paths)
    return [
        mutant
        for name in names
        if not LEFT_OUT.search(name)
        for mutant in mutants_of(Source(name, (root / name).read_bytes()))
    ]


def mutants_of(source: Source) -> list[Mutant]:
    """Return every mutant of a module. No two have the same id."""
    found = sorted(_Finder(source).mutants(), key=lambda mutant: (mutant.place, mutant.id))
    times: Counter[str] = Counter()
    unique = []
    for mutant in found:
        times[mutant.id] += 1
        number = times[mutant.id]
        unique.append(mutant if number == 1 else msgspec.structs.replace(mutant, detail=f"{mutant.detail} #{number}"))
    return unique


def draw(mutants: Iterable[Mutant], seed: int) -> list[Mutant]:
    """Return one mutant of each place, in random order: a prefix of it is a sample in which all places are equal."""
    places: dict[tuple[str, tuple[int, int]], list[Mutant]] = {}
    for mutant in mutants:
        places.setdefault((mutant.path, mutant.place), []).append(mutant)
    chance = random.Random(seed)  # noqa: S311 - no secret
    keys = sorted(places)
    chance.shuffle(keys)
    return [chance.choice(sorted(places[key], key=lambda mutant: mutant.id)) for key in keys]


class _Scope(msgspec.Struct, frozen=True):
    """A class or a function, or a module."""

    name: str = ""
    function: tuple[int, int] | None = None

    def inner(self, definition: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> "_Scope":
        name = f"{self.name}.{definition.name}" if self.name else definition.name
        is_class = isinstance(definition, ast.ClassDef)
        return _Scope(name, self.function if is_class else _lines(definition))


class _Around(msgspec.Struct, frozen=True):
    """The context of a node."""

    scope: _Scope
    lines: tuple[int, int]


class _Finder:
    """Visits what is behaviour in a module."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def mutants(self) -> Iterator[Mutant]:
        yield from self._block(self._source.tree.body, _Scope())

    def _block(self, statements: Sequence[ast.stmt], scope: _Scope, *, early: bool = False) -> Iterator[Mutant]:
        """`early`: whether other statements of the function run after this block."""
        for statement in statements:
            yield from self._statement(statement, _Around(scope, _header(statement)), early=early)

    def _statement(self, statement: ast.stmt, around: _Around, *, early: bool) -> Iterator[Mutant]:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from self._function(statement, around)
            case ast.ClassDef(keywords=keywords, body=body):
                for keyword in keywords:
                    if keyword.arg not in STRUCT_FORM:
                        yield from self._expression(keyword.value, around)
                yield from self._block(body, around.scope.inner(statement))
            case ast.If(test=test) | ast.While(test=test):
                if not _is_about_types(test):
                    yield from self._condition(test, around)
                    yield from self._compound(statement, around, early=early)
            case ast.For() | ast.AsyncFor() | ast.With() | ast.AsyncWith() | ast.Try() | ast.TryStar() | ast.Match():
                yield from self._compound(statement, around, early=early)
            case ast.Expr(value=ast.Constant()) | ast.Import() | ast.ImportFrom() | ast.Assert():
                pass
            case _:
                yield from self._simple(statement, around, early=early)

    def _simple(self, statement: ast.stmt, around: _Around, *, early: bool) -> Iterator[Mutant]:
        """A statement without blocks."""
        match statement:
            case ast.Expr(value=value) if _is_logging(value):
                return
            case ast.Expr(value=ast.Call() | ast.Await()) | ast.Raise():
                yield from self._all(drop(self._source, statement), statement, around)
            case ast.Return() if early:
                yield from self._all(drop(self._source, statement), statement, around)
            case ast.Assign() | ast.AnnAssign():
                if statement.value is not None and not _defines_type(statement):
                    yield from self._expression(statement.value, around)
                return
            case ast.AugAssign(value=value):
                yield from self._all(variants(self._source, statement), statement, around)
                yield from self._expression(value, around)
                return
        yield from self._children(statement, around)

    def _function(self, function: ast.FunctionDef | ast.AsyncFunctionDef, around: _Around) -> Iterator[Mutant]:
        scope = around.scope.inner(function)
        # Defaults and decorators are run where the function is defined.
        outside = _Around(_Scope(scope.name, around.scope.function), around.lines)
        for default in (*function.args.defaults, *function.args.kw_defaults):
            if default is not None:
                yield from self._expression(default, outside)
        for decorator in function.decorator_list:
            yield from self._all(drop_guards(self._source, decorator), decorator, outside)
        if function.name != "__repr__":
            for statement in function.body:
                is_last = statement is function.body[-1]
                inside = _Around(scope, _header(statement))
                # A `return` in the last statement leaves nothing to run after it.
                yield from self._statement(statement, inside, early=not is_last)

    def _compound(self, statement: ast.stmt, around: _Around, *, early: bool) -> Iterator[Mutant]:
        """Yield the mutants of a statement that contains blocks, such as `for` or `try`."""
        is_loop = isinstance(statement, ast.For | ast.AsyncFor | ast.While)
        for field, value in ast.iter_fields(statement):
            if field == "test":
                continue
            for item in value if isinstance(value, list) else [value]:
                match item:
                    case ast.stmt():
                        inside = _Around(around.scope, _header(item))
                        yield from self._statement(item, inside, early=early or is_loop)
                    case ast.ExceptHandler(body=body):
                        inside = _Around(around.scope, (item.lineno, item.lineno))
                        yield from self._all(variants(self._source, item), item.type or item, inside)
                        yield from self._block(body, around.scope, early=early)
                    case ast.match_case(guard=guard, body=body):
                        if guard is not None:
                            yield from self._condition(guard, _Around(around.scope, _lines(guard)))
                        yield from self._block(body, around.scope, early=early)
                    case ast.withitem(context_expr=expression):
                        yield from self._expression(expression, around)
                    case ast.expr() if field != "target":
                        yield from self._expression(item, around)

    def _condition(self, test: ast.expr, around: _Around) -> Iterator[Mutant]:
        yield from self._all(negate(self._source, test), test, around)
        yield from self._expression(test, around)

    def _expression(self, node: ast.expr, around: _Around) -> Iterator[Mutant]:
        match node:
            case ast.JoinedStr():
                # Positions inside are not exact before Python 3.12.
                return
            case ast.Call() if _is_logging(node):
                return
            case ast.IfExp(test=test):
                yield from self._all(negate(self._source, test), test, around)
        yield from self._all(variants(self._source, node), node, around)
        yield from self._children(node, around)

    def _children(self, node: ast.AST, around: _Around) -> Iterator[Mutant]:
        for child in ast.iter_child_nodes(node):
            match child:
                case ast.keyword(arg=name, value=value):
                    if name in NOT_BEHAVIOUR:
                        continue
                    # `variants` of the call have flipped it.
                    if not (isinstance(value, ast.Constant) and isinstance(value.value, bool)):
                        yield from self._expression(value, around)
                case ast.comprehension(iter=iterable, ifs=tests):
                    yield from self._expression(iterable, around)
                    for test in tests:
                        yield from self._condition(test, around)
                case ast.expr():
                    yield from self._expression(child, around)

    def _all(self, found: Iterable[Variant], node: ast.AST, around: _Around) -> Iterator[Mutant]:
        assert isinstance(node, ast.expr | ast.stmt | ast.ExceptHandler)
        for variant in found:
            yield Mutant(
                self._source.path,
                around.scope.name,
                node.lineno,
                variant.operator,
                variant.detail,
                (self._source.start(node), self._source.end(node)),
                around.lines,
                around.scope.function,
                variant.edits,
            )


def _lines(node: ast.expr | ast.stmt) -> tuple[int, int]:
    return node.lineno, node.end_lineno or node.lineno


def _header(statement: ast.stmt) -> tuple[int, int]:
    """The lines of the statement without those of the blocks in it."""
    blocks = [block for block in (getattr(statement, "body", None), getattr(statement, "cases", None)) if block]
    if not blocks:
        return _lines(statement)
    first = blocks[0][0]
    begins = first.pattern.lineno if isinstance(first, ast.match_case) else first.lineno
    return statement.lineno, max(statement.lineno, begins - 1)


def _is_logging(node: ast.expr) -> bool:
    if isinstance(node, ast.Await):
        return False
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in LOGGERS
    )


def _defines_type(statement: ast.stmt) -> bool:
    match statement:
        case ast.AnnAssign(annotation=ast.Name(id="TypeAlias")):
            return True
        case ast.Assign(value=ast.Call(func=ast.Name(id=name))):
            return name in TYPE_DEFINITIONS
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name == "__all__"
        case _:
            return False


def _is_about_types(test: ast.expr) -> bool:
    """Whether the block is for the type checker, or for who runs the file as a program."""
    match test:
        case ast.Name(id="TYPE_CHECKING") | ast.Compare(left=ast.Name(id="__name__")):
            return True
        case _:
            return False
