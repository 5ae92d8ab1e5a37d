import asyncio
import json
import re
import secrets
import signal
import socket
import sys
from pathlib import Path
from typing import Protocol

import httpx
import pytest

from cms_service import cli
from cms_service.cli import console, serving
from cms_service.core.config import load_settings, read_environment, render_env_example, render_settings_reference
from cms_service.operating import GeneratedAdministrator
from tests.eventually import eventually
from tests.fixtures import (
    Database,
    DatabaseFactory,
    Outcome,
    Service,
    ServiceFactory,
    production_environ,
    reserve_port,
    run_command,
    service_environ,
    sign_in,
)

PASSWORD = "fifteen characters or more"
CANARY = "Zq81-database-canary"
UNREACHABLE = f"postgresql://cms:{CANARY}@127.0.0.1:1/cms"


class Call(Protocol):
    def __call__(self, *arguments: str, **environ: str) -> Outcome: ...


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Runs a command in this process, in an empty folder, with no CMS_ variables but those given."""
    for name in read_environment():
        monkeypatch.delenv(name)
    monkeypatch.setattr(console, "configure_logging", lambda _: None)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **environ: str) -> Outcome:
        for name, text in environ.items():
            monkeypatch.setenv(name, text)
        monkeypatch.setattr(sys, "argv", ["cms-service", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capsys.readouterr()
        return Outcome(int(end.value.code or 0), captured.out, captured.err)

    return run


async def run(database: Database, *arguments: str, stdin: str = "", **overrides: str) -> Outcome:
    """Run a command on the database."""
    return await run_command(service_environ(database, **overrides), *arguments, stdin=stdin)


async def wait_until_refused(client: httpx.AsyncClient) -> None:
    while True:
        try:
            await client.get("/health/live")
        except httpx.ConnectError:
            return
        except httpx.TransportError:
            pass  # It was on its way to a worker that has ended since.
        await asyncio.sleep(0.05)


def test_help_names_every_command_and_the_exit_codes(call: Call) -> None:
    outcome = call("--help")

    assert outcome.code == 0
    assert all(
        command in outcome.out
        for command in ("serve", "migrate", "create-admin", "keys", "service-accounts", "doctor", "openapi", "settings")
    )
    assert "0 done, 1 failed, 2 a setting or an argument is wrong" in " ".join(outcome.out.split())


@pytest.mark.parametrize("command", ["serve", "migrate", "create-admin", "doctor", "openapi"])
def test_help_of_a_command_has_examples(call: Call, command: str) -> None:
    outcome = call(command, "--help")

    assert outcome.code == 0
    assert re.search(rf"Examples:\s+.*cms-service {command}", outcome.out)


@pytest.mark.parametrize("arguments", [["serve"], ["migrate"], ["create-admin"], ["keys", "list"], ["settings"]])
def test_wrong_setting_is_one_line_and_exit_code_2(call: Call, arguments: list[str]) -> None:
    outcome = call(*arguments, CMS_ENV="development", CMS_PORT="http")

    assert outcome == Outcome(2, "", "cms-service: CMS_PORT is 'http'; expected a whole number from 1 to 65535.\n")


@pytest.mark.parametrize("workers", ["0", "-1", "1000"])
def test_argument_is_checked_like_the_setting_that_it_replaces(call: Call, workers: str) -> None:
    outcome = call("serve", "--workers", workers, CMS_ENV="development")

    assert outcome == Outcome(
        2, "", f"cms-service: CMS_WORKERS is '{workers}'; expected a whole number from 1 to 64.\n"
    )


def test_unknown_argument_is_exit_code_2(call: Call) -> None:
    assert call("serve", "--colour").code == 2


@pytest.mark.parametrize("arguments", [["serve"], ["migrate"], ["create-admin"], ["keys", "list"], ["settings"]])
def test_every_wrong_setting_is_a_line_when_there_are_several(call: Call, arguments: list[str]) -> None:
    outcome = call(*arguments, CMS_PORT="http", CMS_LOG_LEVL="debug")

    assert (outcome.code, outcome.out) == (2, "")
    assert [line.split()[:2] for line in outcome.err.splitlines()] == [
        ["cms-service:", name]
        for name in ("CMS_LOG_LEVL", "CMS_PORT", "CMS_PUBLIC_URL", "CMS_DATABASE_URL", "CMS_SECRET_KEY", "CMS_ENV")
    ]
    assert "set CMS_ENV=development" in outcome.err


def test_serve_is_refused_when_production_has_no_secrets(call: Call) -> None:
    outcome = call("serve", CMS_ENV="production", CMS_PUBLIC_URL="https://a.example.org", CMS_DATABASE_URL=UNREACHABLE)

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("cms-service: CMS_SECRET_KEY is missing; expected ")
    assert outcome.err.count("\n") == 1


def test_serve_is_refused_when_the_port_is_taken(call: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        outcome = call("serve", "--port", str(port), CMS_ENV="development", CMS_DATABASE_URL=UNREACHABLE)

    assert outcome == Outcome(1, "", f"cms-service: cannot listen on 127.0.0.1 port {port}: Address already in use\n")


def test_failure_of_the_database_is_one_line_without_its_password(call: Call) -> None:
    outcome = call("migrate", CMS_ENV="development", CMS_DATABASE_URL=UNREACHABLE)

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("cms-service: the database refuses: ")
    assert outcome.err.count("\n") == 1
    assert CANARY not in outcome.err


def test_settings_are_printed_without_secrets(call: Call) -> None:
    outcome = call("settings", CMS_ENV="development", CMS_DATABASE_URL=UNREACHABLE, CMS_PORT="8123")

    assert outcome.code == 0
    assert "CMS_PORT=8123\n" in outcome.out
    assert CANARY not in outcome.out


def test_settings_are_printed_as_json_when_that_is_wanted(call: Call) -> None:
    outcome = call("settings", "--json", CMS_ENV="development", CMS_DATABASE_URL=UNREACHABLE, CMS_PORT="8123")

    assert outcome.code == 0
    assert json.loads(outcome.out)["CMS_PORT"] == 8123
    assert CANARY not in outcome.out


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        (["ke"], ["plain,keys"]),
        (["keys", "r"], ["plain,rotate", "plain,retire"]),
        (["settings", "--j"], ["plain,--json"]),
    ],
)
def test_shell_completes_commands_when_it_is_set_up(call: Call, typed: list[str], completed: list[str]) -> None:
    """As the line of the documentation sets it up."""
    line = " ".join(["cms-service", *typed])

    setup = call(_CMS_SERVICE_COMPLETE="bash_source")
    outcome = call(_CMS_SERVICE_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(len(typed)))

    assert "complete -o nosort -F _cms_service_completion cms-service" in setup.out
    assert sorted(outcome.out.split()) == sorted(completed)


def test_settings_are_described_without_any_being_set(call: Call) -> None:
    assert call("settings", "--env-example").out == render_env_example()
    assert call("settings", "--markdown").out == render_settings_reference()


def test_openapi_document_does_not_depend_on_the_environment(call: Call, tmp_path: Path) -> None:
    written = call("openapi", "--output", "openapi.json")
    printed = call("openapi", CMS_ENV="production", CMS_PUBLIC_URL="https://other.example.org")

    assert (written.code, written.out, printed.code) == (0, "", 0)
    assert (tmp_path / "openapi.json").read_text() == printed.out
    assert json.loads(printed.out)["openapi"].startswith("3.")


def test_openapi_check_tells_whether_the_file_is_up_to_date(call: Call, tmp_path: Path) -> None:
    assert call("openapi", "--output", "openapi.json").code == 0
    assert call("openapi", "--check").code == 0
    (tmp_path / "openapi.json").write_text("{}")

    outcome = call("openapi", "--check")

    assert outcome.code == 1
    assert outcome.err.startswith("cms-service: openapi.json is not what the code says; run ")


@pytest.mark.slow
async def test_lift_throttle_forgets_what_was_tried(fresh_database: DatabaseFactory) -> None:
    database = await fresh_database()
    arguments = ("create-admin", "--email", "ann@example.org", "--password-stdin")
    assert (await run(database, *arguments, stdin=f"{PASSWORD}\n")).code == 0
    connection = await database.connect()
    await connection.execute(
        "INSERT INTO throttles (purpose, subject, failures) SELECT 'account', uuid_send(id), 91 FROM users"
    )

    lifted = await run(database, "lift-throttle", "ANN@example.org")
    unknown = await run(database, "lift-throttle", "bob@example.org")
    no_address = await run(database, "lift-throttle", "bob")

    assert (lifted.code, lifted.out) == (0, "The failed sign-ins to ANN@example.org are forgotten.\n"), lifted.err
    assert await connection.fetchval("SELECT count(*) FROM throttles") == 0
    assert await connection.fetchval("SELECT action FROM audit_events ORDER BY at DESC") == "user.throttle_lifted"
    assert (unknown.code, unknown.err) == (1, "cms-service: There is no account with this address.\n")
    assert no_address.code == 1
    assert "Traceback" not in no_address.err
    await connection.close()


@pytest.mark.slow
async def test_password_is_reset_when_its_owner_has_lost_it(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory
) -> None:
    database = await fresh_database()
    service = await service_factory(database)
    lost, new = service.admin_password, "seven blue herons on a pier"
    reset = ("reset-password", service.admin_email.upper(), "--password-stdin")
    async with service.client() as http:
        session = await sign_in(http, service.admin_email, lost)

        weak = await run(database, *reset, stdin="short\n")
        empty = await run(database, *reset, stdin="")
        unknown = await run(database, "reset-password", "bob@example.org", "--password-stdin", stdin=f"{new}\n")
        assert (await session.get("/api/v1/users/me")).status_code == 200
        done = await run(database, *reset, stdin=f"{new}\n")
        # Answered from no memory: the command has waited for the workers.
        assert (await session.get("/api/v1/users/me")).status_code == 401

        old = await http.post("/api/v1/auth/login", json={"email": service.admin_email, "password": lost})
        await sign_in(http, service.admin_email, new)

    assert (weak.code, weak.out) == (1, "")
    assert weak.err.startswith("cms-service: ")
    assert (empty.code, empty.err) == (2, "cms-service: there is no password on standard input\n")
    assert (unknown.code, unknown.err) == (1, "cms-service: There is no account with this address.\n")
    assert (done.code, done.out) == (
        0,
        f"{service.admin_email.upper()} has a new password. Sessions ended: 1.\n",
    ), done.err
    assert old.status_code == 401


@pytest.mark.slow
async def test_create_admin_makes_an_administrator(fresh_database: DatabaseFactory) -> None:
    database = await fresh_database()
    arguments = ("create-admin", "--email", "ann@example.org", "--password-stdin")

    made = await run(database, *arguments, stdin=f"{PASSWORD}\n")
    again = await run(database, *arguments, stdin=f"{PASSWORD}\n")
    weak = await run(database, "create-admin", "--email", "bob@example.org", "--password-stdin", stdin="short\n")

    assert (made.code, made.out) == (0, "ann@example.org is an administrator.\n"), made.err
    assert (again.code, again.out) == (1, "")
    assert (weak.code, weak.out) == (1, "")
    assert all("Traceback" not in outcome.err and outcome.err.startswith("cms-service: ") for outcome in (again, weak))
    connection = await database.connect()
    assert await connection.fetchval("SELECT array_agg(email) FROM users") == ["ann@example.org"]
    await connection.close()


@pytest.mark.slow
async def test_service_account_is_made_with_a_key_that_is_shown_once(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory
) -> None:
    database = await fresh_database()
    create = ("service-accounts", "create")

    made = await run(database, *create, "gateway", "--role", "member", "--role", "administrator")
    repeated = await run(database, *create, "gateway")
    without_role = await run(database, *create, "other", "--role", "no-such-role")
    wrong_name = await run(database, *create, "No Slug")
    misleading = [await run(database, *create, "third", "--description", text) for text in (" x ", "safe\u202egnp")]
    as_json = json.loads((await run(database, *create, "other", "--json")).out)

    assert made.code == 0, made.err
    shown = re.fullmatch(
        r"Client id  (\S+)\nAPI key    (cms_k_\w{49})  \(shown this once, good until \S+\)\n", made.out
    )
    assert shown, made.out
    assert as_json.keys() == {"client_id", "api_key", "expires_at"}
    assert [hidden.code for hidden in misleading] == [1, 1]
    assert misleading[0].err == "cms-service: It begins or ends with a blank.\n"
    assert (repeated.code, repeated.err) == (1, "cms-service: The name is taken.\n")
    assert (without_role.code, without_role.err) == (1, "cms-service: There is no such role.\n")
    assert wrong_name.code == 1
    assert wrong_name.err.count("\n") == 1
    service = await service_factory(database)
    async with service.client() as http:
        headers = {"Authorization": f"Bearer {shown[2]}"}
        accounts = (await http.get("/api/v1/service-accounts", headers=headers)).json()["items"]
        events = (await http.get("/api/v1/audit-events", headers=headers, params={"target_id": shown[1]})).json()
    assert {account["id"] for account in accounts} == {shown[1], as_json["client_id"]}
    assert [event["actor_id"] for event in events["items"]] == [None] * 3


@pytest.mark.slow
async def test_signing_keys_are_listed_as_json_when_that_is_wanted(fresh_database: DatabaseFactory) -> None:
    database = await fresh_database()
    await run(database, "keys", "rotate", "--now")

    table, listed = await run(database, "keys", "list"), await run(database, "keys", "list", "--json")

    (key,) = (key for key in json.loads(listed.out) if key["state"] == "signing")
    assert key.keys() == {"kid", "algorithm", "published_at", "active_from", "retires_at", "state"}
    assert f"{key['kid']}  EdDSA      signing" in table.out


@pytest.mark.slow
async def test_migrate_goes_down_only_when_told_so(fresh_database: DatabaseFactory) -> None:
    database = await fresh_database()

    refused = await run(database, "migrate", "--down-to", "base", stdin="n\n")
    agreed = await run(database, "migrate", "--down-to", "base", "--yes")
    unknown = await run(database, "migrate", "--to", "nowhere")

    assert refused.code == 1
    assert (agreed.code, agreed.out) == (0, "The database is at base.\n"), agreed.err
    assert (unknown.code, unknown.err) == (1, "cms-service: Can't locate revision identified by 'nowhere'\n")


async def test_serve_starts_as_many_workers_as_its_argument_says(
    fresh_database: DatabaseFactory, tmp_path: Path
) -> None:
    reserved = reserve_port()
    port = reserved.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cms_service", "serve", "--workers", "2", "--port", str(port)),
        cwd=tmp_path,
        env=service_environ(await fresh_database(), workers="1"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )

    async def have_all_begun() -> bool:
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
                return "\ncms_workers 2.0\n" in (await client.get("/metrics")).text
        except httpx.TransportError:
            return False

    try:
        await eventually(have_all_begun)
    finally:
        process.terminate()
        assert await process.wait() == 0
        reserved.close()


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_serve_ends_well_when_it_is_told_to(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory, signal_number: signal.Signals
) -> None:
    service = await service_factory(await fresh_database(), workers="2")

    await service.stop(signal_number)

    assert service.process.returncode == 0
    assert "Unexpected exit" not in service.log.read_text()


async def test_serve_ends_well_when_many_signals_tell_it_at_once(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory
) -> None:
    service = await service_factory(await fresh_database())

    for signal_number in [signal.SIGHUP, signal.SIGTERM, signal.SIGINT] * 20:
        service.process.send_signal(signal_number)
    await service.stop()

    assert service.process.returncode == 0


LEFT_ALONE = """
import multiprocessing, os, signal, threading, time
from cms_service.cli import serving

