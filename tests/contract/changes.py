"""A small document, and changes to it: such as break clients, and such as do not."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

Document = dict[str, Any]
Change = Callable[[Document], object]

_DOCUMENT: Document = {
    "openapi": "3.1.0",
    "info": {"title": "Things", "version": "1.0.0"},
    "tags": [{"name": "things", "description": "Things."}],
    "security": [{"bearerAuth": []}, {"basicAuth": []}],
    "paths": {
        "/things/{thing_id}": {
            "patch": {
                "operationId": "updateThing",
                "tags": ["things"],
                "parameters": [
                    {"name": "thing_id", "in": "path", "required": True, "schema": {"type": "string"}},
                    {"name": "limit", "in": "query", "required": False, "schema": {"type": "integer", "maximum": 100}},
                    {"name": "sort", "in": "query", "required": False, "schema": {"$ref": "#/components/schemas/Sort"}},
                    {"$ref": "#/components/parameters/Language"},
                ],
                "requestBody": {
                    "required": False,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ThingUpdate"}}},
                },
                "responses": {
                    "200": {
                        "description": "The thing.",
                        "headers": {"ETag": {"required": True, "schema": {"type": "string"}}},
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}},
                    },
                    "202": {"description": "It will be done."},
                    "404": {"$ref": "#/components/responses/NotFound"},
                },
            },
            "get": {
                "operationId": "getThing",
                "tags": ["things"],
                "security": [],
                "responses": {
                    "200": {
                        "description": "The thing.",
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}},
                    }
                },
            },
        },
        "/olds": {
            "get": {
                "operationId": "listOlds",
                "tags": ["things"],
                "deprecated": True,
                "x-sunset": "2026-01-01",
                "responses": {
                    "200": {
                        "description": "Old things.",
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Old"}}},
                    }
                },
            },
            "post": {
                "operationId": "createOld",
                "tags": ["things"],
                "deprecated": True,
                "x-sunset": "9999-01-01",
                "responses": {"204": {"description": "It is done."}},
            },
        },
    },
    "components": {
        "parameters": {
            "Language": {"name": "Accept-Lang", "in": "header", "required": False, "schema": {"type": "string"}}
        },
        "responses": {
            "NotFound": {
                "description": "`not_found`: There is no such thing.",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }
        },
        "schemas": {
            "Problem": {"type": "object", "required": ["code"], "properties": {"code": {"type": "string"}}},
            "Sort": {"type": "string", "enum": ["name", "name_desc"]},
            "State": {"type": "string", "enum": ["open", "closed"]},
            "Part": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
            "Other": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
            "Old": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
            "Content": {"oneOf": [{"$ref": "#/components/schemas/Part"}, {"$ref": "#/components/schemas/Other"}]},
            "Owner": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
            "Thing": {
                "type": "object",
                "required": ["id", "owner", "name", "size", "note", "state", "content", "parts"],
                "properties": {
                    "id": {"type": "string", "format": "uuid"},
                    "owner": {"$ref": "#/components/schemas/Owner", "description": "Whose it is."},
                    "name": {"type": "string"},
                    "size": {"type": "integer", "format": "int32"},
                    "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                    "state": {"$ref": "#/components/schemas/State"},
                    "content": {"$ref": "#/components/schemas/Content"},
                    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Part"}},
                },
            },
            "ThingUpdate": {
                "type": "object",
                "required": ["name"],
                "additionalProperties": False,
                "properties": {
                    "name": {"type": "string", "maxLength": 50, "pattern": "^[a-z ]*$"},
                    "size": {"type": "integer", "minimum": 0, "maximum": 10},
                    "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                    "kind": {"type": "string", "enum": ["big", "small"]},
                    "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 5},
                    "place": {"type": "object", "properties": {"city": {"type": "string"}}},
                    "part": {"oneOf": [{"$ref": "#/components/schemas/Part"}, {"$ref": "#/components/schemas/Other"}]},
                },
            },
        },
    },
}


def document() -> Document:
    """The one that was released."""
    return deepcopy(_DOCUMENT)


def changed(change: Change) -> Document:
    """The one that would be released next."""
    successor = document()
    change(successor)
    return successor


def _item(document: Document) -> Document:
    item: Document = document["paths"]["/things/{thing_id}"]
    return item


def _patch(document: Document) -> Document:
    operation: Document = _item(document)["patch"]
    return operation


def _schema(document: Document, name: str) -> Document:
    schema: Document = document["components"]["schemas"][name]
    return schema


def _input(document: Document, name: str) -> Document:
    member: Document = _schema(document, "ThingUpdate")["properties"][name]
    return member


def _output(document: Document, name: str) -> Document:
    member: Document = _schema(document, "Thing")["properties"][name]
    return member


def _rename(mapping: Document, name: str, new_name: str) -> object:
    mapping[new_name] = mapping.pop(name)
    return mapping


def _rename_component(document: Document) -> None:
    _rename(document["components"]["schemas"], "Part", "Piece")
    reference = {"$ref": "#/components/schemas/Piece"}
    _output(document, "parts")["items"] = reference
    _schema(document, "Content")["oneOf"][0] = reference


def _add_required_member(document: Document) -> None:
    _schema(document, "ThingUpdate")["properties"]["weight"] = {"type": "integer"}
    _schema(document, "ThingUpdate")["required"].append("weight")


def _parameter(name: str, *, required: bool) -> Document:
    return {"name": name, "in": "query", "required": required, "schema": {"type": "string"}}


BREAKS: dict[str, Change] = {
    "path is removed": lambda d: d["paths"].pop("/things/{thing_id}"),
    "path is renamed": lambda d: _rename(d["paths"], "/things/{thing_id}", "/objects/{thing_id}"),
    "operation is removed": lambda d: _item(d).pop("patch"),
    "deprecated operation goes before its sunset": lambda d: d["paths"]["/olds"].pop("post"),
    "operation has another method": lambda d: _rename(_item(d), "patch", "put"),
    "operation has another id": lambda d: _patch(d).update(operationId="changeThing"),
    "operation has another tag": lambda d: _patch(d).update(tags=["objects"]),
    "component is renamed": _rename_component,
    "component is removed": lambda d: d["components"]["schemas"].pop("Sort"),
    "parameter is removed": lambda d: _patch(d)["parameters"].pop(1),
    "parameter moves": lambda d: _patch(d)["parameters"][1].update({"in": "header"}),
    "required parameter is added": lambda d: _patch(d)["parameters"].append(_parameter("why", required=True)),
    "parameter becomes required": lambda d: _patch(d)["parameters"][1].update(required=True),
    "parameter has narrower bounds": lambda d: _patch(d)["parameters"][1]["schema"].update(maximum=50),
    "parameter has another type": lambda d: _patch(d)["parameters"][1].update(schema={"type": "boolean"}),
    "shared parameter is removed": lambda d: _patch(d)["parameters"].pop(3),
    "shared parameter becomes required": lambda d: d["components"]["parameters"]["Language"].update(required=True),
    "shared parameter has narrower bounds": lambda d: d["components"]["parameters"]["Language"].update(
        schema={"type": "string", "maxLength": 2}
    ),
    "enum of a parameter loses a value": lambda d: _schema(d, "Sort")["enum"].pop(),
    "body becomes required": lambda d: _patch(d)["requestBody"].update(required=True),
    "body has another media type": lambda d: _rename(
        _patch(d)["requestBody"]["content"], "application/json", "application/xml"
    ),
    "body needs a new member": _add_required_member,
    "member of the body becomes required": lambda d: _schema(d, "ThingUpdate")["required"].append("size"),
    "member of the body is removed": lambda d: _schema(d, "ThingUpdate")["properties"].pop("size"),
    "member of the body is renamed": lambda d: _rename(_schema(d, "ThingUpdate")["properties"], "size", "extent"),
    "member of the body has another type": lambda d: _input(d, "size").update(type="string"),
    "member of the body is no longer null": lambda d: _input(d, "note")["anyOf"].pop(),
    "member of the body gets an upper bound": lambda d: _input(d, "note")["anyOf"][0].update(maxLength=9),
    "member of the body has a smaller upper bound": lambda d: _input(d, "name").update(maxLength=9),
    "member of the body has a greater lower bound": lambda d: _input(d, "size").update(minimum=1),
    "member of the body has another pattern": lambda d: _input(d, "name").update(pattern="^[a-z]*$"),
    "member of the body gets a pattern": lambda d: _input(d, "tags")["items"].update(pattern="^[a-z]*$"),
    "member of the body gets a format": lambda d: _input(d, "name").update(format="email"),
    "member of the body gets a lower bound": lambda d: _input(d, "name").update(minLength=2),
    "member of a member of the body is removed": lambda d: _input(d, "place")["properties"].clear(),
    "union of the body loses a member": lambda d: _input(d, "part")["oneOf"].pop(),
    "list in the body is shorter": lambda d: _input(d, "tags").update(maxItems=4),
    "items of a list in the body are others": lambda d: _input(d, "tags").update(items={"type": "integer"}),
    "enum of the body loses a value": lambda d: _input(d, "kind")["enum"].pop(),
    "body refuses unknown members": lambda d: _input(d, "place").update(additionalProperties=False),
    "success is removed": lambda d: _patch(d)["responses"].pop("202"),
    "success has another status": lambda d: _rename(_patch(d)["responses"], "200", "201"),
    "answer has another media type": lambda d: _rename(
        _patch(d)["responses"]["200"]["content"], "application/json", "text/plain"
    ),
    "answer loses its body": lambda d: _patch(d)["responses"]["200"].pop("content"),
    "answer loses a header": lambda d: _patch(d)["responses"]["200"].pop("headers"),
    "answer may lack a header": lambda d: _patch(d)["responses"]["200"]["headers"]["ETag"].update(required=False),
    "answer is another component": lambda d: _patch(d)["responses"]["200"]["content"]["application/json"].update(
        schema={"$ref": "#/components/schemas/Part"}
    ),
    "member of the answer is removed": lambda d: (
        _schema(d, "Thing")["properties"].pop("size"),
        _schema(d, "Thing")["required"].remove("size"),
    ),
    "member of the answer is renamed": lambda d: (
        _rename(_schema(d, "Thing")["properties"], "size", "extent"),
        _schema(d, "Thing").update(required=["id", "owner", "name", "extent", "note", "state", "content", "parts"]),
    ),
    "member of the answer becomes optional": lambda d: _schema(d, "Thing")["required"].remove("size"),
    "member of the answer becomes nullable": lambda d: _schema(d, "Thing")["properties"].update(
        name={"anyOf": [{"type": "string"}, {"type": "null"}]}
    ),
    "member of the answer is nullable by a list": lambda d: _output(d, "name").update(type=["string", "null"]),
    "member of the answer has another type": lambda d: _output(d, "size").update(type="string"),
    "member of the answer has another format": lambda d: _output(d, "size").update(format="int64"),
    "member of the answer loses its format": lambda d: _output(d, "id").pop("format"),
    "member of a member of the answer is removed": lambda d: _schema(d, "Part").update(properties={}, required=[]),
    "member of a described member of the answer is removed": lambda d: _schema(d, "Owner").update(
        properties={}, required=[]
    ),
    "items of a list in the answer become nullable": lambda d: _output(d, "parts").update(
        items={"anyOf": [{"$ref": "#/components/schemas/Part"}, {"type": "null"}]}
    ),
    "items of a list in the answer are others": lambda d: _output(d, "parts").update(items={"type": "string"}),
    "enum of the answer gets a value": lambda d: _schema(d, "State")["enum"].append("lost"),
    "enum of the answer loses a value": lambda d: _schema(d, "State")["enum"].pop(),
    "union of the answer gets a member": lambda d: _schema(d, "Content")["oneOf"].append(
        {"$ref": "#/components/schemas/Problem"}
    ),
    "error has another form": lambda d: _rename(
        d["components"]["responses"]["NotFound"]["content"], "application/problem+json", "application/json"
    ),
    "member of an error is removed": lambda d: _schema(d, "Problem").update(properties={}, required=[]),
    "public operation needs a credential": lambda d: _item(d)["get"].pop("security"),
    "operation accepts fewer credentials": lambda d: _patch(d).update(security=[{"bearerAuth": []}]),
    "service accepts fewer credentials": lambda d: d["security"].pop(),
    "operation needs two credentials": lambda d: _patch(d).update(security=[{"bearerAuth": [], "basicAuth": []}]),
}

HARMLESS: dict[str, Change] = {
    "nothing": lambda _: None,
    "path is added": lambda d: d["paths"].update({"/parts": {"get": {"operationId": "listParts", "responses": {}}}}),
    "deprecated operation goes after its sunset": lambda d: (
        d["paths"]["/olds"].pop("get"),
        d["components"]["schemas"].pop("Old"),
    ),
    "operation is added": lambda d: _item(d).update(delete={"operationId": "deleteThing", "responses": {}}),
    "component is added": lambda d: d["components"]["schemas"].update(New={"type": "object"}),
    "optional parameter is added": lambda d: _patch(d)["parameters"].append(_parameter("why", required=False)),
    "shared parameter is described": lambda d: d["components"]["parameters"]["Language"].update(description="It."),
    "shared parameter is used by one more operation": lambda d: _item(d)["get"].update(
        parameters=[{"$ref": "#/components/parameters/Language"}]
    ),
    "parameters have another order": lambda d: _patch(d)["parameters"].reverse(),
    "parameter has wider bounds": lambda d: _patch(d)["parameters"][1]["schema"].update(maximum=200),
    "parameter loses a bound": lambda d: _patch(d)["parameters"][1]["schema"].pop("maximum"),
    "enum of a parameter gets a value": lambda d: _schema(d, "Sort")["enum"].append("size"),
    "body gets an optional member": lambda d: _schema(d, "ThingUpdate")["properties"].update(
        weight={"type": "integer"}
    ),
    "member of the body becomes optional": lambda d: _schema(d, "ThingUpdate")["required"].clear(),
    "member of the body becomes nullable": lambda d: _schema(d, "ThingUpdate")["properties"].update(
        kind={"anyOf": [{"type": "string", "enum": ["big", "small"]}, {"type": "null"}]}
    ),
    "member of the body has wider bounds": lambda d: _input(d, "size").update(maximum=11, minimum=-1),
    "member of the body loses its pattern": lambda d: _input(d, "name").pop("pattern"),
    "enum of the body gets a value": lambda d: _input(d, "kind")["enum"].append("tiny"),
    "body accepts unknown members": lambda d: _schema(d, "ThingUpdate").pop("additionalProperties"),
    "success is added": lambda d: _patch(d)["responses"].update({"204": {"description": "It is done."}}),
    "error is added": lambda d: _patch(d)["responses"].update({"409": {"$ref": "#/components/responses/NotFound"}}),
    "error is no longer given": lambda d: _patch(d)["responses"].pop("404"),
    "answer gets a member": lambda d: (
        _schema(d, "Thing")["properties"].update(weight={"type": "integer"}),
        _schema(d, "Thing")["required"].append("weight"),
    ),
    "answer gets a header": lambda d: _patch(d)["responses"]["202"].update(
        headers={"Location": {"schema": {"type": "string"}}}
    ),
    "member of the answer is never null any more": lambda d: _schema(d, "Thing")["properties"].update(
        note={"type": "string"}
    ),
    "member of the answer has narrower bounds": lambda d: _output(d, "size").update(minimum=0, maximum=5),
    "operation becomes public": lambda d: _patch(d).update(security=[]),
    "operation accepts one more credential": lambda d: _patch(d).update(
        security=[{"bearerAuth": []}, {"basicAuth": []}, {"keyAuth": []}]
    ),
    "operation is deprecated": lambda d: _patch(d).update(deprecated=True),
    "texts change": lambda d: (
        _patch(d).update(description="Changes it.", summary="Change"),
        _output(d, "name").update(description="Its name.", examples=["x"]),
    ),
    "tag is added": lambda d: d["tags"].append({"name": "parts"}),
}
