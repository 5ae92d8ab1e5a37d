import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

import pytest
from litestar import Controller, Litestar, get, patch, post
from litestar.datastructures import ResponseHeader, State
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from msgspec import UNSET, Meta, Struct, UnsetType
from openapi_spec_validator import validate

from cms_service.api import EXCEPTION_HANDLERS, ApiDocument, Envelope, HealthController, Readmission, StrictInput
from cms_service.api.authentication import OPTIONAL
from cms_service.api.openapi_examples import example_of
from cms_service.api.openapi_nodes import tell_defaults
from cms_service.api.problems import documented
from cms_service.core.exceptions import EmailTaken, NameTaken, RateLimited
from cms_service.core.security import PUBLIC, PasswordPolicy, authenticated, requires
from tests.unit.asgi import NOBODY, exchange
from tests.unit.settings import edge_settings

T = TypeVar("T")
Name = Annotated[
    str, Meta(min_length=1, max_length=5, pattern=r"^[^\x00-\x1f]*$", description="Its name.", examples=["x"])
]
Id = Annotated[UUID, Meta(examples=["0190c8a0-4b1e-7c3f-9d2a-6e5f4a3b2c1d"])]
Labels = Annotated[
    dict[str, Any],
    Meta(title="Labels", examples=[{"colour": "red"}], extra_json_schema={"additionalProperties": True}),
]


class Part(Struct, Generic[T]):
    """A part of a list."""

    items: list[T]
    next_cursor: Annotated[str, Meta(examples=["abc"])] | None


class Sort(StrEnum):
    """Order of a list."""

    name = "name"
    name_desc = "name_desc"


class ThingRef(Struct):
    """A thing, as others name it."""

    id: Id


class ThingRead(Struct):
    """A thing."""

    id: Id
    name: Name
    size: Annotated[int, Meta(ge=0, le=2**40, examples=[7])] | None
    parent: ThingRef | None
    made_at: Annotated[datetime, Meta(tz=True, examples=["2026-05-01T08:00:00Z"])]
    kind: Literal["plain"]
    labels: Labels | None


class ThingUpdate(Struct, forbid_unknown_fields=True):
    """Changes to a thing."""

    name: Name | UnsetType = UNSET
    parent_id: Annotated[Id, Meta(examples=[])] | UnsetType | None = UNSET


class ThingController(Controller):
    """Its handlers are never called: only the document that Litestar makes of them is read."""

    path = "/things"
    tags = ("users",)

    @get(operation_id="listThings", guards=[requires("things:read")])
    async def list_things(
        self,
        limit: Annotated[int, QueryParameter(ge=1, le=100, description="How many.")] = 20,
        after: Annotated[datetime | None, QueryParameter(description="Only younger ones.")] = None,
        name: Annotated[str | None, QueryParameter(max_length=5)] = None,
        sort: Annotated[Sort, QueryParameter(description="Order.")] = Sort.name,
        sorts: Annotated[list[Sort] | None, QueryParameter()] = None,
    ) -> Part[ThingRead]:
        """Things, in parts."""
        raise NotImplementedError  # Only its document is looked at; nothing is served here.

    @patch(
        "/{thing_id:uuid}",
        operation_id="updateThing",
        guards=[authenticated],
        responses=documented(EmailTaken, NameTaken),
    )
    async def update_thing(
        self,
        thing_id: FromPath[UUID],
        data: JSONBody[ThingUpdate],
        if_match: Annotated[str, HeaderParameter(name="If-Match", max_length=64)],
    ) -> ThingRead:
        """Changes a thing."""
        raise NotImplementedError  # Only its document is looked at; nothing is served here.

    @post(
        "/login",
        operation_id="login",
        opt={PUBLIC: True},
        responses=documented(RateLimited),
        status_code=200,
        response_headers=[ResponseHeader("ETag", documentation_only=True, description="Its state.")],
    )
    async def login(self, data: JSONBody[ThingUpdate]) -> ThingRef:
        """Lets you in."""
        raise NotImplementedError  # Only its document is looked at; nothing is served here.

    @post("/logout", operation_id="logout", summary="Leave", opt={OPTIONAL: True}, status_code=204)
    async def logout(self, data: JSONBody[ThingUpdate | None] = None) -> None:
        """Lets you out."""


