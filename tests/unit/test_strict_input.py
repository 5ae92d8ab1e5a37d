import json
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import pytest
from litestar import Controller, Litestar, Request, get, patch, post
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency, Provide
from litestar.enums import RequestEncodingType
from litestar.handlers import BaseRouteHandler
from litestar.params import Body, FromPath, HeaderParameter, JSONBody, QueryParameter
from msgspec import UNSET, Meta, Struct, UnsetType, field

from cms_service.api import EXCEPTION_HANDLERS, Envelope, Readmission, StrictInput, request_body
from cms_service.api import exchange as exchanges
from cms_service.core.exceptions import AuthenticationRequired
from cms_service.core.security import PasswordPolicy
from tests.unit.asgi import NOBODY, Answer, End, exchange
from tests.unit.settings import edge_settings

ID = "0190c8a0-7a1b-7c3d-8e4f-00000000000a"
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Part(Struct, forbid_unknown_fields=True):
    id: UUID
    at: Annotated[datetime, Meta(tz=True)] | UnsetType | None = UNSET


class ThingCreate(Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=2, max_length=5, pattern=r"^[a-z]+$")]
    age: Annotated[int, Meta(ge=0, le=200)]
    colour: Colour = Colour.RED
    parts: Annotated[list[Part], Meta(max_length=2)] = field(default_factory=list)
    note: str | UnsetType | None = UNSET
    is_new: bool = True
    former_name: UnsetType | None = UNSET


class ThingUpdate(Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=2)] | UnsetType = UNSET
    note: str | UnsetType | None = UNSET


class Question(Struct):
    """Ignores what it does not know, and holds anything."""

    context: dict[str, Any]
    factor: float = 1.0


class Grant(Struct, forbid_unknown_fields=True):
    grant_type: str
    scope: str | None = None


Limit = Annotated[int, QueryParameter(ge=1, le=100)]


async def provide_limit(limit: Limit = 20) -> int:
    return limit


