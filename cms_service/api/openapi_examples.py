"""Examples of bodies, put together from those of their members: so each is said once, where the member is declared.

What an operation answers otherwise follows from its method and its request, or is said in its `opt`.
"""

from collections.abc import Mapping
from typing import Any

SHOWN = "shown"
"""Key of `opt`: by status, the members that the example of an answer has otherwise than others of its kind."""

_NULL = {"type": "null"}
_JUST_MADE = {
    "version": 1,
    "roles": [],
    "external_id": None,
    "email_verified_at": None,
    "last_used_at": None,
    "revoked_at": None,
}
"""How everything begins, unless the request says otherwise."""
_SERVICE = {"type": "service", "id": "0190c8a2-5e90-7d1a-b3f7-04a8c6e2d915", "name": "publishing"}


def example_of(schema: Mapping[str, Any], components: Mapping[str, Mapping[str, Any]]) -> Any:
    """What fits the schema. It holds no nulls, which some generators of SDKs do not read.

    Raises:
        LookupError: neither the schema nor its type says an example.
    """
    match schema:
        case {"examples": [example, *_]} | {"const": example} | {"enum": [example, *_]}:
            return example
        case {"$ref": reference}:
            return example_of(components[reference.rpartition("/")[2]], components)
        case {"anyOf": choices}:
            return example_of(next(choice for choice in choices if choice != _NULL), components)
        case {"type": "object", "properties": members}:
            return {name: example_of(member, components) for name, member in members.items() if _is_shown(member)}
        case {"type": "array", "items": items}:
            return [example_of(items, components)]
        case {"type": "boolean"}:
            return True
    raise LookupError(f"Say an example of this in Meta(examples=[...]): {schema}")


def fit_examples(method: str, path: str, operation: Mapping[str, Any], shown: Mapping[int, Mapping[str, Any]]) -> None:
    """The examples of the answers are now such as this operation gives, and to this request.

    Only here there may be nulls: where the member has to be there, and nothing else would be true.
    """
    asked = _example_in(operation.get("requestBody", {}))
    is_in_parts = any(parameter["name"] == "cursor" for parameter in operation.get("parameters", []))
    for status, response in operation["responses"].items():
        example = _example_in(response)
        if status == "201":
            begun = _JUST_MADE | {"updated_at": example.get("created_at")}
            example.update({name: begun[name] for name in begun.keys() & example.keys() - asked.keys()})
        elif example.keys() == {"gains", "losses"}:
            example.update(_preview(method, example["gains"], example["losses"], is_of_service="service" in path))
        elif example.keys() == {"items", "next_cursor", "total"} and not is_in_parts:
            example.update(next_cursor=None, total=len(example["items"]))
        example.update(shown.get(int(status), {}))


def _preview(method: str, some: Mapping[str, Any], none: Mapping[str, Any], *, is_of_service: bool) -> dict[str, Any]:
    """What is put gives, what is deleted takes; a new role has nobody yet, and what it is called changes nothing."""
    if is_of_service:
        some = {**some, "items": [{**item, "subject": _SERVICE} for item in some["items"]]}
    return {"gains": some if method == "put" else none, "losses": some if method == "delete" else none}


def _example_in(body: Mapping[str, Any]) -> dict[str, Any]:
    return next((content["example"] for content in body.get("content", {}).values()), {})


def _is_shown(member: Mapping[str, Any]) -> bool:
    """`Meta(examples=[])` keeps a member out that would not be there together with the others."""
    return all(choice.get("examples") != [] for choice in [member, *member.get("anyOf", ())])
