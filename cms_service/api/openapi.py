"""The OpenAPI document: Litestar tells of routes, msgspec of Structs; what all routes share is added here."""

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import Enum
from importlib.metadata import version
from typing import Any

import msgspec
from litestar.config.app import AppConfig
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, License, OpenAPI, Schema, SecurityScheme, Server, Tag
from litestar.plugins import InitPlugin, OpenAPISchemaPlugin, ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute
from litestar.typing import FieldDefinition

from cms_service.api.authentication import OPTIONAL
from cms_service.api.client_authentication import BASIC
from cms_service.api.deprecation import SUNSET
from cms_service.api.on_behalf_of import PARAMETER, is_honoured
from cms_service.api.openapi_examples import SHOWN, example_of, fit_examples
from cms_service.api.openapi_nodes import (
    NULL,
    SCHEMAS,
    component_name,
    contents,
    drop_aids,
    hoisted,
    nodes,
    tell_defaults,
    tidy,
    without_null,
)
from cms_service.api.problems import (
    PROBLEM_MEDIA_TYPE,
    REPRESENTATIVES,
    STATUSES,
    documented,
    headers_of,
    model_of,
)
from cms_service.api.reference_page import ReferencePage, reference_router
from cms_service.api.served_document import ServedDocument
from cms_service.core.exceptions import (
    AuthenticationRequired,
    BodyTooLarge,
    InternalError,
    MalformedJson,
    NotFound,
    Overloaded,
    PermissionDenied,
    PreconditionFailed,
    PreconditionRequired,
    ServiceError,
    ServiceUnavailable,
    TokenExpired,
    TokenInvalid,
    UnsupportedContentEncoding,
    UnsupportedMediaType,
    ValidationFailed,
)
from cms_service.core.security import PUBLIC, requires
from cms_service.schemas import OAuthError, Problem, ValidationProblem

TAGS = [
    Tag("auth", "Registration, sign-in, and the tokens of a session."),
    Tag("oauth", "OAuth 2 for machines: tokens for keys, introspection and revocation."),
    Tag("users", "Accounts, and the roles, sessions and permissions of each."),
    Tag("roles", "Named sets of permissions, which users hold."),
    Tag("permissions", "Actions on kinds of resources, which roles grant."),
    Tag("service-accounts", "Identities of machines, and the roles and keys of each."),
    Tag("access", "Access decisions by the OpenID AuthZEN Authorization API 1.0, and the reasons for them."),
    Tag("audit", "The trail of changes and refusals."),
    Tag("discovery", "Keys and metadata, with which other services verify the tokens of this one."),
    Tag("health", "Probes for operators."),
]
_RESPONSES = "#/components/responses/"
_ON_BEHALF_OF = {"$ref": "#/components/parameters/OnBehalfOf"}
_SUCCESSES = {200: "The answer.", 201: "It is created.", 202: "It will be done.", 204: "It is done."}
_INSTANCES = {422: {"instance": "/api/v1/users"}, 429: {"instance": "/api/v1/auth/login"}}
"""Where the example of a problem is from, if it does not come from everywhere."""
_CAMEL_HUMP = re.compile(r"[A-Z]")