async def only_known_callers(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    if "x-anonymous" in connection.headers:
        raise AuthenticationRequired


class ThingController(Controller):
    path = "/api/v1/things"
    dependencies = {"most": Provide(provide_limit)}
    guards = [only_known_callers]

    @get()
    async def list_things(
        self,
        most: NamedDependency[int],
        colours: Annotated[list[Colour] | None, QueryParameter(name="colour", max_items=2)] = None,
        since: Annotated[datetime | None, QueryParameter()] = None,
        owner: Annotated[UUID | None, QueryParameter()] = None,
        q: Annotated[str | None, QueryParameter(min_length=2, max_length=5)] = None,
        sort: Annotated[Colour, QueryParameter()] = Colour.RED,
        is_new: Annotated[bool, QueryParameter()] = False,
    ) -> dict[str, Any]:
        return {
            "most": most,
            "colours": colours,
            "since": since,
            "owner": owner,
            "q": q,
            "sort": sort,
            "is_new": is_new,
        }

    @post()
    async def create_thing(self, data: JSONBody[ThingCreate]) -> ThingCreate:
        return data

    @get("/{thing_id:uuid}")
    async def get_thing(self, thing_id: FromPath[UUID]) -> dict[str, Any]:
        return {"id": thing_id}

    @patch("/{thing_id:uuid}")
    async def update_thing(
        self,
        thing_id: FromPath[UUID],
        data: JSONBody[ThingUpdate],
        if_match: Annotated[str, HeaderParameter(name="If-Match", pattern=r'^("[0-9]+"|\*)$')],
    ) -> dict[str, str]:
        return {"name": repr(data.name), "note": repr(data.note), "if_match": if_match, "id": str(thing_id)}

    @get("/signed")
    async def get_signed_thing(self, signature: Annotated[str, HeaderParameter(name="X-Signature")]) -> dict[str, str]:
        return {"signature": signature}

    @get("/search")
    async def search_things(self, q: Annotated[str, QueryParameter()]) -> dict[str, str]:
        return {"q": q}

    @post("/forget", status_code=200)
    async def forget_thing(self, request: Request[Any, Any, Any], data: JSONBody[ThingUpdate | None] = None) -> str:
        return json.dumps([repr(data), request.method])

    @post("/ask", status_code=200)
    async def ask(self, data: JSONBody[Question]) -> Question:
        return data

    @post("/token", status_code=200)
    async def token(self, data: Annotated[Grant, Body(media_type=RequestEncodingType.URL_ENCODED)]) -> Grant:
        return data

    @post("/word")
    async def word(self, data: Annotated[str, Body(max_length=2)]) -> str:
        return data


@get("/probe")
async def probe(limit: Limit = 20) -> dict[str, int]:
    return {"limit": limit}


@pytest.fixture(scope="module")
def app() -> Envelope:
    litestar = Litestar(
        [ThingController, probe],
        guards=[NOBODY],
        before_request=StrictInput(PasswordPolicy(15), Readmission(NOBODY)),
        exception_handlers=EXCEPTION_HANDLERS,
        request_max_body_size=65_536,
        openapi_config=None,
        logging_config=None,
    )
    return Envelope(litestar, edge_settings())


async def create(app: Envelope, body: bytes | str) -> Answer:
    return await exchange(
        app, "POST", "/api/v1/things", headers=JSON, body=body.encode() if isinstance(body, str) else body
    )


async def test_body_arrives_as_its_struct_when_it_keeps_the_contract(app: Envelope) -> None:
    answer = await create(
        app,
        f'{{"name": "anvil", "age": 5, "parts": [{{"id": "{ID}", "at": "2026-05-01T10:00:00+02:00"}}], "note": null}}',
    )
    assert answer.status == 201
    assert answer.json() == {
        "name": "anvil",
        "age": 5,
        "colour": "red",
        "parts": [{"id": ID, "at": "2026-05-01T10:00:00+02:00"}],
        "note": None,
        "is_new": True,
    }


@pytest.mark.parametrize("age", ["5", "5.0", "5e0", "0.5E1"])
async def test_whole_number_may_be_written_in_any_way(app: Envelope, age: str) -> None:
    assert (await create(app, f'{{"name": "abc", "age": {age}}}')).json()["age"] == 5


async def test_absent_null_and_given_members_differ(app: Envelope) -> None:
    headers = {**JSON, "if-match": '"3"'}
    answer = await exchange(app, "PATCH", f"/api/v1/things/{ID}", headers=headers, body=b'{"note": null}')
    assert answer.json() == {"name": "UNSET", "note": "None", "if_match": '"3"', "id": ID}


async def test_limit_of_a_body_that_is_no_struct_counts(app: Envelope) -> None:
    answer = await exchange(app, "POST", "/api/v1/things/word", headers=JSON, body=b'"abc"')
    assert answer.faults() == {"": ["too_long"]}


async def test_all_violations_of_body_query_and_header_come_at_once(app: Envelope) -> None:
    answer = await exchange(
        app, "PATCH", f"/api/v1/things/{ID}?dry=1", headers={**JSON, "if-match": "3"}, body=b'{"name": "a", "nick": 1}'
    )
    assert answer.status == 400
    assert answer.faults() == {
        "query/dry": ["unknown_parameter"],
        "header/If-Match": ["pattern"],
        "/name": ["too_short"],
        "/nick": ["unknown_member"],
    }


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ("{}", {"/name": ["missing"], "/age": ["missing"]}),
        ("[]", {"": ["wrong_type"]}),
        ("null", {"": ["wrong_type"]}),
        ('"x"', {"": ["wrong_type"]}),
        ('{"name": "A1", "age": 5}', {"/name": ["pattern"]}),
        ('{"name": "A", "age": 5}', {"/name": ["too_short", "pattern"]}),
        ('{"name": "abcdef", "age": 5}', {"/name": ["too_long"]}),
        ('{"name": 5, "age": "5"}', {"/name": ["wrong_type"], "/age": ["wrong_type"]}),
        ('{"name": "abc", "age": 5.5}', {"/age": ["wrong_type"]}),
        ('{"name": "abc", "age": 1e17}', {"/age": ["wrong_type"]}),
        ('{"name": "abc", "age": true}', {"/age": ["wrong_type"]}),
        ('{"name": "abc", "age": null}', {"/age": ["wrong_type"]}),
        ('{"name": "abc", "age": -1}', {"/age": ["out_of_range"]}),
        ('{"name": "abc", "age": 1' + "0" * 4000 + "}", {"/age": ["out_of_range"]}),
        ('{"name": "abc", "age": 5, "colour": "pink"}', {"/colour": ["not_in_enum"]}),
        ('{"name": "abc", "age": 5, "colour": ["red"]}', {"/colour": ["not_in_enum"]}),
        ('{"name": "abc", "age": 5, "is_new": 1}', {"/is_new": ["wrong_type"]}),
        ('{"name": "abc", "age": 5, "note": 1}', {"/note": ["wrong_type"]}),
        ('{"name": "abc", "age": 5, "former_name": "abd"}', {"/former_name": ["wrong_type"]}),
        ('{"name": "abc", "age": 5, "former_name": null, "nick": 1}', {"/nick": ["unknown_member"]}),
        ('{"name": "abc", "age": 5, "note": "a\\u0000b"}', {"/note": ["control_character"]}),
        ('{"name": "abc", "age": 5, "a/b~c": 1}', {"/a~1b~0c": ["unknown_member"]}),
        ('{"name": "abc", "age": 5, "parts": {}}', {"/parts": ["wrong_type"]}),
        ('{"name": "abc", "age": 5, "parts": [1, 2, 3]}', {"/parts": ["too_long"]}),
        ('{"name": "abc", "age": 5, "parts": [{"id": "x", "at": 5, "w": 1}, {}]}', {"/parts/0/id": ["not_a_uuid"]}),
    ],
)
async def test_body_is_refused_with_pointers(app: Envelope, body: str, faults: dict[str, list[str]]) -> None:
    answer = await create(app, body)
    assert answer.status == 400
    assert answer.json()["code"] == "validation_failed"
    assert faults.items() <= answer.faults().items()


