"""The faults: each operator yields the ways in which it can change one node."""

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from tests.mutation.source import Edit, Positioned, Source

COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}
OPPOSITES = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)
"""The comparisons whose swap is their negation."""
CONJUNCTIONS = {"and_", "or_"}
FILTERS = {"where", "filter", "having"}
EXTREMES = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "least": "greatest",
    "greatest": "least",
}
COMMUTATIVE = CONJUNCTIONS | FILTERS | {"options", "suppress", "documented", "gather", "union", *EXTREMES}
"""The order of their arguments changes nothing."""
BUILT_IN = {"isinstance", "issubclass", "getattr", "setattr", "hasattr", "cast"}
"""To swap their arguments is an error of types, which says nothing about the tests."""
NOT_BEHAVIOUR = {
    "auto_refresh",
    "description",
    "example",
    "examples",
    "operation_id",
    "stacklevel",
    "summary",
    "sync_to_thread",
    "tags",
    "title",
}
"""Keyword arguments that change what people read, or how fast an answer is."""
LONGEST_DETAIL = 70


class Variant(msgspec.Struct, frozen=True):
    """One way to change a node."""

    operator: str
    detail: str
    edits: tuple[Edit, ...]


def variants(source: Source, node: ast.AST) -> Iterator[Variant]:
    """Yield every change of an expression, of a handler of exceptions or of an augmented assignment."""
    for operator in _OPERATORS.get(type(node), ()):
        yield from operator(source, node)


def negate(source: Source, test: ast.expr) -> Iterator[Variant]:
    """The condition of an `if`, a `while`, a conditional expression or a comprehension is negated."""
    is_swapped = isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], OPPOSITES)
    is_dropped = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
    if not (is_swapped or is_dropped or isinstance(test, ast.Constant)):
        yield _replacement(source, "condition", test, f"not ({source.text_of(test)})")


def drop(source: Source, statement: ast.stmt) -> Iterator[Variant]:
    """The statement is dropped."""
    text = source.text_of(statement)
    edit = Edit(source.start(statement), source.end(statement), "pass" + "\n" * text.count("\n"))
    yield Variant("statement", f"drop {_short(text)}", (edit,))


def drop_guards(source: Source, decorator: ast.expr) -> Iterator[Variant]:
    """A guard of a route is dropped."""
    if not isinstance(decorator, ast.Call):
        return
    for keyword in decorator.keywords:
        if keyword.arg == "guards" and isinstance(keyword.value, ast.List):
            for guard in keyword.value.elts:
                rest = [source.text_of(other) for other in keyword.value.elts if other is not guard]
                variant = _replacement(source, "guard", keyword.value, f"[{', '.join(rest)}]")
                yield msgspec.structs.replace(variant, detail=f"drop {_short(source.text_of(guard))}")


def _comparison(source: Source, node: ast.Compare) -> Iterator[Variant]:
    operands = [node.left, *node.comparators]
    for (left, right), operator in zip(pairwise(operands), node.ops, strict=True):
        old, new = COMPARISONS[type(operator)]
        pattern = re.escape(old).replace(r"\ ", r"\s+")
        edit = _between(source, left, right, pattern, new)
        if edit is not None:
            yield Variant("comparison", _change(source, node, (edit,)), (edit,))


def _connective(source: Source, node: ast.BoolOp) -> Iterator[Variant]:
    old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
    edits = [_between(source, left, right, rf"\b{old}\b", new) for left, right in pairwise(node.values)]
    found = tuple(edit for edit in edits if edit is not None)
    if len(found) == len(edits):
        yield Variant("connective", _change(source, node, found), found)


def _operand(source: Source, node: ast.BoolOp) -> Iterator[Variant]:
    word = " and " if isinstance(node.op, ast.And) else " or "
    for dropped in node.values:
        rest = word.join(_operand_text(source, value) for value in node.values if value is not dropped)
        variant = _replacement(source, "operand", node, rest)
        yield msgspec.structs.replace(variant, detail=f"drop {_short(source.text_of(dropped))}")


def _negation(source: Source, node: ast.UnaryOp) -> Iterator[Variant]:
    if isinstance(node.op, ast.Not):
        yield _replacement(source, "negation", node, _operand_text(source, node.operand))


