import json
import logging
from ipaddress import ip_network
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
import structlog
from litestar import Controller, Litestar, Request, Response, delete, get, post
from litestar.datastructures import State
from litestar.exceptions import ClientException, ImproperlyConfiguredException
from litestar.params import FromPath
from litestar.types import Message, Receive, Scope, Send

from cms_service.api import EXCEPTION_HANDLERS, Envelope, HealthController, Readmission, StrictInput, cors_config
from cms_service.api.request_origin import origin_of
from cms_service.core.config import LogFormat, configure_logging
from cms_service.core.exceptions import (
    EmailTaken,
    InternalError,
    InvalidCredentials,
    RateLimited,
    ServiceUnavailable,
    TokenExpired,
)
from cms_service.core.security import PUBLIC, PasswordPolicy, RequestOrigin
from tests.unit.asgi import NOBODY, exchange
from tests.unit.settings import edge_settings

ID = UUID("0190c8a0-7a1b-7c3d-8e4f-00000000000a")
ORIGIN = "https://app.example.org"


class ThingController(Controller):
    path = "/things"

    @get()
    async def list_things(self) -> Response[list[int]]:
        return Response([1, 2], headers={"Cache-Control": "public, max-age=60"})

    @post()
    async def create_thing(self) -> dict[str, str]:
        return {}

    @get("/{thing_id:uuid}")
    async def get_thing(self, request: Request[Any, Any, Any]) -> RequestOrigin:
        return origin_of(request)


class OtherController(Controller):
    """Adds a method to a path of another controller, under another name of its parameter."""

    path = "/things"

    @delete("/{id_of_thing:uuid}")
    async def delete_thing(self, id_of_thing: FromPath[UUID]) -> None: ...


class FaultyController(Controller):
    path = "/faults"
    opt = {PUBLIC: True}

    @get("/{name:str}")
    async def fail(self, name: FromPath[str]) -> None:
        faults: dict[str, Exception] = {
            "unknown": RuntimeError("s3cr3t"),
            "grouped": ExceptionGroup("outer", [ExceptionGroup("inner", [EmailTaken()])]),
            "away": ConnectionRefusedError("s3cr3t"),
            "unavailable": ServiceUnavailable(retry_after_seconds=7),
            "limited": RateLimited(policy="account", quota=5, retry_after_seconds=30),
            "expired": TokenExpired(),
            "credentials": InvalidCredentials(),
            "internal": InternalError(),
            "framework": ImproperlyConfiguredException("s3cr3t"),
            "teapot": ClientException("s3cr3t", status_code=418),
            "grouped_teapot": ExceptionGroup("outer", [ClientException("s3cr3t", status_code=418)]),
        }
        raise faults[name]


async def is_ready() -> None: ...


def build(**overrides: Any) -> Envelope:
    settings = edge_settings(**overrides)
    litestar = Litestar(
        [ThingController, OtherController, FaultyController, HealthController],
        guards=[NOBODY],
        before_request=StrictInput(PasswordPolicy(15), Readmission(NOBODY)),
        exception_handlers=EXCEPTION_HANDLERS,
        cors_config=cors_config(settings),
        openapi_config=None,
        logging_config=None,
        state=State({"readiness": is_ready}),
    )
    return Envelope(litestar, settings)


@pytest.fixture(scope="module")
def app() -> Envelope:
    return build()


@pytest.fixture
def log_lines(capsys: pytest.CaptureFixture[str]) -> Any:
    """Reads the lines that were logged, in the format of production."""
    structlog.reset_defaults()
    configure_logging(edge_settings())

    def read() -> list[dict[str, Any]]:
        return [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    yield read
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()


# Request id and origin


@pytest.mark.parametrize("request_id", ["a", "abc.DEF-1_2", "x" * 128])
async def test_request_id_is_echoed_when_sane(app: Envelope, request_id: str) -> None:
    answer = await exchange(app, "GET", f"/things/{ID}", headers={"x-request-id": request_id})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == request_id


@pytest.mark.parametrize("request_id", ["", "x" * 129, "a b", "a\r\nb", "a/b", "é", '"><script>'])
async def test_request_id_is_replaced_when_not(app: Envelope, request_id: str) -> None:
    answer = await exchange(app, "GET", "/nowhere", headers={"x-request-id": request_id})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] != request_id
    assert len(answer.headers["x-request-id"]) == 32