async def test_nested_faults_are_all_found(app: Envelope) -> None:
    answer = await create(app, '{"name": "abc", "age": 5, "parts": [{"id": "x", "at": 5, "w": 1}, {}]}')
    assert answer.faults() == {
        "/parts/0/id": ["not_a_uuid"],
        "/parts/0/at": ["not_a_datetime"],
        "/parts/0/w": ["unknown_member"],
        "/parts/1/id": ["missing"],
    }


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("2026-05-01T10:00:00", "not_a_datetime"),
        ("2026-05-01", "not_a_datetime"),
        ("2026-05-01 10:00:00Z", "not_a_datetime"),
        ("1777629600", "not_a_datetime"),
        ("2026-05-01T10:00:00+24:00", "not_a_datetime"),
        ("2026-02-30T10:00:00Z", "not_a_datetime"),
        ("2026-05-01T10:00:60Z", "not_a_datetime"),
        ("9999-12-31T23:59:59-23:59", "out_of_range"),
        ("9999-12-31T23:59:59.999999Z", "out_of_range"),
        ("0000-01-01T00:00:00Z", "out_of_range"),
        ("0001-01-01T00:00:00Z", "out_of_range"),
        ("0001-01-01T00:00:00+23:59", "out_of_range"),
    ],
)
async def test_instant_is_refused(app: Envelope, text: str, code: str) -> None:
    answer = await create(app, f'{{"name": "abc", "age": 5, "parts": [{{"id": "{ID}", "at": "{text}"}}]}}')
    assert answer.faults() == {"/parts/0/at": [code]}


