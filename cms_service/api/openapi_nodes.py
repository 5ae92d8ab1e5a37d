"""What is done to single schemas and parts of the OpenAPI document, wherever they stand."""

import json
import re
from collections.abc import Iterator
from typing import Any

SCHEMAS = "#/components/schemas/"
NULL = {"type": "null"}
_EXAMPLES = {"example", "examples"}
_GENERIC = re.compile(r"(\w+?)_(?:.*\.)?(\w+)_")
_WHOLE_NUMBER_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def component_name(name: str) -> str:
    """`User` for `UserRead`, `UserPage` for `Page[UserRead]`: clients need not know how we tell our Structs apart."""
    if generic := _GENERIC.fullmatch(name):
        return component_name(generic[2]) + generic[1]
    return name.removesuffix("Read")


def hoisted(schemas: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Members whose type has a title of its own: that becomes a component, and so gets one name in every SDK."""
    for schema in schemas.values():
        for member in list(nodes(schema.get("properties"))):
            title = member.get("title")
            if isinstance(title, str):
                yield title, member.copy()
                member.clear()
                member["$ref"] = SCHEMAS + title


def tell_defaults(schemas: dict[str, Any]) -> None:
    """Moves the defaults of members into their descriptions.

    A request need not hold such a member. openapi-typescript requires a member that has a default, and other generators
    send the default where the caller has not named the member.
    """
    for schema in schemas.values():
        for member in schema.get("properties", {}).values():
            default = member.pop("default", None)
            if default is not None:
                value = "empty" if default in ("", []) else f"`{json.dumps(default)}`"
                member["description"] += f" If absent: {value}."


def without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Parameters and bodies are absent, never null."""
    choices = [choice for choice in schema.get("oneOf", schema.get("allOf", [])) if choice != NULL]
    if len(choices) != 1:
        return schema
    rest = {
        key: value
        for key, value in schema.items()
        if key not in {"oneOf", "allOf"} and (key, value) != ("default", None)
    }
    return {**choices[0], **rest}


def contents(paths: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for node in nodes(paths):
        yield from node.get("content", {}).values()


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    """Every object of the document; examples are not its own."""
    if isinstance(node, dict):
        for name, child in node.items():
            if name not in _EXAMPLES:
                yield from nodes(child)
        yield node
    elif isinstance(node, list):
        for child in node:
            yield from nodes(child)


def drop_aids(node: dict[str, Any]) -> None:
    """Takes out what only served to put examples together: none at all, or another than that of the component."""
    if node.get("examples") == [] or "$ref" in node:
        node.pop("examples", None)


def tidy(node: dict[str, Any]) -> None:
    reference = node.get("$ref")
    if isinstance(reference, str) and reference.startswith(SCHEMAS):
        node["$ref"] = SCHEMAS + component_name(reference.removeprefix(SCHEMAS))
    if node.get("deprecated") is False:
        del node["deprecated"]
    if node.get("required") == [] or node.get("headers") == {}:
        node.pop("required", None)
        node.pop("headers", None)
    if node.get("type") == "integer":
        for bound in _WHOLE_NUMBER_BOUNDS:
            if bound in node:
                node[bound] = int(node[bound])
        node.setdefault("format", "int32" if node.get("maximum", 2**63) < 2**31 else "int64")
    if "enum" in node and "type" not in node:
        node["type"] = "string"
    if len(node.get("enum", ())) == 1:
        [node["const"]] = node.pop("enum")
