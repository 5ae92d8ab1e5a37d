"""What Prometheus reads from a service of two workers, and what is made of it in `docs/operations`."""

import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import crossplane
import httpx
import msgspec
import pytest

from cms_service.api.request_metrics import RequestMetrics
from cms_service.app import create_app
from cms_service.core.config import load_settings
from cms_service.core.observability import Metrics
from tests.api.metrics_page import TOKEN, Scrape, scrape
from tests.api.problems import code_of
from tests.eventually import eventually
from tests.fixtures import (
    Caller,
    Cluster,
    Database,
    DatabaseFactory,
    Service,
    running_service,
    service_environ,
    sign_in,
)
from tests.unit.asgi import exchange
from tests.unit.settings import edge_settings

OPERATIONS = Path(__file__).parents[2] / "docs/operations"
LOGIN = "/api/v1/auth/login"
EMAIL = "metrics@example.org"
PASSWORD = "canary of metrics 1"
WRONG_PASSWORD = "canary of metrics 2"
IN_THE_PATH = "canary-in-the-path"
COUNT = "cms_http_request_duration_seconds_count"
OF_PROMETHEUS = {"instance", "job", "le"}


@pytest.fixture(scope="module")
async def own_database(cluster: Cluster, template: str) -> AsyncIterator[Database]:
    database = await cluster.create(template=template)
    yield database
    await cluster.drop(database)


@pytest.fixture(scope="module")
async def service(own_database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """One that nobody else talks to, so that its numbers can be told beforehand."""
    # A worker that stands still for some seconds keeps its lease.
    settings = {"log_format": "json", "cached_subjects": "100", "max_staleness_ms": "10000"}
    environ = service_environ(own_database, workers="2", metrics_token=TOKEN, **settings)
    async with running_service(environ, tmp_path_factory.mktemp("metrics")) as running:
        yield running


@pytest.fixture(scope="module")
async def secrets_seen(service: Service, own_database: Database) -> list[str]:
    """Everything that is counted has happened; the secrets that were sent meanwhile."""
    async with service.client() as http:
        body = {"email": EMAIL, "password": PASSWORD, "display_name": "Ann"}
        assert (await http.post("/api/v1/auth/register", json=body)).status_code == 201
        ann = await sign_in(http, EMAIL, PASSWORD)
        await _reuse(http, ann)
        await http.post(LOGIN, content=PASSWORD)
        for number in range(8):
            if number == 6:
                await _hold_up_attempts(own_database)
            await http.post(LOGIN, json={"email": "nobody@example.org", "password": WRONG_PASSWORD})
        admin = await sign_in(http, service.admin_email, service.admin_password)
        account = (await admin.post("/api/v1/service-accounts", {"name": "robot"})).json()
        key = (await admin.post(f"/api/v1/service-accounts/{account['id']}/keys", {"name": "first"})).json()["key"]
        for _ in range(2):
            assert (await http.get("/api/v1/users", headers={"Authorization": f"Bearer {key}"})).status_code == 403
        await admin.get(f"/api/v1/users/{IN_THE_PATH}?password={WRONG_PASSWORD}")
        await http.get(f"/{IN_THE_PATH}")
        await http.request(IN_THE_PATH.upper(), LOGIN, headers={"X-Request-ID": IN_THE_PATH})
    return [EMAIL, PASSWORD, WRONG_PASSWORD, IN_THE_PATH, key, ann.refresh_token, ann.access_token, ann.id]


@pytest.fixture(scope="module")
async def page(service: Service, secrets_seen: list[str]) -> Scrape:
    """After all that."""
    return await scrape(service)


async def _hold_up_attempts(database: Database) -> None:
    """Let no further attempt through, however slow the machine is."""
    db = await database.connect()
    await db.execute("UPDATE throttles SET blocked_until = now() + interval '1 hour' WHERE purpose = 'address'")
    await db.close()


async def _reuse(http: httpx.AsyncClient, ann: Caller) -> None:
    token = ann.refresh_token
    for _ in range(2):
        token = (await http.post("/api/v1/auth/refresh", json={"refresh_token": token})).json()["refresh_token"]
    response = await http.post("/api/v1/auth/refresh", json={"refresh_token": ann.refresh_token})
    assert code_of(response, 401) == "refresh_token_reused"


def are_both_there(page: Scrape) -> bool:
    """Whether each worker serves, hears of changes, and has told of its pool."""
    return (
        page.total("cms_workers") == page.total("cms_access_cache_trusting_workers") == 2
        and page.total("cms_database_connections_limit", pool="work") == 20
    )


@pytest.mark.parametrize("header", [f"bearer {TOKEN}", f"BEARER {TOKEN}", f"Bearer  {TOKEN}", f"Bearer    {TOKEN}"])
async def test_page_is_read_however_its_token_is_sent(service: Service, header: str) -> None:
    async with service.client() as http:
        assert (await http.get("/metrics", headers={"Authorization": header})).status_code == 200


@pytest.mark.parametrize(
    "header",
    [None, "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", f"Bearer\t{TOKEN}", f"Bearer \t{TOKEN}"],
)
async def test_page_is_refused_without_its_token(service: Service, header: str | None) -> None:
    async with service.client() as http:
        response = await http.get("/metrics", headers={"Authorization": header} if header else {})
    assert code_of(response, 401) == "authentication_required"


async def test_page_is_in_the_format_that_its_reader_wants(service: Service) -> None:
    async with httpx.AsyncClient(base_url=service.url, headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        plain = await http.get("/metrics")
        open_metrics = await http.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0;")
    assert open_metrics.text.endswith("# EOF\n")


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text;version=abc",
        "application/openmetrics-text;version=1.0.0x",
        "application/openmetrics-text;version=9.²",
        'text/plain;version="1.0.0"',
        "text/plain;version=²",
        "text/plain;version=" + 5000 * "1",
    ],
)
async def test_page_is_plain_where_its_reader_names_no_version_that_there_is(accept: str) -> None:
    answer = await exchange(create_app(edge_settings()), "GET", "/metrics", headers={"Accept": accept})
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")