def build() -> Envelope:
    litestar = Litestar(
        [ThingController, HealthController],
        plugins=[ApiDocument()],
        guards=[NOBODY],
        before_request=StrictInput(PasswordPolicy(15), Readmission(NOBODY)),
        exception_handlers=EXCEPTION_HANDLERS,
        logging_config=None,
        state=State({}),
    )
    return Envelope(litestar, edge_settings())


@pytest.fixture(scope="module")
def app() -> Envelope:
    return build()


@pytest.fixture(scope="module")
def document(app: Envelope) -> dict[str, Any]:
    return app.litestar.openapi_schema.to_schema()


@pytest.fixture(scope="module")
def schemas(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"]
    return found


def operation(document: dict[str, Any], operation_id: str) -> dict[str, Any]:
    return next(
        found for item in document["paths"].values() for found in item.values() if found["operationId"] == operation_id
    )


def test_document_is_valid(document: dict[str, Any]) -> None:
    validate(document)


def test_document_is_the_same_each_time(document: dict[str, Any]) -> None:
    assert build().litestar.openapi_schema.to_schema() == document
    assert list(document["paths"]) == sorted(document["paths"])
    assert list(document["components"]["schemas"]) == sorted(document["components"]["schemas"])


def test_components_have_the_names_that_clients_know(schemas: dict[str, Any]) -> None:
    assert set(schemas) == {
        "FieldError",
        "Health",
        "Labels",
        "Problem",
        "Sort",
        "Thing",
        "ThingPart",
        "ThingRef",
        "ThingUpdate",
        "ValidationProblem",
    }
    assert all(schema["title"] == name for name, schema in schemas.items())


def test_references_lead_somewhere(document: dict[str, Any]) -> None:
    for kind, name in re.findall(r"'#/components/(\w+)/([^']+)'", str(document)):
        assert name in document["components"][kind]


def test_docstrings_and_constraints_reach_the_document(schemas: dict[str, Any]) -> None:
    assert schemas["Thing"]["description"] == "A thing."
    assert schemas["Sort"] == {
        "title": "Sort",
        "description": "Order of a list.",
        "type": "string",
        "enum": ["name", "name_desc"],
    }
    assert schemas["Thing"]["properties"]["name"] == {
        "description": "Its name.",
        "examples": ["x"],
        "type": "string",
        "minLength": 1,
        "maxLength": 5,
        "pattern": r"^[^\x00-\x1f]*$",
    }


def test_answers_hold_every_member(schemas: dict[str, Any]) -> None:
    for name in ("Thing", "ThingPart", "ThingRef", "Problem", "ValidationProblem", "FieldError"):
        assert set(schemas[name]["required"]) == set(schemas[name]["properties"])


def test_requests_are_closed_and_their_members_optional(schemas: dict[str, Any]) -> None:
    assert schemas["ThingUpdate"]["additionalProperties"] is False
    assert "required" not in schemas["ThingUpdate"]
    assert "additionalProperties" not in schemas["Thing"]


def test_null_stands_only_where_null_is_possible(schemas: dict[str, Any]) -> None:
    update = schemas["ThingUpdate"]["properties"]
    assert update["parent_id"] == {"anyOf": [{"type": "string", "format": "uuid"}, {"type": "null"}]}
    assert update["name"]["type"] == "string"


def test_whole_numbers_have_a_format_and_whole_bounds(document: dict[str, Any], schemas: dict[str, Any]) -> None:
    assert schemas["Thing"]["properties"]["size"]["anyOf"][0] == {
        "type": "integer",
        "format": "int64",
        "minimum": 0,
        "maximum": 2**40,
        "examples": [7],
    }
    limit = operation(document, "listThings")["parameters"][0]
    assert limit == {
        "name": "limit",
        "in": "query",
        "description": "How many.",
        "required": False,
        "schema": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 100, "default": 20},
    }
    assert isinstance(limit["schema"]["maximum"], int)


