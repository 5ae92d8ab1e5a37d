"""Says everything that is wrong with a value, where msgspec names the first fault and stops."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import inspect as types

from cms_service.api.instants import fault_of_instant
from cms_service.core.exceptions import Violation
from cms_service.schemas import CHECK, IS_UNREAD, RULE

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_LONGEST_REPEATED_NAME = 64


def violations_of(value: Any, expected: types.Type, pointer: str) -> Iterator[Violation]:
    """Every way in which a value, as JSON knows it, is not what is expected."""
    check = _CHECKS.get(type(expected))
    return check(value, expected, pointer) if check else iter(())


def may_be_read_laxly(expected: types.Type) -> bool:
    """Whether msgspec accepts what we refuse, so that success of its conversion is not enough.

    It takes UUIDs without hyphens, instants without offset or that leave year 1..9999 in UTC, integers of any size, and
    text of which it knows only the pattern.
    """
    match expected:
        case types.StructType(fields=fields):
            return any(may_be_read_laxly(field.type) for field in fields)
        case types.UnionType(types=members):
            return any(may_be_read_laxly(member) for member in members)
        case types.CollectionType(item_type=item):
            return may_be_read_laxly(item)
        case types.Metadata(type=inner, extra=extra):
            return IS_UNREAD not in (extra or {}) and (RULE in (extra or {}) or may_be_read_laxly(inner))
        case types.IntType(ge=lowest, le=highest):
            return lowest is None or highest is None
        case _:
            return isinstance(expected, types.UUIDType | types.DateTimeType | types.DictType | types.AnyType)


def quoted(name: str) -> str:
    """A name as a segment of a pointer (RFC 6901 §3), cut when it is absurdly long."""
    return name[:_LONGEST_REPEATED_NAME].replace("~", "~0").replace("/", "~1")


def _struct(value: Any, expected: types.StructType, pointer: str) -> Iterator[Violation]:
    if not isinstance(value, dict):
        yield Violation(pointer, "wrong_type", "An object is expected.")
        return
    for field in expected.fields:
        name = field.encode_name
        if name in value:
            yield from violations_of(value[name], field.type, f"{pointer}/{quoted(name)}")
        elif field.required:
            yield Violation(f"{pointer}/{quoted(name)}", "missing", "This member is required.")
    if expected.forbid_unknown_fields:
        known = {field.encode_name for field in expected.fields} | {expected.tag_field}
        for name in value:
            if name not in known:
                yield Violation(f"{pointer}/{quoted(name)}", "unknown_member", "There is no member of this name.")


def _union(value: Any, expected: types.UnionType, pointer: str) -> Iterator[Violation]:
    if value is None and expected.includes_none:
        return
    members = [member for member in expected.types if not isinstance(member, types.NoneType)]
    yield from min((list(violations_of(value, member, pointer)) for member in members), key=len)


def _collection(value: Any, expected: types.CollectionType, pointer: str) -> Iterator[Violation]:
    if not isinstance(value, list):
        yield Violation(pointer, "wrong_type", "An array is expected.")
        return
    yield from _length(len(value), expected.min_length, expected.max_length, "items", pointer)
    for index, item in enumerate(value):
        yield from violations_of(item, expected.item_type, f"{pointer}/{index}")


def _inner(value: Any, expected: types.Metadata, pointer: str) -> Iterator[Violation]:
    found = list(violations_of(value, expected.type, pointer))
    extra = expected.extra or {}
    if RULE in extra and isinstance(value, str):
        found = [violation for violation in found if violation.code not in {"pattern", "control_character"}]
        found += extra[RULE](value, pointer)
    yield from found or (extra[CHECK](value, pointer) if CHECK in extra else [])


def _dictionary(value: Any, expected: types.DictType, pointer: str) -> Iterator[Violation]:
    if not isinstance(value, dict):
        yield Violation(pointer, "wrong_type", "An object is expected.")
        return
    yield from _length(len(value), expected.min_length, expected.max_length, "members", pointer)
    for name, item in value.items():
        yield from violations_of(name, expected.key_type, f"{pointer}/{quoted(name)}")
        yield from violations_of(item, expected.value_type, f"{pointer}/{quoted(name)}")


def _anything(value: Any, _expected: types.AnyType, pointer: str) -> Iterator[Violation]:
    match value:
        case str():
            yield from _string(value, types.StrType(), pointer)
        case int() | float() if not isinstance(value, bool):
            yield from _number(value, types.FloatType() if isinstance(value, float) else types.IntType(), pointer)
        case list():
            yield from _collection(value, types.ListType(types.AnyType()), pointer)
        case dict():
            yield from _dictionary(value, types.DictType(types.StrType(), types.AnyType()), pointer)


def _string(value: Any, expected: types.StrType, pointer: str) -> Iterator[Violation]:
    if not isinstance(value, str):
        yield Violation(pointer, "wrong_type", "A string is expected.")
        return
    yield from _length(len(value), expected.min_length, expected.max_length, "characters", pointer)
    if "\x00" in value:
        yield Violation(pointer, "control_character", "The character NUL is not allowed.")
    elif expected.pattern is not None and not re.search(_exact(expected.pattern), value):
        yield Violation(pointer, "pattern", f"It does not match the pattern {expected.pattern}")


def _exact(pattern: str) -> str:
    """The pattern as JSON Schema means it (ECMA 262): `$` is the very end, where Python lets a line break follow."""
    return pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern


def _number(value: Any, expected: types.IntType | types.FloatType, pointer: str) -> Iterator[Violation]:
    whole = isinstance(expected, types.IntType)
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        yield Violation(pointer, "wrong_type", "A whole number is expected." if whole else "A number is expected.")
        return
    lowest = expected.ge if expected.ge is not None else -(2**63) if whole else None
    highest = expected.le if expected.le is not None else 2**63 - 1 if whole else None
    if (
        (lowest is not None and value < lowest)
        or (highest is not None and value > highest)
        or (expected.gt is not None and value <= expected.gt)
        or (expected.lt is not None and value >= expected.lt)
    ):
        yield Violation(pointer, "out_of_range", f"It must lie between {lowest} and {highest}.")


def _boolean(value: Any, _expected: types.BoolType, pointer: str) -> Iterator[Violation]:
    if not isinstance(value, bool):
        yield Violation(pointer, "wrong_type", "Either true or false is expected.")


def _null(value: Any, _expected: types.NoneType, pointer: str) -> Iterator[Violation]:
    if value is not None:
        yield Violation(pointer, "wrong_type", "Null is expected.")


def _uuid(value: Any, _expected: types.UUIDType, pointer: str) -> Iterator[Violation]:
    if not (isinstance(value, str) and _UUID.fullmatch(value)):
        yield Violation(pointer, "not_a_uuid", "A UUID is expected, written with hyphens.")


def _instant(value: Any, _expected: types.DateTimeType, pointer: str) -> Iterator[Violation]:
    if fault := fault_of_instant(value if isinstance(value, str) else ""):
        yield Violation(pointer, *fault)


def _one_of(value: Any, expected: types.EnumType | types.LiteralType, pointer: str) -> Iterator[Violation]:
    choices = expected.values if isinstance(expected, types.LiteralType) else [item.value for item in expected.cls]
    if not any(value == choice and type(value) is type(choice) for choice in choices):
        yield Violation(pointer, "not_in_enum", f"One of these is expected: {', '.join(map(str, choices))}.")


def _length(length: int, shortest: int | None, longest: int | None, unit: str, pointer: str) -> Iterator[Violation]:
    if shortest is not None and length < shortest:
        detail = "It is empty." if shortest == 1 else f"At least {shortest} {unit} are needed."
        yield Violation(pointer, "too_short", detail)
    if longest is not None and length > longest:
        yield Violation(pointer, "too_long", f"At most {longest} {unit} are allowed.")


_CHECKS: dict[type[types.Type], Callable[[Any, Any, str], Iterator[Violation]]] = {
    types.AnyType: _anything,
    types.BoolType: _boolean,
    types.DateTimeType: _instant,
    types.DictType: _dictionary,
    types.EnumType: _one_of,
    types.FloatType: _number,
    types.FrozenSetType: _collection,
    types.IntType: _number,
    types.ListType: _collection,
    types.LiteralType: _one_of,
    types.Metadata: _inner,
    types.NoneType: _null,
    types.SetType: _collection,
    types.StrType: _string,
    types.StructType: _struct,
    types.UUIDType: _uuid,
    types.UnionType: _union,
    types.VarTupleType: _collection,
}
