"""The header fields of a request, found by name."""

from litestar.types import Scope


def values_of(scope: Scope, name: bytes) -> list[bytes]:
    """Return the value of every field with this name in lower case, in the order of the request."""
    return [value for key, value in scope["headers"] if key == name]


def has_field(scope: Scope, name: bytes) -> bool:
    """Return whether the request has a field with this name in lower case."""
    return any(key == name for key, _ in scope["headers"])