@pytest.mark.parametrize("text", [ID.replace("-", ""), f"{{{ID}}}", f"urn:uuid:{ID}", f" {ID}", ID[:-1] + "g", ""])
async def test_uuid_is_refused_unless_canonical(app: Envelope, text: str) -> None:
    answer = await create(app, f'{{"name": "abc", "age": 5, "parts": [{{"id": "{text}"}}]}}')
    assert answer.faults() == {"/parts/0/id": ["not_a_uuid"]}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"name": "abc", "age": 5}}',
        b'{"name": "abc", "age": 5,}',
        b"{'name': 'abc'}",
        b'{"name": "a\nb"}',
        b'{"name": "\xff"}',
        b"\xef\xbb\xbf{}",
        '{"name": "abc", "age": 5}'.encode("utf-16"),
        b'{"name": "abc", "age": NaN}',
        b'{"name": "abc", "age": -Infinity}',
        b'{"name": "abc", "age": 1e999}',
        b'{"name": "abc", "age": 01}',
        b'{"name": "abc", "age": ' + b"1" * 5000 + b"}",
        b'{"name": "abc", "name": "abd", "age": 5}',
        b'{"name": "abc", "age": 5, "parts": [{"id": 1, "id": 2}]}',
        b'{"name": "abc", "n\\u0061me": "abd"}',
        b'{"name": "\\ud800", "age": 5}',
        b'{"\\udfff": 1}',
        b"[" * 33 + b"]" * 33,
        b"[" * 60_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'["' + b'\\"' * 30_000 + b"[" * 40,
        b" ",
    ],
)
async def test_body_that_is_not_json_is_refused(app: Envelope, body: bytes) -> None:
    answer = await create(app, body)
    assert (answer.status, answer.json()["code"]) == (400, "malformed_json")
    assert answer.json()["errors"] == []


async def test_brackets_inside_strings_do_not_count_as_nesting(app: Envelope) -> None:
    body = json.dumps({"context": {"text": '[{"' * 40}})
    assert (await exchange(app, "POST", "/api/v1/things/ask", headers=JSON, body=body.encode())).status == 200


async def test_paired_surrogates_are_one_character(app: Envelope) -> None:
    body = b'{"name": "abc", "age": 5, "note": "\\ud83d\\ude00"}'
    assert (await create(app, body)).json()["note"] == "😀"


@pytest.mark.parametrize(
    ("context", "pointer", "code"),
    [
        ('{"a": [{"b": "\\u0000"}]}', "/context/a/0/b", "control_character"),
        ('{"a\\u0000": 1}', "/context/a\x00", "control_character"),
        ('{"a": 99999999999999999999}', "/context/a", "out_of_range"),
    ],
)
async def test_anything_is_still_storable(app: Envelope, context: str, pointer: str, code: str) -> None:
    body = f'{{"context": {context}, "unknown": 1}}'
    answer = await exchange(app, "POST", "/api/v1/things/ask", headers=JSON, body=body.encode())
    assert answer.faults() == {pointer: [code]}


async def test_anything_may_be_of_any_type(app: Envelope) -> None:
    context = '{"a": [true, false, null, 1, 1.5, 1e300, "\\n", {}, []]}'  # The line break has all of it looked at.
    answer = await exchange(app, "POST", "/api/v1/things/ask", headers=JSON, body=f'{{"context": {context}}}'.encode())
    assert answer.status == 200, answer.body


async def test_violations_never_repeat_the_value(app: Envelope) -> None:
    answer = await create(app, '{"name": "s3cr3t-value", "age": "s3cr3t-value", "colour": "s3cr3t-value"}')
    assert b"s3cr3t" not in answer.body


@pytest.mark.parametrize(("members", "told"), [(99, 99), (100, 100), (101, 100), (3000, 100)])
async def test_violations_are_capped(app: Envelope, members: int, told: int) -> None:
    unknown = {f"m{number}": 1 for number in range(members)}
    answer = await create(app, json.dumps({"name": "abc", "age": 5} | unknown))
    assert len(answer.json()["errors"]) == told
    query = "&".join(unknown)
    assert len((await exchange(app, "GET", f"/api/v1/things?{query}")).json()["errors"]) == told


