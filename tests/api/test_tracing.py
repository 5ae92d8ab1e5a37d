"""A service of two workers sends its spans to a collector that the test serves."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.api.otlp import Collector, attributes_of, collecting
from tests.api.problems import code_of
from tests.fixtures import ADMIN_EMAIL, ADMIN_PASSWORD, Cluster, Database, Service, service_environ, sign_in

START_SECONDS = 30
CREDENTIAL = "canary-of-the-collector"
OTLP = {"OTEL_TRACES_EXPORTER": "otlp"}
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT_ID = "b7ad6b7169203331"
PASSWORD = "canary of traces 1"
WRONG_PASSWORD = "canary of traces 2"
MISPLACED = "canary-that-does-not-belong-there"
EMAIL = "traced@example.org"


class Traced:
    """What was sent, and what the log said."""

    def __init__(self, collector: Collector, log: str, tokens: list[str]) -> None:
        self.spans = collector.spans()
        self.services = collector.services()
        self.exported = b"\n".join(collector.received)
        self.log = log
        self.tokens = tokens

    def of(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def below(self, parent: Span) -> list[Span]:
        return [span for span in self.spans if span.parent_span_id == parent.span_id]


@asynccontextmanager
async def locked_roles(database: Database) -> AsyncIterator[None]:
    """Lock the table of roles against every other connection during the block."""
    connection = await database.connect()
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE roles IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


async def use(http: httpx.AsyncClient, database: Database) -> list[str]:
    """Requests of all kinds, with secrets in all places; the tokens that were given out."""
    body = {"email": EMAIL, "password": PASSWORD, "display_name": "Ann"}
    await http.post("/api/v1/auth/register", json=body)
    ann = await sign_in(http, EMAIL, PASSWORD)
    await http.post("/api/v1/auth/login", json={"email": EMAIL, "password": WRONG_PASSWORD})
    headers = {
        "traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01",
        "tracestate": f"canary={MISPLACED}",
        "baggage": f"canary={MISPLACED},{MISPLACED}",
        "Cookie": MISPLACED,
        "User-Agent": MISPLACED,
    }
    assert (await ann.get(f"/api/v1/users/me?x={MISPLACED}", headers=headers)).status_code == 400
    assert (await ann.get("/api/v1/users/me/sessions", headers=headers)).is_success
    await ann.get(f"/api/v1/users/{MISPLACED}")
    admin = await sign_in(http, ADMIN_EMAIL, ADMIN_PASSWORD)
    role = {"name": MISPLACED, "title": MISPLACED, "description": MISPLACED}
    made = await admin.post("/api/v1/roles", role)
    assert code_of(await admin.post("/api/v1/roles", role), 409)  # The database refuses the row.
    await admin.get(f"/api/v1/roles/{made.json()['id']}")
    assert code_of(await http.get(f"/{MISPLACED}"), 404)
    async with locked_roles(database):
        assert code_of(await admin.post("/api/v1/roles", role), 503)
    await http.request(MISPLACED.upper(), "/api/v1/users")
    for _ in range(3):
        await http.get("/health/ready")
    return [ADMIN_PASSWORD, ann.access_token, ann.refresh_token, admin.access_token, admin.refresh_token]


@pytest.fixture(scope="module")
async def traced(cluster: Cluster, template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Traced]:
    database = await cluster.create(template=template)
    # Past any pooler, behind which PostgreSQL does not know the limit of the settings.
    direct = {"database_url": database.url, "database_lock_timeout_seconds": "0.5"}
    environ = service_environ(database, workers="2", log_format="json", **direct)
    with collecting() as collector:
        otel = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_SERVICE_NAME": "accounts"}
        service = Service(environ | otel, tmp_path_factory.mktemp("traces"))
        try:
            await service.wait_until_ready()
            async with service.client() as http:
                tokens = await use(http, database)
        finally:
            await service.stop()  # What is left is sent then.
    service.refuse_tracebacks()
    yield Traced(collector, service.log.read_text(), tokens)
    await cluster.drop(database)


def test_request_is_a_span_in_the_trace_of_its_caller(traced: Traced) -> None:
    (span,) = traced.of("GET /api/v1/users/me/sessions")
    assert (span.trace_id.hex(), span.parent_span_id.hex(), span.kind) == (TRACE_ID, PARENT_ID, Span.SPAN_KIND_SERVER)
    attributes = attributes_of(span)
    assert attributes["http.request.method"] == "GET"
    assert attributes["http.route"] == "/api/v1/users/me/sessions"
    assert attributes["http.response.status_code"] == 200
    assert traced.services == {"accounts"}


def test_statements_are_spans_below_their_request(traced: Traced) -> None:
    """Through SQLAlchemy, and on the fast lane."""
    (listing,) = traced.of("GET /api/v1/users/me/sessions")
    (login, *_) = traced.of("POST /api/v1/auth/login")
    for request, table in ((listing, "refresh_tokens"), (login, "users")):
        statements = [attributes_of(span) for span in traced.below(request)]
        assert any(table in str(statement["db.query.text"]) for statement in statements)
        assert {statement["db.system.name"] for statement in statements} == {"postgresql"}
    assert {span.kind for span in traced.below(listing)} == {Span.SPAN_KIND_CLIENT}


def test_span_names_neither_values_nor_methods_that_a_client_made_up(traced: Traced) -> None:
    requests = {span.name for span in traced.spans if span.kind == Span.SPAN_KIND_SERVER}
    assert requests == {
        "POST /api/v1/auth/register",
        "POST /api/v1/auth/login",
        "GET /api/v1/users/me",
        "GET /api/v1/users/me/sessions",
        "GET /api/v1/roles/{role_id}",
        "POST /api/v1/roles",
        "GET",
        "HTTP",
    }


def test_nothing_is_traced_outside_requests(traced: Traced) -> None:
    ids = {span.span_id for span in traced.spans if span.kind == Span.SPAN_KIND_SERVER}
    assert {span.parent_span_id for span in traced.spans if span.kind != Span.SPAN_KIND_SERVER} <= ids


def test_failure_of_a_statement_tells_its_code_and_nothing_of_the_row(traced: Traced) -> None:
    statements = [span for span in traced.spans if span.kind == Span.SPAN_KIND_CLIENT]
    failed = [attributes_of(span) for span in statements if span.status.code == Status.STATUS_CODE_ERROR]
    assert [attributes["db.response.status_code"] for attributes in failed] == ["23505", "55P03"]
    assert not any(span.events or span.status.message for span in traced.spans)


def test_secrets_are_nowhere_in_what_is_exported(traced: Traced) -> None:
    for secret in (PASSWORD, WRONG_PASSWORD, MISPLACED, MISPLACED.upper(), EMAIL, *traced.tokens):
        assert secret.encode() not in traced.exported
        assert secret not in traced.log
    assert b"$argon2" not in traced.exported


def test_log_lines_of_a_traced_request_name_its_trace(traced: Traced) -> None:
    lines = [json.loads(line) for line in traced.log.splitlines() if line.startswith("{")]
    requests = [line for line in lines if line["event"] == "request"]
    assert {line["trace_id"] for line in requests if line["path"] == "/api/v1/users/me/sessions"} == {TRACE_ID}
    assert {line["trace_id"] for line in requests} == {span.trace_id.hex() for span in traced.spans}
    (refusal,) = [line for line in lines if line["event"] == "unavailable"]
    (request,) = [line for line in requests if line["status"] == 503]
    assert refusal["trace_id"] == request["trace_id"]


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        (OTLP | {"OTEL_PROPAGATORS": "b3"}, "OTEL_PROPAGATORS cannot be used: Propagator b3 not found."),
        (
            OTLP | {"OTEL_BSP_MAX_QUEUE_SIZE": "10"},
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE must be less than or equal to OTEL_BSP_MAX_QUEUE_SIZE.",
        ),
        (
            OTLP | {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "-1"},
            "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT must be a non-negative integer but got -1.",
        ),
        (
            OTLP | {"OTEL_EXPORTER_OTLP_HEADERS": f"Authorization: Bearer {CREDENTIAL}"},
            "OTEL_EXPORTER_OTLP_HEADERS is malformed; expected name=value,name=value with encoded values.",
        ),
    ],
)
async def test_service_does_not_start_when_it_cannot_trace_as_asked(
    tmp_path: Path, environ: dict[str, str], complaint: str
) -> None:
    development = {"CMS_ENV": "development", "CMS_DATABASE_URL": "postgresql://cms@127.0.0.1:1/cms"}
    service = Service(development | environ, tmp_path)
    await asyncio.to_thread(service.process.wait, START_SECONDS)
    await service.stop()
    assert service.process.returncode == 2
    (line,) = service.log.read_text().splitlines()
    assert line.startswith("cms-service: ")
    assert complaint in line
    assert CREDENTIAL not in line