@pytest.mark.parametrize(
    ("forwarded_for", "ip"),
    [
        ([], "10.0.0.1"),
        (["198.51.100.7"], "198.51.100.7"),
        (["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
        (["203.0.113.9, 198.51.100.7, 10.0.0.2"], "198.51.100.7"),
        (["203.0.113.9", "198.51.100.7", "10.0.0.2"], "198.51.100.7"),
        (["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        (["198.51.100.7:1234"], "198.51.100.7"),
        (["2001:db8::7"], "2001:db8::7"),
        (["[2001:DB8::7]:443"], "2001:db8::7"),
        (["fe80::1%eth0"], "fe80::1"),
        (["::ffff:198.51.100.7"], "198.51.100.7"),
        (["198.51.100.7, garbage"], "10.0.0.1"),
        (["198.51.100.7, "], "10.0.0.1"),
        (["198.51.100.7, 10.0.0.256"], "10.0.0.1"),
        (["'; drop table users"], "10.0.0.1"),
    ],
)
async def test_client_is_the_nearest_untrusted_hop(forwarded_for: list[str], ip: str) -> None:
    app = build(trusted_proxies=(ip_network("10.0.0.0/8"), ip_network("fd00::/8")))
    headers = [("x-forwarded-for", value) for value in forwarded_for]
    assert (await exchange(app, "GET", f"/things/{ID}", headers=headers, client="10.0.0.1")).json()["ip"] == ip


async def test_forwarded_for_counts_for_nothing_when_the_peer_is_not_trusted(app: Envelope) -> None:
    headers = {"x-forwarded-for": "198.51.100.7"}
    assert (await exchange(app, "GET", f"/things/{ID}", headers=headers)).json()["ip"] == "192.0.2.1"
    behind = build(trusted_proxies=(ip_network("10.0.0.0/8"),))
    assert (await exchange(behind, "GET", f"/things/{ID}", headers=headers)).json()["ip"] == "192.0.2.1"


@pytest.mark.parametrize("client", ["", "unix:", "/run/socket"])
async def test_client_is_unknown_when_the_server_does_not_tell(app: Envelope, client: str) -> None:
    assert (await exchange(app, "GET", f"/things/{ID}", client=client)).json()["ip"] is None


async def test_user_agent_is_cut_and_cleaned(app: Envelope) -> None:
    headers = {"user-agent": "curl\r\n\x1b[31m\x9b/8" + "x" * 600}
    user_agent = (await exchange(app, "GET", f"/things/{ID}", headers=headers)).json()["user_agent"]
    assert user_agent.startswith("curl[31m/8xx")
    assert len(user_agent) == 512


# Headers


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", f"/things/{ID}", 200),
        ("HEAD", f"/things/{ID}", 200),
        ("OPTIONS", "/things", 204),
        ("GET", "/nowhere", 404),
        ("PUT", "/things", 405),
        ("GET", "/faults/teapot", 400),
        ("GET", "/faults/unknown", 500),
        ("GET", "//things", 404),
    ],
)
async def test_every_answer_is_safe_to_keep_and_show(app: Envelope, method: str, target: str, status: int) -> None:
    answer = await exchange(app, method, target)
    assert answer.status == status
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["x-request-id"]
    assert "strict-transport-security" not in answer.headers
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("target", ["/things", "/nowhere", "/faults/unknown", "//things", "/health/live"])
async def test_every_answer_closes_its_connection_while_the_service_has_to_leave(app: Envelope, target: str) -> None:
    leaving = Envelope(app.litestar, edge_settings(), lambda: True)
    assert (await exchange(leaving, "GET", target)).headers["connection"] == "close"
    assert "connection" not in (await exchange(app, "GET", target)).headers


async def test_headers_of_the_route_win(app: Envelope) -> None:
    assert (await exchange(app, "GET", "/things")).headers["cache-control"] == "public, max-age=60"


async def test_https_is_remembered_when_the_service_is_reached_by_it() -> None:
    answer = await exchange(build(public_url="https://accounts.example.org"), "GET", "/nowhere")
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


# Methods and paths


async def test_head_answers_like_get_without_the_body(app: Envelope) -> None:
    got, head = await exchange(app, "GET", "/things"), await exchange(app, "HEAD", "/things")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"] == str(len(got.body))


async def test_head_is_not_allowed_where_get_is_not() -> None:
    answer = await exchange(build(), "HEAD", "/things/nowhere")
    assert (answer.status, answer.body) == (404, b"")


@pytest.mark.parametrize(
    ("target", "allow"),
    [
        ("/things", "GET, HEAD, OPTIONS, POST"),
        ("/things/", "GET, HEAD, OPTIONS, POST"),
        (f"/things/{ID}", "DELETE, GET, HEAD, OPTIONS"),
        ("/health/live", "GET, HEAD, OPTIONS"),
    ],
)
async def test_allow_is_complete(app: Envelope, target: str, allow: str) -> None:
    answer = await exchange(app, "OPTIONS", target)
    assert (answer.status, answer.headers["allow"], answer.body) == (204, allow, b"")
    for method in ("PUT", "TRACE", "NONSENSE", "get"):
        answer = await exchange(app, method, target)
        assert (answer.status, answer.headers["allow"]) == (405, allow)
        assert answer.json()["code"] == "method_not_allowed"


async def test_options_of_nothing_is_not_found(app: Envelope) -> None:
    assert (await exchange(app, "OPTIONS", "/nowhere")).status == 404


@pytest.mark.parametrize(
    "path",
    [
        "//things",
        "/things//",
        "/./things",
        "/things/.",
        "/x/../things",
        "/..",
        "/%2e%2e/things",
        "/things%2F",
        "/thing%73",
        "/things%00",
        "/things%0d%0aSet-Cookie:x",
        "/things%",
        "/things%zz",
        "/things%ff",
        "/things\\",
        "/things%5c",
        "/things/%7B0190c8a0-7a1b-7c3d-8e4f-00000000000a%7D",
        "things",
        "*",
        "/things;/../..",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "HEAD"])
async def test_second_spellings_of_a_path_are_not_found(app: Envelope, method: str, path: str) -> None:
    answer = await exchange(app, method, path)
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_one_slash_at_the_end_is_forgiven(app: Envelope) -> None:
    assert (await exchange(app, "GET", "/things/")).json() == [1, 2]


# Problems


async def test_problem_tells_what_and_where_but_no_query(app: Envelope) -> None:
    answer = await exchange(app, "GET", "/nowhere?token=s3cr3t")
    assert answer.json() == {
        "type": "/problems/not_found",
        "title": "There is no such resource.",
        "status": 404,
        "detail": "There is no such resource.",
        "instance": "/nowhere",
        "code": "not_found",
        "request_id": answer.headers["x-request-id"],
    }


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("unknown", 500, "internal_error"),
        ("internal", 500, "internal_error"),
        ("framework", 500, "internal_error"),
        ("teapot", 400, "validation_failed"),
        ("grouped_teapot", 400, "validation_failed"),
        ("grouped", 409, "email_taken"),
        ("away", 503, "service_unavailable"),
        ("unavailable", 503, "service_unavailable"),
        ("limited", 429, "rate_limited"),
        ("expired", 401, "token_expired"),
        ("credentials", 401, "invalid_credentials"),
    ],
)
async def test_exception_becomes_its_problem(app: Envelope, name: str, status: int, code: str) -> None:
    answer = await exchange(app, "GET", f"/faults/{name}")
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert b"s3cr3t" not in answer.body


