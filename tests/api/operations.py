"""Every operation of the API, found from its own OpenAPI document: a new route is covered by the tests at once."""

import warnings
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import msgspec
from litestar.exceptions import LitestarDeprecationWarning

from cms_service.app import create_app
from tests.unit.settings import edge_settings

with warnings.catch_warnings():
    # Services are injected by the names that `api.dependencies` gives them; Litestar 3 will want them marked.
    warnings.simplefilter("ignore", LitestarDeprecationWarning)
    LITESTAR = create_app(edge_settings()).litestar
DOCUMENT: dict[str, Any] = LITESTAR.openapi_schema.to_schema()
SCHEMAS: dict[str, dict[str, Any]] = DOCUMENT["components"]["schemas"]


class Operation(msgspec.Struct, frozen=True):
    """A method on a path of the API."""

    id: str
    method: str
    path: str
    parameters: list[dict[str, Any]]
    body: dict[str, Any] | None
    """The schema of its body, if that is JSON."""
    form: dict[str, Any] | None
    """The schema of its body, if that is a form, as at the endpoints of OAuth."""
    takes_bearer: bool
    """Whether it asks for an access token, or at least looks at one."""

    def url(self, **ids: str) -> str:
        """Its path; ids that are not given are those of nothing."""
        return self.path.format(**{name: str(uuid4()) for name in self._path_parameters()} | ids)

    def parameters_in(self, place: str) -> list[dict[str, Any]]:
        return [parameter for parameter in self.parameters if parameter["in"] == place]

    def minimal_body(self) -> dict[str, Any] | None:
        """A valid body without anything that may be left out."""
        if self.body is None:
            return None
        return _minimal(self.body)

    def members(self) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
        """The way to each member of its body, with the schema; `0` is the first item of an array."""
        return _members(self.body or {}, ())

    def body_with(self, way: tuple[str, ...], value: Any) -> dict[str, Any]:
        """A minimal body with the value there: a member of the body, an item of one, or a member of an item."""
        body = self.minimal_body() or {}
        if len(way) == 1:
            return body | {way[0]: value}
        assert self.body is not None
        name, _, *member = way
        if not member:
            return body | {name: [value]}
        item = resolve(choices_of(self.body["properties"][name])[0]["items"])
        return body | {name: [_minimal(item) | {member[0]: value}]}

    @property
    def has_path_parameters(self) -> bool:
        return bool(self._path_parameters())

    def _path_parameters(self) -> list[str]:
        return [parameter["name"] for parameter in self.parameters_in("path")]

    def __str__(self) -> str:
        return self.id


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    """The component that the schema or parameter refers to, or itself."""
    if "$ref" not in node:
        return node
    kind, name = node["$ref"].rsplit("/", 2)[1:]
    component: dict[str, Any] = DOCUMENT["components"][kind][name]
    return component


def choices_of(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The schemas of which a value fits one."""
    return [resolve(choice) for choice in schema.get("anyOf", [schema])]


def _members(schema: dict[str, Any], way: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    for choice in choices_of(schema):
        if "properties" not in choice and "items" not in choice:
            yield way, choice
        for name, member in choice.get("properties", {}).items():
            yield from _members(member, (*way, name))
        if "items" in choice:
            yield from _members(choice["items"], (*way, "0"))


def _minimal(schema: dict[str, Any]) -> dict[str, Any]:
    return {name: _sample(schema["properties"][name]) for name in schema.get("required", [])}


def _sample(schema: dict[str, Any]) -> Any:
    if "$ref" in schema:
        return _minimal(resolve(schema))
    return [] if schema.get("type") == "array" else schema["examples"][0]


def _operations() -> list[Operation]:
    found = []
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            contents = operation.get("requestBody", {}).get("content", {})
            content, form = contents.get("application/json"), contents.get("application/x-www-form-urlencoded")
            found.append(
                Operation(
                    operation["operationId"],
                    method.upper(),
                    path,
                    [resolve(parameter) for parameter in operation.get("parameters", [])],
                    resolve(content["schema"]) if content else None,
                    resolve(form["schema"]) if form else None,
                    any("bearerAuth" in way for way in operation.get("security", DOCUMENT["security"])),
                )
            )
    return found


ALL_OPERATIONS = _operations()
OPERATIONS = [operation for operation in ALL_OPERATIONS if operation.path.startswith("/api/")]
WRITING = [operation for operation in OPERATIONS if operation.method != "GET"]
WITH_BODY = [operation for operation in OPERATIONS if operation.body is not None]
STRICT = [operation for operation in WITH_BODY if not operation.path.startswith("/api/v1/access/")]
"""All but those of AuthZEN, which wants unknown members ignored, and has tests of its own."""