@pytest.mark.parametrize(("length", "told"), [(64, 64), (65, 64), (3000, 64)])
async def test_name_that_is_repeated_is_cut(app: Envelope, length: int, told: int) -> None:
    name = "x" * length
    answer = await create(app, json.dumps({"name": "abc", "age": 5, name: 1}))
    assert answer.faults() == {f"/{'x' * told}": ["unknown_member"]}
    answer = await exchange(app, "GET", f"/api/v1/things?{name}=1")
    assert answer.faults() == {f"query/{'x' * told}": ["unknown_parameter"]}


@pytest.mark.parametrize(("depth", "status"), [(31, 200), (32, 200), (33, 400)])
@pytest.mark.parametrize("brackets", [("[", "]"), ('{"a":', "}")])
async def test_body_is_nested_no_deeper_than_thirty_two_levels(
    app: Envelope, brackets: tuple[str, str], depth: int, status: int
) -> None:
    within = depth - 2  # The body and its context are levels too.
    value = f"{brackets[0] * within}1{brackets[1] * within}"
    body = f'{{"context": {{"a": {value}}}}}'
    assert (await exchange(app, "POST", "/api/v1/things/ask", headers=JSON, body=body.encode())).status == status


@pytest.mark.parametrize(
    ("age", "fault"),
    [
        ("0", None),
        ("200", None),
        ("201", "out_of_range"),
        ("9007199254740992.0", "out_of_range"),
        ("9007199254740994.0", "wrong_type"),
        ("-9007199254740992.0", "out_of_range"),
        ("-9007199254740994.0", "wrong_type"),
    ],
)
async def test_fraction_is_a_whole_number_up_to_where_it_is_exact(app: Envelope, age: str, fault: str | None) -> None:
    answer = await create(app, f'{{"name": "abc", "age": {age}}}')
    assert answer.status == (400 if fault else 201)
    assert fault is None or answer.faults() == {"/age": [fault]}


@pytest.mark.parametrize(
    ("number", "is_refused"), [(2**63 - 1, False), (2**63, True), (-(2**63), False), (-(2**63) - 1, True)]
)
async def test_whole_number_among_anything_has_sixty_four_bits(app: Envelope, number: int, is_refused: bool) -> None:
    body = f'{{"context": {{"a": {number}}}}}'
    answer = await exchange(app, "POST", "/api/v1/things/ask", headers=JSON, body=body.encode())
    assert answer.status == (400 if is_refused else 200)
    assert not is_refused or answer.faults() == {"/context/a": ["out_of_range"]}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("0002-01-01T00:00:00Z", None),
        ("0001-12-31T23:59:59.999999Z", "out_of_range"),
        ("0002-01-01T00:59:59+01:00", "out_of_range"),
        ("9998-12-31T23:59:59.999999Z", None),
        ("9999-01-01T00:00:00Z", "out_of_range"),
        ("9998-12-31T23:59:59-00:01", "out_of_range"),
        ("2026-05-01T10:00:00.123456789Z", None),
        ("2026-05-01T10:00:00.1234567891Z", "not_a_datetime"),
    ],
)
async def test_instant_lies_between_the_years_two_and_9998(app: Envelope, text: str, fault: str | None) -> None:
    answer = await create(app, f'{{"name": "abc", "age": 5, "parts": [{{"id": "{ID}", "at": "{text}"}}]}}')
    assert answer.status == (400 if fault else 201)
    assert fault is None or answer.faults() == {"/parts/0/at": [fault]}


@pytest.mark.parametrize(("spaces", "status"), [(65_536, 400), (65_537, 413)])
async def test_body_has_at_most_sixty_four_kibibytes(app: Envelope, spaces: int, status: int) -> None:
    assert (await create(app, b" " * spaces)).status == status


