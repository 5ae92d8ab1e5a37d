from pathlib import Path

import pytest

from tests.mutation.mutants import Mutant, find_mutants, mutants_of
from tests.mutation.source import Source

ROOT = Path(__file__).parents[2]


def mutants(text: str) -> list[Mutant]:
    return mutants_of(Source("module.py", text.encode()))


def changed(text: str, operator: str) -> list[str]:
    """The text after each change by the operator."""
    source = Source("module.py", text.encode())
    return [source.apply(mutant.edits).decode() for mutant in mutants_of(source) if mutant.operator == operator]


@pytest.mark.parametrize(
    ("operator", "text", "expected"),
    [
        ("comparison", "x = a == b", ["x = a != b"]),
        ("comparison", "x = a < b <= c", ["x = a <= b <= c", "x = a < b < c"]),
        ("comparison", "x = a > b", ["x = a >= b"]),
        ("comparison", "x = a is not None", ["x = a is None"]),
        ("comparison", "x = (a) not  in (b)", ["x = (a) in (b)"]),
        ("connective", "x = a and b and c", ["x = a or b or c"]),
        ("operand", "x = a or b or c", ["x = a or b", "x = a or c", "x = b or c"]),
        ("operand", "x = (a or b) and c", ["x = (a or b)", "x = c", "x = (a) and c", "x = (b) and c"]),
        ("negation", "x = not (a or b)", ["x = (a or b)"]),
        ("condition", "if a and b:\n    pass", ["if not (a and b):\n    pass"]),
        ("condition", "while a > b:\n    pass", ["while not (a > b):\n    pass"]),
        ("condition", "x = a if b else c", ["x = a if not (b) else c"]),
        ("condition", "x = [a for a in b if a.c]", ["x = [a for a in b if not (a.c)]"]),
        ("condition", "match a:\n    case b if c:\n        pass", ["match a:\n    case b if not (c):\n        pass"]),
        ("where", "x = s.where(a)", ["x = s"]),
        ("where", "x = s.where(a, *b)", ["x = s", "x = s.where(*b)", "x = s.where(a)"]),
        ("where", "x = and_(a, b)", ["x = and_(b)", "x = and_(a)"]),
        ("statement", "await a.b()", ["pass"]),
        ("statement", "def f():\n    raise A from b", ["def f():\n    pass"]),
        ("statement", "def f():\n  if a:\n    return 1\n  return 2", ["def f():\n  if a:\n    pass\n  return 2"]),
        ("statement", "def f():\n    a(\n        b,\n    )", ["def f():\n    pass\n\n"]),
        ("number", "x = 5", ["x = 4", "x = 6"]),
        ("number", "x = 0", ["x = (-1)", "x = 1"]),
        ("number", "x = 0.5", ["x = (-0.5)", "x = 1.5"]),
        ("texts", 'f("a", b, c="d")', []),
        ("texts", 'f("a", c="d")', ['f("d", c="a")']),
        ("boolean", "x = [True]", ["x = [False]"]),
        ("keyword", "f(a=False)", ["f(a=True)"]),
        ("arguments", "f(a_id, b.c_id, x, *c)", ["f(b.c_id, a_id, x, *c)"]),
        ("arguments", "f(user, role_id, 1, 2)", ["f(user, role_id, 2, 1)"]),
        ("guard", "@get(guards=[a])\ndef f(): ...", ["@get(guards=[])\ndef f(): ..."]),
        ("guard", "@get(guards=[a, b(1)])\ndef f(): ...", [
            "@get(guards=[b(1)])\ndef f(): ...", "@get(guards=[a])\ndef f(): ...",
        ]),
        ("caught", "try: a\nexcept (B, C): b", ["try: a\nexcept ((), C): b", "try: a\nexcept (B, ()): b"]),
        ("caught", "try: a\nexcept B: b", ["try: a\nexcept (): b"]),
        ("caught", "with suppress(A):\n    pass", ["with suppress(()):\n    pass"]),
        ("extreme", "x = min(a)", ["x = max(a)"]),
        ("extreme", "x = any(a)", ["x = all(a)"]),
        ("extreme", "x = func.greatest(a)", ["x = func.least(a)"]),
        ("arithmetic", "x = a + b", ["x = a - b"]),
        ("arithmetic", "x -= a", ["x += a"]),
    ],
)  # fmt: skip
def test_operator_makes_exactly_these_changes(operator: str, text: str, expected: list[str]) -> None:
    assert sorted(changed(text, operator)) == sorted(expected)


@pytest.mark.parametrize(
    "text",
    [
        '"""Not 1 but 2, and not True."""',
        'class A:\n    """1 == 2"""\n    a: Literal[1]\n    """3"""',
        "def f(a: Annotated[int, Meta(ge=1)]) -> Literal[2]: ...",
        "@decorated(1, True)\ndef f(): ...",
        "X: TypeAlias = Callable[[1], 2]",
        'T = TypeVar("T", "a", "b")',
        'class A:\n    def __repr__(self):\n        return f(1, "a", "b")',
        'logger.warning("a", "b", a == b)',
        "from a import b",
        "if TYPE_CHECKING:\n    f(1)",
        "class A(B, frozen=True, kw_only=True): ...",
        'x = A(description="a", examples=[1, 2])',
        "assert a is not None",
        '__all__ = ["a", "b"]',
    ],
)
def test_what_is_no_behaviour_has_no_mutants(text: str) -> None:
    assert [mutant.id for mutant in mutants(text) if mutant.detail != "drop x"] == []


@pytest.mark.parametrize("text", ['x = a + "b"', "def f():\n    return 1 if a == b else 2", "x = and_(a)"])
def test_change_that_would_be_an_error_of_types_or_nothing_is_not_made(text: str) -> None:
    assert {mutant.operator for mutant in mutants(text)} & {"arithmetic", "condition", "statement", "where"} == set()


def test_lines_elsewhere_stay_when_a_change_takes_lines_away() -> None:
    text = "x = (\n s.where(\n  a,\n  b,\n )\n .where(c or\n d)\n)\ny = select(a).where(\n b\n).c\n"
    found = mutants(text)

    for mutant in found:
        content = Source("module.py", text.encode()).apply(mutant.edits)
        Source("module.py", content)
        assert content.count(b"\n") == text.count("\n"), mutant.id
    assert len(found) > 5


def test_statement_in_a_function_is_told_from_one_that_runs_at_import() -> None:
    found = mutants("A = 1\ndef f(b=2):\n    return (\n        3\n    )\n")

    assert {(mutant.scope, mutant.line, mutant.function, mutant.lines) for mutant in found} == {
        ("", 1, None, (1, 1)),
        ("f", 2, None, (2, 2)),
        ("f", 4, (2, 5), (3, 5)),
    }


def test_every_test_tries_a_dropped_guard() -> None:
    found = mutants("class A:\n @get(guards=[a])\n def f(self):\n  x()\n")

    assert {(each.scope, each.function) for each in found if each.operator == "guard"} == {("A.f", None)}


def test_every_mutant_of_the_service_has_an_id_of_its_own_and_changes_the_module() -> None:
    found = find_mutants(ROOT)
    sources = {path: Source(path, (ROOT / path).read_bytes()) for path in {mutant.path for mutant in found}}

    assert len({mutant.id for mutant in found}) == len(found)
    assert not any("\n" in mutant.id for mutant in found)
    assert all(sources[mutant.path].apply(mutant.edits) != sources[mutant.path].content for mutant in found)
    assert not any(path.startswith("cms_service/api/openapi") or path.endswith("__init__.py") for path in sources)
