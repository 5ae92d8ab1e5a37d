"""Reads JSON as RFC 8259 and RFC 7493 mean it: what parsers disagree about is refused."""

import json
import math
from typing import Any, NoReturn

from cms_service.core.exceptions import MalformedJson

DEEPEST_NESTING = 32
LARGEST_EXACT = 2**53
"""Up to here a float is exactly the whole number that was written."""


def parse_json(body: bytes) -> Any:
    """The value that the body holds.

    MalformedJson: not UTF-8, not JSON, a member given twice, nested deeper than 32 levels, a number that is not finite
    or has thousands of digits, or half of a surrogate pair.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise MalformedJson("The body is not UTF-8.") from None
    try:
        value = _DECODER.decode(text)
        if text.count("[") + text.count("{") > DEEPEST_NESTING and _is_too_deep(value):
            raise RecursionError
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise MalformedJson(f"The body is not JSON (line {error.lineno}, column {error.colno}).") from None
    except UnicodeEncodeError:
        raise MalformedJson("A string holds half of a surrogate pair.") from None
    except ValueError:
        raise MalformedJson("A number has too many digits.") from None
    except RecursionError:
        raise MalformedJson(f"The body is nested deeper than {DEEPEST_NESTING} levels.") from None
    return value


def _is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST_NESTING):
        level = [
            item
            for outer in level
            if isinstance(outer, dict | list)
            for item in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return any(isinstance(value, dict | list) for value in level)


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(members)
    if len(value) != len(members):
        raise MalformedJson("An object has two members of the same name.")
    return value


def _number(digits: str) -> float:
    """JSON has one kind of numbers: 5.0 and 5 are the same one (RFC 8259 §6)."""
    number = float(digits)
    if not math.isfinite(number):
        raise MalformedJson("A number is too large.")
    return int(number) if number.is_integer() and abs(number) <= LARGEST_EXACT else number


def _no_constant(name: str) -> NoReturn:
    raise MalformedJson(f"{name} is not a JSON number.")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_number, parse_constant=_no_constant)
