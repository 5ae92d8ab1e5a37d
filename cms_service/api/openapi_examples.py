"""Examples of bodies, put together from those of their members: so each is said once, where the member is declared."""

from collections.abc import Mapping
from typing import Any

_NULL = {"type": "null"}


def example_of(schema: Mapping[str, Any], components: Mapping[str, Mapping[str, Any]]) -> Any:
    """What fits the schema. It holds no nulls, which some generators of SDKs do not read.

    Raises:
        LookupError: neither the schema nor its type says an example.
    """
    match schema:
        case {"$ref": reference}:
            return example_of(components[reference.rpartition("/")[2]], components)
        case {"anyOf": choices}:
            return example_of(next(choice for choice in choices if choice != _NULL), components)
        case {"examples": [example, *_]} | {"const": example} | {"enum": [example, *_]}:
            return example
        case {"type": "object", "properties": members}:
            return {name: example_of(member, components) for name, member in members.items() if _is_shown(member)}
        case {"type": "array", "items": items}:
            return [example_of(items, components)]
        case {"type": "boolean"}:
            return True
    raise LookupError(f"Say an example of this in Meta(examples=[...]): {schema}")


def _is_shown(member: Mapping[str, Any]) -> bool:
    """`Meta(examples=[])` keeps a member out that would not be there together with the others."""
    return all(choice.get("examples") != [] for choice in member.get("anyOf", [member]))