@pytest.mark.parametrize(("digits", "fault"), [(18, "out_of_range"), (19, "wrong_type")])
async def test_number_of_a_query_has_at_most_eighteen_digits(app: Envelope, digits: int, fault: str) -> None:
    answer = await exchange(app, "GET", f"/api/v1/things?limit={'9' * digits}")
    assert answer.faults() == {"query/limit": [fault]}


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin-1",
        "application/json, application/json",
        "application/merge-patch+json",
        "application/jsonx",
    ],
)
async def test_content_type_is_refused(app: Envelope, content_type: str) -> None:
    answer = await exchange(app, "POST", "/api/v1/things", headers={"content-type": content_type}, body=b"{}")
    assert (answer.status, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON", "application/json;charset=UTF-8", 'application/json ; charset="utf-8"'],
)
async def test_content_type_is_accepted(app: Envelope, content_type: str) -> None:
    body = b'{"name": "abc", "age": 5}'
    assert (
        await exchange(app, "POST", "/api/v1/things", headers={"content-type": content_type}, body=body)
    ).status == 201


async def test_body_too_large_when_announced(app: Envelope) -> None:
    headers = {**JSON, "content-length": "70000"}
    answer = await exchange(app, "POST", "/api/v1/things", headers=headers, body=b"{}")
    assert (answer.status, answer.json()["code"]) == (413, "body_too_large")


async def test_body_too_large_when_length_is_a_lie_or_unknown(app: Envelope) -> None:
    for headers in ({**JSON, "content-length": "10"}, JSON):
        answer = await exchange(app, "POST", "/api/v1/things", headers=headers, body=[b" " * 40_000, b" " * 40_000])
        assert answer.status == 413


@pytest.mark.parametrize("end", [End.DISCONNECTS, End.FALLS_SILENT])
async def test_body_that_does_not_arrive_is_refused(app: Envelope, monkeypatch: pytest.MonkeyPatch, end: End) -> None:
    monkeypatch.setattr(request_body, "BODY_TIMEOUT_SECONDS", 0)
    monkeypatch.setattr(request_body, "LOOK_SECONDS", 0)
    monkeypatch.setattr(exchanges, "UNREAD_SECONDS", 0)
    answer = await exchange(app, "POST", "/api/v1/things", headers=JSON, body=b'{"name": "abc",', end=end)
    assert (answer.status, answer.json()["code"]) == (400, "malformed_json")
    assert answer.json()["detail"] == "The body did not arrive."


async def test_body_is_missing(app: Envelope) -> None:
    for headers in (JSON, {}):
        answer = await exchange(app, "POST", "/api/v1/things", headers=headers)
        assert (answer.status, answer.faults()) == (400, {"": ["missing"]})


@pytest.mark.parametrize(("body", "seen"), [(b"", "None"), (b"{}", "ThingUpdate(name=UNSET, note=UNSET)")])
async def test_body_may_be_absent_when_optional(app: Envelope, body: bytes, seen: str) -> None:
    answer = await exchange(app, "POST", "/api/v1/things/forget", headers=JSON, body=body)
    assert json.loads(answer.body) == [seen, "POST"]


async def test_body_is_absent_or_an_object_and_never_null(app: Envelope) -> None:
    answer = await exchange(app, "POST", "/api/v1/things/forget", headers=JSON, body=b"null")
    assert answer.faults() == {"": ["wrong_type"]}


async def test_body_is_ignored_where_none_is_declared(app: Envelope) -> None:
    assert (await exchange(app, "GET", f"/api/v1/things/{ID}", headers=JSON, body=b"{{{")).status == 200


async def test_query_is_read(app: Envelope) -> None:
    answer = await exchange(
        app,
        "GET",
        f"/api/v1/things?limit=5&colour=red&colour=blue&since=2026-05-01T10%3A00%3A00%2B0000&owner={ID}&q=a+%C3%A9&sort=blue&is_new=true",
    )
    assert answer.json() == {
        "most": 5,
        "colours": ["red", "blue"],
        "since": "2026-05-01T10:00:00Z",
        "owner": ID,
        "q": "a é",
        "sort": "blue",
        "is_new": True,
    }