def _filter(source: Source, node: ast.Call) -> Iterator[Variant]:
    name = _name(node)
    is_method = isinstance(node.func, ast.Attribute) and name in FILTERS
    if not is_method and name not in CONJUNCTIONS:
        return
    if len(node.args) > 1:
        for index, argument in enumerate(node.args):
            if index + 1 < len(node.args):
                start, end = source.start(argument), source.start(node.args[index + 1])
            else:
                start, end = source.end(node.args[index - 1]), source.end(argument)
            edit = Edit(start, end, "\n" * source.text(start, end).count("\n"))
            yield Variant("where", f"drop {_short(source.text_of(argument))}", (edit,))
    if is_method:
        assert isinstance(node.func, ast.Attribute)
        start, end = source.end(node.func.value), source.end(node)
        dropped = source.text(start, end)
        # A backslash continues the line where no bracket does.
        edit = Edit(start, end, "\\\n" * dropped.count("\n"))
        yield Variant("where", f"drop {_short(dropped)}", (edit,))


def _texts(source: Source, node: ast.Call) -> Iterator[Variant]:
    """Two texts of a call change places, such as the action and the type of the target of an audit event."""
    for left, right in pairwise(arguments_of(node)):
        if _is_text(left) and _is_text(right):
            yield from _swapped(source, "texts", left, right)


def _arguments(source: Source, node: ast.Call) -> Iterator[Variant]:
    """Two arguments of the same sort change places. To swap others is an error of types, which mypy finds."""
    if _name(node) in COMMUTATIVE | BUILT_IN:
        return
    for left, right in pairwise(node.args):
        if _sort(left) is not None and _sort(left) == _sort(right):
            yield from _swapped(source, "arguments", left, right)