class ApiDocument(InitPlugin, OpenAPISchemaPlugin, ReceiveRoutePlugin):
    """Litestar plugin that publishes the finished document and its page under `/schema`."""

    def __init__(self) -> None:
        self._types: set[Any] = {Problem, ValidationProblem}
        self._handlers: dict[str, HTTPRouteHandler] = {}

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        app_config.openapi_config = _Config(
            finish=self._finish,
            title="cms-service",
            version=version("cms-service"),
            description="Accounts and access control for a content platform: who is calling, what may they do, and "
            "who changed that.\n\nHEAD works wherever GET does, and OPTIONS answers which methods a path has. "
            "Operations below `/api/` refuse query parameters that they do not describe; the others ignore them. A "
            "service account that acts for a user sends `X-On-Behalf-Of`, a parameter of every operation that looks at "
            "credentials.",
            license=License(name="MIT", identifier="MIT"),
            servers=[Server(url="/", description="The service that this document comes from.")],
            tags=TAGS,
            security=[{"bearerAuth": []}],
            components=Components(
                security_schemes={
                    "bearerAuth": SecurityScheme(
                        type="http",
                        scheme="bearer",
                        bearer_format="JWT",
                        description="The `access_token` of a sign-in or of a service account, or an API key.\n\n"
                        "A service account that acts for a user sends the access token of that user in the parameter "
                        "`X-On-Behalf-Of`, beside its own credential here: the request is then the user's, with the "
                        "user's permissions instead of its own, and audit events name both.",
                    ),
                    "clientBasic": SecurityScheme(
                        type="http",
                        scheme="basic",
                        description="The id of a service account and one of its API keys (RFC 6749 §2.3.1).",
                    ),
                }
            ),
            use_handler_docstrings=True,
            openapi_router=reference_router(),
            render_plugins=[ReferencePage(), ServedDocument()],
        )
        return app_config

    def receive_route(self, route: BaseRoute) -> None:
        if isinstance(route, HTTPRoute):
            self._handlers |= {str(handler.operation_id): handler for handler in route.route_handlers}

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        return not field_definition.is_union and field_definition.is_subclass_of((msgspec.Struct, Enum))

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Schema:
        """Leaves a place for the schema that msgspec will write."""
        self._types.add(field_definition.annotation)
        schema: Schema = schema_creator.create_component_schema(field_definition, required=[], property_fields={})
        return schema

    def _finish(self, document: dict[str, Any]) -> dict[str, Any]:
        """The document as clients get it: the same code makes the same document."""
        types = sorted(self._types, key=str)
        _, schemas = msgspec.json.schema_components(types, ref_template=f"{SCHEMAS}{{name}}")
        named = {component_name(name): schema for name, schema in schemas.items()}
        named |= dict(hoisted(schemas))
        tell_defaults(named)
        document["components"]["schemas"] = {name: named[name] | {"title": name} for name in sorted(named)}
        document["paths"] = dict(sorted(document["paths"].items()))
        for path, item in document["paths"].items():
            for operation in item.values():
                _finish_operation(operation, path, self._handlers[operation["operationId"]])
        used = {node["$ref"] for node in nodes(document["paths"]) if "$ref" in node}
        document["components"]["responses"] = {
            error.__name__: _response(status, document["components"]["schemas"])
            for status, error in sorted(REPRESENTATIVES.items())
            if _RESPONSES + error.__name__ in used
        }
        for node in nodes(document):
            tidy(node)
        for content in contents(document["paths"]):
            content["example"] = example_of(content["schema"], document["components"]["schemas"])
        for path, item in document["paths"].items():
            for method, operation in item.items():
                shown = self._handlers[operation["operationId"]].opt.get(SHOWN, {})
                fit_examples(method, path, operation, shown)
        for node in nodes(document["components"]["schemas"]):
            drop_aids(node)
        self._add_on_behalf_of(document)
        return document

    def _add_on_behalf_of(self, document: dict[str, Any]) -> None:
        """Declares the header where `Authentication` reads it, once for all operations."""
        document["components"]["parameters"] = {"OnBehalfOf": PARAMETER}
        for item in document["paths"].values():
            for operation in item.values():
                if is_honoured(self._handlers[operation["operationId"]].opt):
                    operation.setdefault("parameters", []).append(_ON_BEHALF_OF)


@dataclass
class _Config(OpenAPIConfig):
    finish: Callable[[dict[str, Any]], dict[str, Any]] = dict

    def to_openapi_schema(self) -> OpenAPI:
        unfinished = super().to_openapi_schema()
        document = _Document(**{item.name: getattr(unfinished, item.name) for item in fields(unfinished)})
        document.finish = self.finish
        return document


class _Document(OpenAPI):
    finish: Callable[[dict[str, Any]], dict[str, Any]]

    def to_schema(self) -> dict[str, Any]:
        return self.finish(super().to_schema())


def _finish_operation(operation: dict[str, Any], path: str, handler: HTTPRouteHandler) -> None:
    """Says what Litestar cannot: who may call, what is never null, and which errors may come."""
    operation["summary"] = handler.summary or _CAMEL_HUMP.sub(r" \g<0>", operation["operationId"]).capitalize()
    if handler.opt.get(BASIC):
        operation["security"] = [{"clientBasic": []}, {} if handler.opt.get(PUBLIC) else {"bearerAuth": []}]
    elif handler.opt.get(PUBLIC):
        operation["security"] = []
    elif handler.opt.get(OPTIONAL):
        operation["security"] = [{"bearerAuth": []}, {}]
    if sunset := handler.opt.get(SUNSET):
        operation["x-sunset"] = sunset
    for permission in [guard.permission for guard in handler.resolve_guards() if isinstance(guard, requires)]:
        operation["description"] += f"\n\nNeeds the permission `{permission}`."
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            parameter.setdefault("description", f"Id of the {parameter['name'].removesuffix('_id').replace('_', ' ')}.")
        parameter["schema"] = without_null(parameter["schema"])
        for name in ("allowEmptyValue", "allowReserved"):
            parameter.pop(name, None)
        parameter["schema"].pop("description", None)
    for content in operation.get("requestBody", {}).get("content", {}).values():
        operation["requestBody"]["required"] = NULL not in content["schema"].get("oneOf", [])
        content["schema"] = without_null(content["schema"])
    _finish_responses(operation["responses"], _refusals_of(operation, path, handler), handler)