async def test_refusals_carry_their_headers(app: Envelope) -> None:
    async def headers_of(name: str) -> dict[str, str]:
        return (await exchange(app, "GET", f"/faults/{name}")).headers

    assert (await headers_of("unavailable"))["retry-after"] == "7"
    assert (await headers_of("limited"))["retry-after"] == "30"
    assert (await headers_of("away"))["retry-after"] == "1"
    assert (await headers_of("credentials"))["www-authenticate"] == 'Bearer realm="cms-service"'
    assert 'error="invalid_token"' in (await headers_of("expired"))["www-authenticate"]


class Broken:
    """Stands in for a Litestar whose own error handling fails."""

    cors_config = None

    def __init__(self, *, after_start: bool) -> None:
        self.after_start = after_start

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        if self.after_start:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("s3cr3t")


async def test_answer_is_given_when_everything_fails() -> None:
    answer = await exchange(Envelope(Broken(after_start=False), edge_settings()), "GET", "/things")  # type: ignore[arg-type]
    assert (answer.status, answer.json()["code"]) == (500, "internal_error")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert b"s3cr3t" not in answer.body


async def test_connection_is_cut_when_the_answer_had_begun() -> None:
    with pytest.raises(RuntimeError):
        await exchange(Envelope(Broken(after_start=True), edge_settings()), "GET", "/things")  # type: ignore[arg-type]