serving.FINISH_SECONDS = 2

def work():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=serving.end_soon_after_main_process, daemon=True).start()
    print("left alone", flush=True)
    time.sleep(60)

multiprocessing.get_context("fork").Process(target=work).start()
os._exit(0)
"""


@pytest.mark.slow
async def test_worker_that_hears_no_signal_ends_when_the_main_process_is_killed() -> None:
    command = [sys.executable, "-c", LEFT_ALONE]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)

    async with asyncio.timeout(40):
        # The output has ended when the last process that may write to it has.
        output, _ = await process.communicate()
    assert (output, process.returncode) == (b"left alone\n", 0)


async def test_no_worker_stays_behind_when_the_main_process_is_killed(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory
) -> None:
    service = await service_factory(await fresh_database(), workers="2")

    service.process.kill()

    async with asyncio.timeout(10), service.client() as client:
        await wait_until_refused(client)


@pytest.mark.slow
async def test_production_serves_before_the_database_is_migrated(
    fresh_database: DatabaseFactory, tmp_path: Path
) -> None:
    database = await fresh_database(is_migrated=False)
    service = Service(production_environ(database), tmp_path)

    async def is_told() -> bool:
        return "run `cms-service migrate`" in service.log.read_text()

    await service.wait_until_live()
    async with service.client() as client:
        assert (await client.get("/health/ready")).status_code == httpx.codes.SERVICE_UNAVAILABLE
        await eventually(is_told)
        assert (await run(database, "migrate")).code == 0
        await service.wait_until_ready()
    await service.stop()


@pytest.mark.slow
async def test_development_needs_no_database_and_shows_its_password_once(reachable_path: Path) -> None:
    environ = {"CMS_ENV": "development", "CMS_DATA_DIR": str(reachable_path / "data")}
    first = Service(environ, reachable_path)
    await first.wait_until_ready()
    shown = first.log.read_text()
    password = re.search(r"Password +(\S+)  \(shown this once\)", shown)
    assert password is not None, shown

    rival = Service(environ, reachable_path)
    await asyncio.to_thread(rival.process.wait, 60)
    await rival.stop()
    assert rival.process.returncode == 2
    assert "is in use by another cms-service" in rival.log.read_text()

    async with first.client() as client:
        await sign_in(client, "admin@example.org", password[1])
    await first.stop()
    assert first.process.returncode == 0
    assert not (reachable_path / "data/postgres/postmaster.pid").exists()

    second = Service(environ, reachable_path)
    await second.wait_until_ready()
    await second.stop()
    assert "shown this once" not in second.log.read_text()


def banner_with(**overrides: str) -> str:
    own = {"CMS_ENV": "development", "CMS_SECRET_KEY": secrets.token_hex(32)}
    return serving._banner(load_settings(own | overrides), None)


def test_banner_leads_to_the_public_url_when_a_proxy_is_in_front() -> None:
    banner = banner_with(CMS_PUBLIC_URL="https://example.org/id/", CMS_PORT="8123")

    assert "Service         https://example.org/id\n" in banner
    assert "API reference   https://example.org/id/schema\n" in banner
    assert "Listens on      http://127.0.0.1:8123\n" in banner


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "http://127.0.0.1:8123"),
        ("0.0.0.0", "http://127.0.0.1:8123"),  # noqa: S104
        ("::", "http://[::1]:8123"),
        ("10.1.2.3", "http://10.1.2.3:8123"),
    ],
)
def test_banner_leads_to_where_it_listens_when_no_public_url_is_set(host: str, shown: str) -> None:
    banner = banner_with(CMS_HOST=host, CMS_PORT="8123")

    assert f"Service         {shown}\n" in banner
    assert "Listens on" not in banner


def test_banner_does_not_show_a_password_that_was_chosen() -> None:
    settings = load_settings(
        {"CMS_ENV": "development", "CMS_ADMIN_PASSWORD": CANARY, "CMS_SECRET_KEY": secrets.token_hex(32)}
    )

    banner = serving._banner(settings, GeneratedAdministrator("admin@example.org", CANARY))

    assert "admin@example.org" in banner
    assert CANARY not in banner