async def test_everything_that_happened_is_counted_whichever_worker_answers(
    service: Service, secrets_seen: list[str]
) -> None:
    async def is_fresh() -> bool:
        page = await scrape(service)
        is_counted = page.total("cms_access_cache_lookups_total", memory="api_keys", outcome="miss") > 0
        return is_counted and are_both_there(page)

    await eventually(is_fresh)
    for page in [await scrape(service) for _ in range(4)]:
        outcomes = {
            outcome: page.total("cms_sign_ins_total", outcome=outcome)
            for outcome in ("succeeded", "refused", "throttled", "malformed", "unavailable", "abandoned")
        }
        refused, throttled = outcomes.pop("refused"), outcomes.pop("throttled")
        assert outcomes == {"succeeded": 2, "malformed": 1, "unavailable": 0, "abandoned": 0}
        assert (refused, throttled) == (6, 2)
        assert page.total("cms_throttled_attempts_total", policy="account") == 2
        assert page.total("cms_refresh_reuse_detected_total") == 1
        assert page.total(COUNT, method="POST", path="/api/v1/auth/refresh", status="200") == 2
        assert page.total(COUNT, method="GET", path="unmatched", status="404") == 2
        assert page.total(COUNT, method="other", path="unmatched", status="405") == 1
        assert page.total("cms_password_hash_duration_seconds_count") == 3 + refused
        assert page.total("cms_http_requests_in_progress") >= 1
        assert page.total("cms_workers") == page.total("cms_access_cache_trusting_workers") == 2
        assert page.total("cms_database_connections_limit", pool="work") == 20
        assert page.total("cms_database_connections_open") > 0
        assert page.total("cms_database_ready") == 1
        assert page.total("cms_propagation_duration_seconds_count") > 0


async def test_nothing_that_a_client_sent_is_on_the_page(service: Service, secrets_seen: list[str]) -> None:
    page, log = (await scrape(service)).text, service.log.read_text()
    for secret in secrets_seen:
        assert secret not in page
    for secret in set(secrets_seen) - {IN_THE_PATH, secrets_seen[-1]}:  # As a request id; and the id of an account.
        assert secret not in log