async def test_lifespan_reaches_litestar() -> None:
    received = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[str] = []

    async def receive() -> Any:
        return next(received)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await build()({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)  # type: ignore[arg-type]
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


# Other origins


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://app.example.org.evil.example",
        "https://evil-app.example.org",
        "https://appxexample.org",
        "http://app.example.org",
        "https://app.example.org:8443",
        "https://APP.example.org",
        f"{ORIGIN}/",
        f"{ORIGIN}\n",
        "*",
        "",
    ],
)
async def test_look_alike_origins_get_no_permission(origin: str) -> None:
    app = build(cors_origins=(ORIGIN,))
    answer = await exchange(app, "GET", "/things", headers={"origin": origin})
    assert "access-control-allow-origin" not in answer.headers
    headers = {"origin": origin, "access-control-request-method": "POST"}
    answer = await exchange(app, "OPTIONS", "/things", headers=headers)
    assert answer.status == 204
    assert "access-control-allow-origin" not in answer.headers


async def test_known_origin_gets_permission_without_credentials() -> None:
    app = build(cors_origins=(ORIGIN,))
    headers = {
        "origin": ORIGIN,
        "access-control-request-method": "PATCH",
        "access-control-request-headers": "authorization, if-match",
    }
    preflight = await exchange(app, "OPTIONS", "/things", headers=headers)
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert "PATCH" in preflight.headers["access-control-allow-methods"]
    assert {"authorization", "if-match"} <= set(preflight.headers["access-control-allow-headers"].split(", "))
    for target in ("/things", "/nowhere", "/faults/unknown"):
        answer = await exchange(app, "GET", target, headers={"origin": ORIGIN})
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert answer.headers["access-control-expose-headers"] == (
            "Deprecation, ETag, Idempotency-Replayed, Link, Location, "
            "RateLimit, RateLimit-Policy, Retry-After, Sunset, X-Request-ID"
        )
        assert answer.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", [None, ORIGIN, "https://other.example.org"])
@pytest.mark.parametrize(
    ("method", "target"),
    [("GET", "/things"), ("HEAD", "/things"), ("GET", "/nowhere"), ("GET", "//"), ("OPTIONS", "/things")],
)
async def test_answer_varies_by_origin_when_origins_are_configured(
    origin: str | None, method: str, target: str
) -> None:
    """A cache must not give the answer to one origin, or to none, to another one."""
    headers = {} if origin is None else {"origin": origin, "access-control-request-method": "GET"}
    answer = await exchange(build(cors_origins=(ORIGIN,)), method, target, headers=headers)
    assert answer.all_headers.count(("vary", "Origin")) == 1


async def test_answer_does_not_vary_when_no_origin_is_configured(app: Envelope) -> None:
    answer = await exchange(app, "GET", "/things", headers={"origin": ORIGIN})
    assert "vary" not in answer.headers


async def test_no_origin_gets_permission_when_none_is_configured(app: Envelope) -> None:
    answer = await exchange(app, "GET", "/things", headers={"origin": ORIGIN})
    assert "access-control-allow-origin" not in answer.headers


# Log lines