def test_parameters_are_never_null(document: dict[str, Any]) -> None:
    parameters = {
        parameter["name"]: parameter["schema"]
        for parameter in operation(document, "listThings")["parameters"]
        if "$ref" not in parameter
    }
    assert parameters["after"] == {"type": "string", "format": "date-time"}
    assert parameters["name"] == {"type": "string", "maxLength": 5}
    assert parameters["sort"] == {"$ref": "#/components/schemas/Sort"}
    assert parameters["sorts"] == {"type": "array", "items": {"$ref": "#/components/schemas/Sort"}}


@pytest.mark.parametrize(
    ("operation_id", "statuses"),
    [
        ("listThings", "200 400 401 403 500 503"),
        ("updateThing", "200 400 401 403 404 409 412 413 415 428 500 503"),
        ("login", "200 400 413 415 429 500 503"),
        ("logout", "204 400 403 413 415 500 503"),
        ("checkLiveness", "200 400 500 503"),
    ],
)
def test_every_possible_status_is_documented(document: dict[str, Any], operation_id: str, statuses: str) -> None:
    assert " ".join(operation(document, operation_id)["responses"]) == statuses


def test_errors_are_shared_problems(document: dict[str, Any]) -> None:
    responses = operation(document, "updateThing")["responses"]
    assert responses["400"] == {"$ref": "#/components/responses/ValidationFailed"}
    assert responses["409"] == {
        "$ref": "#/components/responses/Conflict",
        "description": "`email_taken`: The e-mail address is taken. `name_taken`: The name is taken.",
    }
    shared = document["components"]["responses"]
    for response in shared.values():
        ((media_type, content),) = response["content"].items()
        is_validation = response is shared["ValidationFailed"]
        model = "ValidationProblem" if is_validation else "Problem"
        assert media_type == "application/problem+json"
        assert content["schema"] == {"$ref": f"#/components/schemas/{model}"}
    example = shared["AuthenticationRequired"]["content"]["application/problem+json"]["example"]
    assert (example["type"], example["status"]) == ("/problems/authentication_required", 401)
    assert example["code"] == "authentication_required"
    assert "WWW-Authenticate" in shared["AuthenticationRequired"]["headers"]
    assert "Retry-After" in shared["ServiceUnavailable"]["headers"]
    assert "Retry-After" in shared["RateLimited"]["headers"]


def test_headers_of_the_answer_are_strings_that_are_always_there(document: dict[str, Any]) -> None:
    assert operation(document, "login")["responses"]["200"]["headers"] == {
        "ETag": {"description": "Its state.", "required": True, "schema": {"type": "string"}}
    }


def test_public_operations_say_so(document: dict[str, Any]) -> None:
    assert document["security"] == [{"bearerAuth": []}]
    assert operation(document, "login")["security"] == []
    assert operation(document, "logout")["security"] == [{"bearerAuth": []}, {}]
    assert "security" not in operation(document, "listThings")


def test_operations_that_look_at_credentials_share_the_header_of_service_accounts(document: dict[str, Any]) -> None:
    reference = {"$ref": "#/components/parameters/OnBehalfOf"}
    taking = {
        found["operationId"]
        for item in document["paths"].values()
        for found in item.values()
        if reference in found.get("parameters", [])
    }
    assert taking == {"listThings", "updateThing", "logout"}
    header = document["components"]["parameters"]["OnBehalfOf"]
    assert (header["name"], header["in"], header["required"]) == ("X-On-Behalf-Of", "header", False)


@pytest.mark.parametrize(
    ("default", "told"),
    [
        (True, " If absent: `true`."),
        (False, " If absent: `false`."),
        (0, " If absent: `0`."),
        ("x", ' If absent: `"x"`.'),
        ("", " If absent: empty."),
        ([], " If absent: empty."),
        (None, ""),
    ],
)
def test_default_of_a_member_is_told_in_words(default: object, told: str) -> None:
    member = {"description": "One.", "default": default}
    schemas: dict[str, Any] = {"Thing": {"properties": {"default": member}}, "Sort": {"enum": ["name"]}}
    tell_defaults(schemas)
    assert schemas["Thing"] == {"properties": {"default": {"description": f"One.{told}"}}}