@pytest.mark.parametrize(
    ("query", "faults"),
    [
        ("nope=1", {"query/nope": ["unknown_parameter"]}),
        ("most=1", {"query/most": ["unknown_parameter"]}),
        ("LIMIT=1", {"query/LIMIT": ["unknown_parameter"]}),
        ("limit=1&limit=1", {"query/limit": ["duplicate"]}),
        ("limit=", {"query/limit": ["wrong_type"]}),
        ("limit", {"query/limit": ["wrong_type"]}),
        ("limit=0", {"query/limit": ["out_of_range"]}),
        ("limit=101", {"query/limit": ["out_of_range"]}),
        ("limit=1e1", {"query/limit": ["wrong_type"]}),
        ("limit=1.0", {"query/limit": ["wrong_type"]}),
        ("limit=%2B1", {"query/limit": ["wrong_type"]}),
        ("limit=+1", {"query/limit": ["wrong_type"]}),
        ("limit=1_0", {"query/limit": ["wrong_type"]}),
        ("limit=0x1", {"query/limit": ["wrong_type"]}),
        ("limit=%D9%A1", {"query/limit": ["wrong_type"]}),
        ("limit=null", {"query/limit": ["wrong_type"]}),
        ("limit=" + "9" * 5000, {"query/limit": ["wrong_type"]}),
        ("is_new=1", {"query/is_new": ["wrong_type"]}),
        ("is_new=True", {"query/is_new": ["wrong_type"]}),
        ("is_new=", {"query/is_new": ["wrong_type"]}),
        ("owner=null", {"query/owner": ["not_a_uuid"]}),
        (f"owner={ID.replace('-', '')}", {"query/owner": ["not_a_uuid"]}),
        ("since=2026-05-01T10:00:00", {"query/since": ["not_a_datetime"]}),
        ("since=0.5", {"query/since": ["not_a_datetime"]}),
        ("since=null", {"query/since": ["not_a_datetime"]}),
        ("since=2026-05-01T10:00:00+02:00", {"query/since": ["not_a_datetime"]}),
        ("sort=RED", {"query/sort": ["not_in_enum"]}),
        ("sort=", {"query/sort": ["not_in_enum"]}),
        ("colour=red&colour=pink", {"query/colour/1": ["not_in_enum"]}),
        ("colour=red&colour=red&colour=red", {"query/colour": ["too_long"]}),
        ("q=", {"query/q": ["too_short"]}),
        ("q=abcdef", {"query/q": ["too_long"]}),
        ("q=a%00b", {"query/q": ["control_character"]}),
        ("q=a%0D%0Ab", {"query/q": ["control_character"]}),
        ("q=a%C2%85b", {"query/q": ["control_character"]}),
        ("q=%ZZ", {"query": ["malformed"]}),
        ("q=ab%", {"query": ["malformed"]}),
        ("q=%FF%FE", {"query": ["malformed"]}),
        ("q=%ED%A0%80", {"query": ["malformed"]}),
        ("q=\xe9\xe9", {"query": ["malformed"]}),
        ("%00=1", {"query/\x00": ["unknown_parameter"]}),
        (
            "limit=0&sort=x&y",
            {"query/limit": ["out_of_range"], "query/sort": ["not_in_enum"], "query/y": ["unknown_parameter"]},
        ),
    ],
)
async def test_query_is_refused(app: Envelope, query: str, faults: dict[str, list[str]]) -> None:
    answer = await exchange(app, "GET", f"/api/v1/things?{query}")
    assert (answer.status, answer.faults()) == (400, faults)


@pytest.mark.parametrize(
    ("path", "pointer"), [("/api/v1/things/search", "query/q"), ("/api/v1/things/signed", "header/X-Signature")]
)
async def test_required_parameter_is_missing(app: Envelope, path: str, pointer: str) -> None:
    answer = await exchange(app, "GET", path)
    assert (answer.status, answer.faults()) == (400, {pointer: ["missing"]})