async def test_one_line_tells_of_a_request_and_nothing_secret(app: Envelope, log_lines: Any) -> None:
    headers = {"authorization": "Bearer s3cr3t", "user-agent": "s3cr3t", "x-request-id": "r-1"}
    await exchange(app, "GET", "/faults/limited?password=s3cr3t", headers=headers, body=b"s3cr3t")
    (line,) = log_lines()
    duration = line.pop("duration_ms")
    assert 0 <= duration == round(duration, 2)
    assert line.pop("timestamp")
    assert line == {
        "event": "request",
        "level": "info",
        "request_id": "r-1",
        "method": "GET",
        "path": "/faults/{name}",
        "status": 429,
        "code": "rate_limited",
        "subject_id": None,
    }


@pytest.mark.parametrize(
    ("method", "target", "code"),
    [
        ("GET", "/faults/expired", "token_expired"),
        ("GET", "/faults/unknown", "internal_error"),
        ("GET", "/nowhere", "not_found"),
        ("GET", "//things", "not_found"),
        ("PUT", "/things", "method_not_allowed"),
        ("GET", "/things", None),
    ],
)
async def test_line_has_the_code_of_the_problem_when_the_request_is_refused(
    app: Envelope, log_lines: Any, method: str, target: str, code: str | None
) -> None:
    await exchange(app, method, target)
    assert log_lines()[-1].get("code") == code


@pytest.mark.parametrize("path", ["/s3cr3t", "/things//s3cr3t", "/health/s3cr3t"])
async def test_line_names_no_path_that_is_not_ours(app: Envelope, log_lines: Any, path: str) -> None:
    await exchange(app, "GET", path)
    assert [line["path"] for line in log_lines()] == ["unmatched"]


async def test_line_names_the_caller(log_lines: Any) -> None:
    class Caller:
        subject_id = uuid4()

    async def identify(message: Message, scope: Scope) -> None:
        scope["user"] = Caller()

    app = build()
    app.litestar.before_send.append(identify)
    await exchange(app, "GET", "/things")
    assert [line["subject_id"] for line in log_lines()] == [str(Caller.subject_id)]


async def test_probes_are_quiet(app: Envelope, log_lines: Any) -> None:
    assert (await exchange(app, "GET", "/health/live")).json() == {"status": "ok"}
    assert (await exchange(app, "GET", "/health/ready")).json() == {"status": "ok"}
    assert log_lines() == []


@pytest.mark.parametrize(
    ("name", "exception"), [("unknown", "RuntimeError"), ("framework", "ImproperlyConfiguredException")]
)
async def test_mistakes_are_logged_with_their_traceback(
    app: Envelope, log_lines: Any, name: str, exception: str
) -> None:
    await exchange(app, "GET", f"/faults/{name}", headers={"x-request-id": "r-1"})
    mistake, request = log_lines()
    assert (mistake["event"], mistake["request_id"]) == ("unexpected_error", "r-1")
    assert exception in mistake["exception"]
    assert request["status"] == 500


@pytest.mark.parametrize("log_format", LogFormat)
async def test_nothing_that_is_logged_ends_its_line(log_format: LogFormat, capsys: pytest.CaptureFixture[str]) -> None:
    structlog.reset_defaults()
    configure_logging(msgspec.structs.replace(edge_settings(), log_format=log_format))
    evil = "x\r\n2026-05-01 [info] forged\x1b[2J\u2028\x85"
    structlog.get_logger("ours").info(evil, value=evil, nested={"list": [evil]})
    logging.getLogger("theirs").warning("%s", evil)
    lines = capsys.readouterr().err.split("\n")
    assert len(lines) == 3
    assert not any(character in line for line in lines for character in "\r\x1b\u2028\x85")
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()


async def test_secrets_are_redacted_by_name(log_lines: Any) -> None:
    structlog.get_logger("ours").info(
        "said", new_password="s3cr3t", nested={"Authorization": "s3cr3t", "API-Key": 1, "api_key": "s3cr3t"}, ok="fine"
    )
    (line,) = log_lines()
    assert "s3cr3t" not in json.dumps(line)
    assert line["ok"] == "fine"