async def test_worker_that_died_is_gone_and_what_it_counted_is_not(service: Service, secrets_seen: list[str]) -> None:
    async def is_complete() -> Scrape | None:
        page = await scrape(service)
        return page if are_both_there(page) else None

    before = await eventually(is_complete)
    assert before is not None
    workers = re.compile(r"Spawning worker-\d+ with PID: (\d+)")
    dead, *_ = workers.findall(service.log.read_text())
    os.kill(int(dead), signal.SIGKILL)

    async def is_replaced() -> bool:
        is_new = len(workers.findall(service.log.read_text())) == 3
        return is_new and are_both_there(await scrape(service))

    await eventually(is_replaced)
    after = await scrape(service)
    assert after.total("cms_sign_ins_total") == before.total("cms_sign_ins_total")
    assert after.total(COUNT) >= before.total(COUNT)
    assert after.total("cms_database_connections_limit") == before.total("cms_database_connections_limit")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "succeeded"),
        (400, "malformed"),
        (401, "refused"),
        (429, "throttled"),
        (500, "unavailable"),
        (503, "unavailable"),
        (None, "abandoned"),
    ],
)
async def test_sign_in_is_counted_by_what_became_of_it(status: int | None, outcome: str) -> None:
    metrics = Metrics()
    RequestMetrics(metrics).ended("POST", LOGIN, status, 0.1)
    page = Scrape((await metrics.page("")).content.decode())
    assert page.total("cms_sign_ins_total", outcome=outcome) == page.total("cms_sign_ins_total") == 1


async def test_page_says_so_when_the_database_is_away() -> None:
    app = create_app(edge_settings())
    page = Scrape((await exchange(app, "GET", "/metrics")).body.decode())
    assert page.total("cms_database_ready") == 0
    assert page.total("cms_workers") == 1


async def test_database_is_not_ready_while_it_is_not_migrated(fresh_database: DatabaseFactory) -> None:
    app = create_app(load_settings(service_environ(await fresh_database(is_migrated=False))))
    async with app.litestar.lifespan():
        page = Scrape((await exchange(app, "GET", "/metrics")).body.decode())
    assert page.total("cms_database_ready") == 0


def test_every_metric_is_explained_and_every_explained_metric_exists(page: Scrape) -> None:
    exists = {
        family.name + ("_total" if family.type == "counter" else ""): family.samples[0].labels.keys() - {"le"}
        for family in page.families
    }
    rows = re.findall(
        r"^\| `(cms_\w+)` \| ([^|]*) \|", (OPERATIONS / "monitoring.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows} == exists


def test_proxy_of_the_guide_shows_the_page_to_nobody(tmp_path: Path) -> None:
    guide = (OPERATIONS.parent / "guides/deploy.md").read_text(encoding="utf-8")
    for base_path, configuration in zip(("", "/id"), re.findall(r"```nginx\n(.*?)```", guide, re.DOTALL), strict=True):
        file = tmp_path / "nginx.conf"
        file.write_text(configuration)
        (server,) = crossplane.parse(str(file), check_ctx=False)["config"][0]["parsed"]
        rules = {tuple(inner["args"]): inner["block"] for inner in server["block"] if inner["directive"] == "location"}
        (rule,) = rules["^~", f"{base_path}/metrics"]
        assert (rule["directive"], rule["args"]) == ("deny", ["all"])


def expressions() -> dict[str, str]:
    """Every query of the dashboard and of the rules, by where it stands."""
    dashboard = msgspec.json.decode((OPERATIONS / "grafana-dashboard.json").read_bytes())
    found = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
    }
    for group in msgspec.yaml.decode((OPERATIONS / "alerts.yaml").read_bytes())["groups"]:
        found |= {rule["alert"]: rule["expr"] for rule in group["rules"]}
    return found


@pytest.mark.parametrize("name", sorted(expressions()))
def test_query_asks_for_metrics_and_labels_that_exist(page: Scrape, name: str) -> None:
    expression = expressions()[name]
    names = set(re.findall(r"\bcms_\w+", expression))
    assert names
    assert names <= page.names
    for metric, selector in re.findall(r"\b(cms_\w+)\{([^}]*)\}", expression):
        asked = dict(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"([^\"]*)\"", selector))
        assert asked.keys() - OF_PROMETHEUS <= page.labels(metric), metric
    grouped = {label for labels in re.findall(r"\b(?:by|on) ?\(([^)]*)\)", expression) for label in labels.split(",")}
    known = set().union(OF_PROMETHEUS, *(page.labels(metric) for metric in names))
    assert {label.strip() for label in grouped} <= known


def test_every_alert_says_what_it_means_and_where_to_read_on() -> None:
    page = (OPERATIONS / "monitoring.md").read_text(encoding="utf-8")
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    }
    for group in msgspec.yaml.decode((OPERATIONS / "alerts.yaml").read_bytes())["groups"]:
        for rule in group["rules"]:
            assert rule["annotations"]["summary"], rule["alert"]
            address, _, anchor = rule["annotations"]["runbook_url"].partition("#")
            assert address.endswith("/operations/monitoring/")
            assert anchor in anchors, rule["alert"]
            assert rule["labels"]["severity"] in {"page", "ticket"}