def test_permission_is_named_where_one_is_needed(document: dict[str, Any]) -> None:
    assert (
        operation(document, "listThings")["description"] == "Things, in parts.\n\nNeeds the permission `things:read`."
    )


def test_summary_comes_from_the_name_when_none_is_given(document: dict[str, Any]) -> None:
    assert operation(document, "updateThing")["summary"] == "Update thing"
    assert operation(document, "logout")["summary"] == "Leave"


def test_example_of_a_body_is_put_together_from_those_of_its_members(document: dict[str, Any]) -> None:
    uuid = "0190c8a0-4b1e-7c3f-9d2a-6e5f4a3b2c1d"
    thing = {
        "id": uuid,
        "name": "x",
        "size": 7,
        "parent": {"id": uuid},
        "made_at": "2026-05-01T08:00:00Z",
        "kind": "plain",
        "labels": {"colour": "red"},
    }
    content = operation(document, "listThings")["responses"]["200"]["content"]["application/json"]
    assert content["example"] == {"items": [thing], "next_cursor": "abc"}


def test_member_without_an_example_is_found() -> None:
    with pytest.raises(LookupError, match="Say an example"):
        example_of({"$ref": "#/components/schemas/Thing"}, {"Thing": {"type": "string"}})


def test_only_choice_is_a_constant_and_a_titled_map_a_component(schemas: dict[str, Any]) -> None:
    thing = schemas["Thing"]["properties"]
    assert thing["kind"] == {"type": "string", "const": "plain"}
    assert thing["labels"] == {"anyOf": [{"$ref": "#/components/schemas/Labels"}, {"type": "null"}]}
    assert schemas["Labels"]["additionalProperties"] is True


def test_parameters_of_the_path_are_described(document: dict[str, Any]) -> None:
    assert operation(document, "updateThing")["parameters"][0]["description"] == "Id of the thing."


def test_bodies_are_required_unless_optional(document: dict[str, Any]) -> None:
    schema = {"$ref": "#/components/schemas/ThingUpdate"}
    content = {"application/json": {"schema": schema, "example": {"name": "x"}}}
    assert operation(document, "login")["requestBody"] == {"content": content, "required": True}
    assert operation(document, "logout")["requestBody"] == {"content": content, "required": False}


def test_only_methods_that_were_written_are_listed(document: dict[str, Any]) -> None:
    assert {method for item in document["paths"].values() for method in item} == {"get", "patch", "post"}


async def test_document_is_served(app: Envelope, document: dict[str, Any]) -> None:
    answer = await exchange(app, "GET", "/schema/openapi.json")
    assert answer.status == 200
    assert answer.json() == document


async def test_page_loads_only_what_this_process_serves(app: Envelope) -> None:
    page = await exchange(app, "GET", "/schema")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert not re.search(r"https?:|unsafe|\*", policy)
    assert not re.search(rb"https?://|<script>|<style| on\w+=", page.body)
    addresses = [address.decode() for address in re.findall(rb'(?:src|href)="(/schema/[^"]+)"', page.body)]
    assert len(set(addresses)) == 6
    # Modules import each other.
    for address in addresses:
        answer = await exchange(app, "GET", address)
        assert answer.status == 200
        if "/assets/" in address:
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        if address.endswith(".js"):
            assert answer.headers["content-type"].startswith("text/javascript")
            names = re.findall(r'^import .* from "\./([^"]+)";$', answer.body.decode(), re.MULTILINE)
            imported = [f"{address.rpartition('/')[0]}/{name}" for name in names]
            addresses += [found for found in imported if found not in addresses]
    assert any(address.endswith("/sign-in.js") for address in addresses)


@pytest.mark.parametrize(
    "path",
    [
        "/schema/nope",
        "/schema/openapi.yaml",
        "/schema/assets/0/init.js",
        "/schema/assets",
        "/schema/assets/0/..%2Fopenapi.py",
    ],
)
async def test_other_paths_below_the_page_are_not_found(app: Envelope, path: str) -> None:
    answer = await exchange(app, "GET", path)
    assert (answer.status, answer.json()["code"]) == (404, "not_found")