async def test_query_is_refused_where_none_is_declared(app: Envelope) -> None:
    assert (await exchange(app, "GET", f"/api/v1/things/{ID}?x=1")).faults() == {"query/x": ["unknown_parameter"]}


async def test_unknown_parameter_is_ignored_when_the_route_is_outside_the_api(app: Envelope) -> None:
    assert (await exchange(app, "GET", "/probe?t=1&t=2&limit=5")).json() == {"limit": 5}
    assert (await exchange(app, "GET", "/probe?t=1&limit=0")).faults() == {"query/limit": ["out_of_range"]}


async def test_text_null_is_text_when_text_is_expected(app: Envelope) -> None:
    assert (await exchange(app, "GET", "/api/v1/things/search?q=null")).json() == {"q": "null"}
    assert (await exchange(app, "GET", "/api/v1/things?q=null")).json()["q"] == "null"


async def test_precondition_is_required_only_when_nothing_else_is_wrong(app: Envelope) -> None:
    answer = await exchange(app, "PATCH", f"/api/v1/things/{ID}", headers=JSON, body=b'{"note": "x"}')
    assert (answer.status, answer.json()["code"]) == (428, "precondition_required")
    answer = await exchange(app, "PATCH", f"/api/v1/things/{ID}", headers=JSON, body=b'{"nope": "x"}')
    assert (answer.status, answer.faults()) == (400, {"/nope": ["unknown_member"]})


async def test_header_given_twice_is_refused(app: Envelope) -> None:
    headers = [*JSON.items(), ("if-match", '"1"'), ("if-match", '"2"')]
    answer = await exchange(app, "PATCH", f"/api/v1/things/{ID}", headers=headers, body=b"{}")
    assert answer.faults() == {"header/If-Match": ["duplicate"]}


async def test_guards_come_before_validation(app: Envelope) -> None:
    headers = {"content-type": "text/plain", "x-anonymous": "1"}
    assert (await exchange(app, "POST", "/api/v1/things?x=1", headers=headers, body=b"{{")).status == 401


@pytest.mark.parametrize(
    "path",
    [
        f"/api/v1/things/{ID.replace('-', '')}",
        f"/api/v1/things/urn:uuid:{ID}",
        "/api/v1/things/1",
        f"/api/v1/things/{ID}0",
    ],
)
async def test_id_in_the_path_is_not_found_unless_canonical(app: Envelope, path: str) -> None:
    answer = await exchange(app, "GET", path)
    assert (answer.status, answer.json()["code"]) == (404, "not_found")


async def test_id_in_the_path_may_be_upper_case(app: Envelope) -> None:
    assert (await exchange(app, "GET", f"/api/v1/things/{ID.upper()}")).json() == {"id": ID}


async def test_form_is_read(app: Envelope) -> None:
    answer = await exchange(app, "POST", "/api/v1/things/token", headers=FORM, body=b"grant_type=a+%C3%A9&scope=")
    assert answer.json() == {"grant_type": "a é", "scope": None}


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        (b"", {"": ["missing"]}),
        (b"scope=x", {"/grant_type": ["missing"]}),
        (b"grant_type=", {"/grant_type": ["missing"]}),
        (b"grant_type=a&grant_type=b&x=1", {"/grant_type": ["duplicate"], "/x": ["unknown_member"]}),
        (b"grant_type=%00", {"/grant_type": ["control_character"]}),
        (b"grant_type=%FF", {"": ["malformed"]}),
        (b"grant_type=\xc3\xa9", {"": ["malformed"]}),
    ],
)
async def test_form_is_refused(app: Envelope, body: bytes, faults: dict[str, list[str]]) -> None:
    answer = await exchange(app, "POST", "/api/v1/things/token", headers=FORM, body=body)
    assert (answer.status, answer.faults()) == (400, faults)


async def test_json_is_refused_where_a_form_is_expected(app: Envelope) -> None:
    assert (await exchange(app, "POST", "/api/v1/things/token", headers=JSON, body=b"{}")).status == 415
