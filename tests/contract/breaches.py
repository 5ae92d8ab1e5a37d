"""For each of the project's rules of spectral.yaml, a change to the document that breaks it."""

from collections.abc import Callable
from typing import Any

Document = dict[str, Any]

_LIST_USERS = ("paths", "/api/v1/users", "get")
_CREATE_USER = ("paths", "/api/v1/users", "post")
_SCHEMAS = ("components", "schemas")


def _at(document: Document, *path: str | int) -> Any:
    node: Any = document
    for name in path:
        node = node[name]
    return node


def _parameter(document: Document, name: str) -> Document:
    parameters: list[Document] = _at(document, *_LIST_USERS, "parameters")
    return next(parameter for parameter in parameters if parameter.get("name") == name)


BREACHES: dict[str, Callable[[Document], object]] = {
    "operation-singular-tag": lambda d: _at(d, *_LIST_USERS)["tags"].append("roles"),
    "operation-id-is-lower-camel": lambda d: _at(d, *_LIST_USERS).update(operationId="list_users"),
    "component-is-pascal": lambda d: _at(d, *_SCHEMAS).update(user_page=_at(d, *_SCHEMAS, "User")),
    "component-is-described": lambda d: _at(d, *_SCHEMAS, "User").pop("description"),
    "member-is-described": lambda d: _at(d, *_SCHEMAS, "User", "properties", "email").pop("description"),
    "enum-value-is-identifier": lambda d: _at(d, *_SCHEMAS, "UserSort", "enum").append("by name"),
    "body-is-component": lambda d: _at(d, *_CREATE_USER, "requestBody", "content", "application/json").update(
        schema={"type": "object"}
    ),
    "body-has-example": lambda d: _at(d, *_CREATE_USER, "requestBody", "content", "application/json").pop("example"),
    "union-is-component": lambda d: _at(d, *_SCHEMAS, "User", "properties", "external_id")["anyOf"].append(
        {"type": "integer", "format": "int32"}
    ),
    "union-has-discriminator": lambda d: _at(d, *_SCHEMAS).update(
        Holder={"description": "Either.", "oneOf": [{"$ref": "#/components/schemas/User"}]}
    ),
    "request-refuses-unknown-members": lambda d: _at(d, *_SCHEMAS, "LoginRequest").pop("additionalProperties"),
    "request-text-is-bounded": lambda d: _at(d, *_SCHEMAS, "LoginRequest", "properties", "email").pop("maxLength"),
    "member-has-no-default": lambda d: _at(d, *_SCHEMAS, "UserCreate", "properties", "is_active").update(default=False),
    "default-is-never-null": lambda d: _parameter(d, "external_id")["schema"].update(default=None),
    "email-format-is-international": lambda d: _at(d, *_SCHEMAS, "User", "properties", "email").update(format="email"),
    "parameter-is-never-null": lambda d: _parameter(d, "q").update(schema={"type": ["string", "null"]}),
    "header-parameter-is-plain-text": lambda d: _at(d, *_LIST_USERS, "parameters").append(
        {"name": "X-Id", "in": "header", "description": "Its id.", "schema": {"type": "string", "format": "uuid"}}
    ),
    "number-parameter-has-both-bounds": lambda d: _parameter(d, "limit")["schema"].pop("maximum"),
    "integer-has-format": lambda d: _at(d, *_SCHEMAS, "User", "properties", "version").pop("format"),
    "pattern-escapes-with-x": lambda d: _at(d, *_SCHEMAS, "UserCreate", "properties", "email").update(
        pattern=r"^[^\u0000]*$"
    ),
    "refusals-are-documented": lambda d: _at(d, *_LIST_USERS, "responses").pop("503"),
    "refusal-is-problem": lambda d: _at(d, *_LIST_USERS, "responses").update(
        {"400": {"description": "Bad.", "content": {"text/plain": {"schema": {"$ref": "#/components/schemas/User"}}}}}
    ),
}