def _refusals_of(operation: dict[str, Any], path: str, handler: HTTPRouteHandler) -> set[type[ServiceError]]:
    """The refusals that follow from the shape of an operation, so that no handler has to repeat them."""
    refusals: set[type[ServiceError]] = {ValidationFailed, InternalError, ServiceUnavailable, Overloaded}
    security = operation.get("security")
    if security is None or (security and {} not in security):
        refusals |= {AuthenticationRequired, TokenInvalid, TokenExpired}
    if not handler.opt.get(PUBLIC):
        # Whatever the guard: a user's credential comes with X-On-Behalf-Of, or a machine's where only users may.
        refusals.add(PermissionDenied)
    if "{" in path:
        refusals.add(NotFound)
    if "requestBody" in operation:
        refusals |= {MalformedJson, BodyTooLarge, UnsupportedContentEncoding, UnsupportedMediaType}
    if any(parameter["name"] == "If-Match" and parameter["required"] for parameter in operation.get("parameters", [])):
        refusals |= {PreconditionFailed, PreconditionRequired}
    # What has a handler of its own leaves as something else, which is documented where that is.
    return refusals - handler.resolve_exception_handlers().keys()


def _finish_responses(responses: dict[str, Any], refusals: set[type[ServiceError]], handler: HTTPRouteHandler) -> None:
    success = responses[str(handler.status_code)]
    success["description"] = handler.response_description or _SUCCESSES[handler.status_code]
    if all(content["schema"] == NULL for content in success.get("content", {}).values()):
        success.pop("content", None)
    success["headers"] = {
        name: header | {"required": True, "schema": {"type": "string"}}
        for name, header in sorted(success.get("headers", {}).items())
    }
    implied = documented(*(error for error in STATUSES if error in refusals))
    for status in sorted(implied.keys() | {int(status) for status in responses if status >= "400"}):
        told = responses.pop(str(status), {})
        if _is_of_another_form(told):
            responses[str(status)] = told
            continue
        meanings = [implied[status].description] if status in implied else []
        if PROBLEM_MEDIA_TYPE in told.get("content", {}):
            meanings.append(told["description"])
        reference = {"$ref": f"{_RESPONSES}{REPRESENTATIVES[status].__name__}"}
        description = " ".join(dict.fromkeys(meanings))
        # The shared response tells all codes of the status; say which of them this operation gives.
        if description != _meanings_of(status):
            reference["description"] = description
        responses[str(status)] = reference


def _is_of_another_form(response: dict[str, Any]) -> bool:
    """Whether a standard words the refusal, instead of a problem document."""
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    return bool(schema.get("$ref") == f"{SCHEMAS}{OAuthError.__name__}")


def _meanings_of(status: int) -> str:
    """Describe the codes of a status, as `documented` does."""
    return " ".join(f"`{error.code}`: {error.title}" for error, its_status in STATUSES.items() if its_status == status)


def _response(status: int, schemas: dict[str, Any]) -> dict[str, Any]:
    errors = [error for error, its_status in STATUSES.items() if its_status == status]
    schema = {"$ref": f"{SCHEMAS}{model_of(status).__name__}"}
    first = errors[0]()
    told = {
        "type": f"/problems/{first.code}",
        "title": first.title,
        "status": status,
        "detail": first.detail or first.title,
        **_INSTANCES.get(status, {}),
    }
    example = example_of(schema, schemas) | told | {"code": first.code}
    response = {
        "description": _meanings_of(status),
        "content": {PROBLEM_MEDIA_TYPE: {"schema": schema, "example": example}},
    }
    always = headers_of(first)
    sometimes = {name for error in errors for name in headers_of(error())}
    headers = {name: {"required": name in always, "schema": {"type": "string"}} for name in sorted(sometimes)}
    return response | ({"headers": headers} if headers else {})