def _sort(node: ast.expr) -> str | None:
    """`user_id` and `data.role_id` are of one sort."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.rpartition("_")[2]
        case ast.Constant(value=int() | float()):
            return "number"
        case _:
            return None


def _extreme(source: Source, node: ast.Call) -> Iterator[Variant]:
    name = _name(node)
    is_sql_function = isinstance(node.func, ast.Attribute) and source.text_of(node.func.value) == "func"
    if name in EXTREMES and (isinstance(node.func, ast.Name) or is_sql_function):
        end = source.end(node.func)
        edit = Edit(end - len(name), end, EXTREMES[name])
        yield Variant("extreme", _change(source, node, (edit,)), (edit,))


def _suppressed(source: Source, node: ast.Call) -> Iterator[Variant]:
    if _name(node) == "suppress":
        yield from _narrowed(source, node.args)


def _keyword(source: Source, node: ast.Call) -> Iterator[Variant]:
    for keyword in node.keywords:
        if keyword.arg not in NOT_BEHAVIOUR and isinstance(keyword.value, ast.Constant):
            for variant in _boolean(source, keyword.value):
                yield Variant("keyword", f"{keyword.arg}={variant.detail}", variant.edits)


def _number(source: Source, node: ast.Constant) -> Iterator[Variant]:
    if isinstance(node.value, int | float) and not isinstance(node.value, bool):
        for changed in (node.value + 1, node.value - 1):
            yield _replacement(source, "number", node, repr(changed) if changed >= 0 else f"({changed!r})")


def _boolean(source: Source, node: ast.Constant) -> Iterator[Variant]:
    if isinstance(node.value, bool):
        yield _replacement(source, "boolean", node, repr(not node.value))


def _handler(source: Source, node: ast.ExceptHandler) -> Iterator[Variant]:
    if isinstance(node.type, ast.Tuple):
        yield from _narrowed(source, node.type.elts)
    elif node.type is not None:
        yield from _narrowed(source, [node.type])


def _narrowed(source: Source, caught: Sequence[ast.expr]) -> Iterator[Variant]:
    """One class of exceptions is not caught any more. `()` in its place catches nothing."""
    for exception in caught:
        variant = _replacement(source, "caught", exception, "()")
        yield msgspec.structs.replace(variant, detail=f"drop {_short(source.text_of(exception))}")


def _arithmetic(source: Source, node: ast.BinOp) -> Iterator[Variant]:
    if isinstance(node.op, ast.Add | ast.Sub) and not (_is_sequence(node.left) or _is_sequence(node.right)):
        old, new = (r"\+", "-") if isinstance(node.op, ast.Add) else ("-", "+")
        edit = _between(source, node.left, node.right, old, new)
        if edit is not None:
            yield Variant("arithmetic", _change(source, node, (edit,)), (edit,))


def _augmented(source: Source, node: ast.AugAssign) -> Iterator[Variant]:
    if isinstance(node.op, ast.Add | ast.Sub) and not _is_sequence(node.value):
        old, new = (r"\+=", "-=") if isinstance(node.op, ast.Add) else ("-=", "+=")
        edit = _between(source, node.target, node.value, old, new)
        if edit is not None:
            yield Variant("arithmetic", _change(source, node, (edit,)), (edit,))


def arguments_of(node: ast.Call) -> list[ast.expr]:
    """The arguments of a call that are behaviour, in the order of the text."""
    named = [keyword.value for keyword in node.keywords if keyword.arg not in NOT_BEHAVIOUR]
    return sorted([*node.args, *named], key=lambda node: (node.lineno, node.col_offset))


def _swapped(source: Source, operator: str, left: ast.expr, right: ast.expr) -> Iterator[Variant]:
    first, second = source.text_of(left), source.text_of(right)
    if first != second:
        edits = (
            Edit(source.start(left), source.end(left), second),
            Edit(source.start(right), source.end(right), first),
        )
        yield Variant(operator, f"swap {_short(first)} / {_short(second)}", edits)


def _replacement(source: Source, operator: str, node: Positioned, new: str) -> Variant:
    """The node becomes `new`, with as many lines as before."""
    old = source.text_of(node)
    padding = "\n" * max(0, old.count("\n") - new.count("\n"))
    edit = Edit(source.start(node), source.end(node), new + padding)
    return Variant(operator, f"{_short(old)} -> {_short(new)}", (edit,))


def _between(source: Source, left: ast.expr, right: ast.expr, pattern: str, new: str) -> Edit | None:
    """Replace what stands between two operands; None where a comment makes that uncertain."""
    start = source.end(left)
    text = source.text(start, source.start(right))
    match = re.search(pattern, text)
    if match is None or "#" in text:
        return None
    first = start + len(text[: match.start()].encode())
    return Edit(first, first + len(match[0].encode()), new)


def _operand_text(source: Source, node: ast.expr) -> str:
    """The text of an operand that can stand anywhere."""
    text = source.text_of(node)
    is_loose = isinstance(node, ast.BoolOp | ast.IfExp | ast.Lambda | ast.NamedExpr | ast.Await | ast.Yield)
    return f"({text})" if is_loose or "\n" in text else text


def _change(source: Source, node: Positioned, edits: Sequence[Edit]) -> str:
    """Return the text of the node before and after the edits, for the report."""
    start, old = source.start(node), source.text_of(node).encode()
    new = old
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        new = new[: edit.start - start] + edit.text.encode() + new[edit.end - start :]
    return f"{_short(old.decode())} -> {_short(new.decode())}"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_DETAIL else f"{text[: LONGEST_DETAIL - 3]}..."


def _name(node: ast.Call) -> str:
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_sequence(node: ast.expr) -> bool:
    """Whether `-` in place of `+` would be an error of types."""
    if isinstance(node, ast.BinOp):
        return _is_sequence(node.left) or _is_sequence(node.right)
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    return is_text or isinstance(node, ast.JoinedStr | ast.List | ast.Tuple)


_OPERATORS: dict[type[ast.AST], tuple[Callable[[Source, Any], Iterator[Variant]], ...]] = {
    ast.AugAssign: (_augmented,),
    ast.BinOp: (_arithmetic,),
    ast.BoolOp: (_connective, _operand),
    ast.Call: (_filter, _texts, _arguments, _extreme, _suppressed, _keyword),
    ast.Compare: (_comparison,),
    ast.Constant: (_number, _boolean),
    ast.ExceptHandler: (_handler,),
    ast.UnaryOp: (_negation,),
}
