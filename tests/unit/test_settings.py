import hashlib
import json
import os
import pickle
import random
import re
import stat
from base64 import b64encode, urlsafe_b64encode
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import quote

import pytest
from rich.pretty import pretty_repr

from cms_service.core.config import (
    Environment,
    LogFormat,
    PasswordHashing,
    Registration,
    Settings,
    SigningAlgorithm,
    load_settings,
    read_environment,
    render_env_example,
    render_settings,
    render_settings_as_json,
    render_settings_reference,
)
from cms_service.core.config.settings import SECRETS, VARIABLES, variable_name
from cms_service.core.exceptions import ConfigurationError

REPOSITORY = Path(__file__).parents[2]
# As good as random, and the same in every worker process, as the names of tests have to be.
BYTES = hashlib.sha256(b"a key for tests").digest()
KEY = b64encode(BYTES).decode()
OTHER_KEY = b64encode(hashlib.sha256(b"another key for tests").digest()).decode()
DATABASE_PASSWORD = "Zq81-database-canary"
DATABASE_URL = f"postgresql://cms:{DATABASE_PASSWORD}@db.internal/cms"
PRODUCTION = {
    "CMS_ENV": "production",
    "CMS_PUBLIC_URL": "https://accounts.example.org",
    "CMS_DATABASE_URL": DATABASE_URL,
    "CMS_SECRET_KEY": KEY,
}
DEVELOPMENT = {"CMS_ENV": "development", "CMS_SECRET_KEY": KEY}


def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environ)
    return str(caught.value)


def test_production_needs_only_what_nobody_can_guess() -> None:
    settings = load_settings(PRODUCTION)

    assert settings.environment is Environment.PRODUCTION
    assert settings.log_format is LogFormat.JSON
    assert settings.admin_password is None
    assert settings.registration is Registration.CLOSED
    assert settings.database_direct_url == settings.database_url


def test_environment_is_production_when_it_is_not_named() -> None:
    assert load_settings({**PRODUCTION, "CMS_ENV": ""}).environment is Environment.PRODUCTION


@pytest.mark.parametrize("name", ["CMS_PUBLIC_URL", "CMS_DATABASE_URL", "CMS_SECRET_KEY"])
def test_production_is_refused_when_a_required_variable_is_missing(name: str) -> None:
    assert refusal({**PRODUCTION, name: ""}).startswith(f"{name} is missing; expected ")


def test_development_needs_nothing(tmp_path: Path) -> None:
    settings = load_settings({"CMS_ENV": "development", "CMS_DATA_DIR": str(tmp_path), "CMS_PORT": "8123"})

    assert settings.log_format is LogFormat.CONSOLE
    assert settings.registration is Registration.OPEN
    assert settings.database_url is None
    assert settings.public_url == "http://127.0.0.1:8123"


def test_development_keeps_the_secret_key_that_it_made(tmp_path: Path) -> None:
    environ = {"CMS_ENV": "development", "CMS_DATA_DIR": str(tmp_path / "new")}

    keys = {load_settings(environ).secret_key for _ in range(3)}

    assert len(keys) == 1
    assert stat.S_IMODE((tmp_path / "new/secret_key").stat().st_mode) == 0o600
    assert len(list((tmp_path / "new").iterdir())) == 1


@pytest.mark.parametrize("makes_secret_key", [True, False])
def test_directory_stays_as_it_is_when_the_secret_key_is_there(tmp_path: Path, *, makes_secret_key: bool) -> None:
    """It may be read-only."""
    environ = {"CMS_ENV": "development", "CMS_DATA_DIR": str(tmp_path)}
    key = load_settings(environ).secret_key
    os.utime(tmp_path, (0, 0))

    assert load_settings(environ, makes_secret_key=makes_secret_key).secret_key == key
    assert tmp_path.stat().st_mtime == 0


def test_development_is_refused_when_the_kept_key_was_spoilt(tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_text("short")

    assert "delete it" in refusal({"CMS_ENV": "development", "CMS_DATA_DIR": str(tmp_path)})


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("CMS_ENV", "staging", "CMS_ENV is 'staging'; expected development or production."),
        ("CMS_PORT", "80000", "CMS_PORT is '80000'; expected a whole number from 1 to 65535."),
        ("CMS_PORT", "-1", "CMS_PORT is '-1'; expected"),
        ("CMS_PORT", "8_000", "CMS_PORT is '8_000'; expected"),
        ("CMS_PORT", "٨٠٠٠", "CMS_PORT is '٨٠٠٠'; expected"),
        ("CMS_HOST", "no such host", "CMS_HOST is 'no such host'; expected an IP address."),
        ("CMS_PUBLIC_URL", "accounts.example.org", "CMS_PUBLIC_URL is 'accounts.example.org'; expected an http"),
        ("CMS_PUBLIC_URL", "https://u:p@example.org", "CMS_PUBLIC_URL is 'https://…@example.org'; expected"),
        ("CMS_PUBLIC_URL", "https://example.org:99999", "CMS_PUBLIC_URL is 'https://example.org:99999'; expected"),
        ("CMS_PUBLIC_URL", "https://example.org:0", "CMS_PUBLIC_URL is 'https://example.org:0'; expected"),
        ("CMS_PUBLIC_URL", "https://example.org:", "CMS_PUBLIC_URL is 'https://example.org:'; expected"),
        ("CMS_PUBLIC_URL", "https://example.org:8o", "CMS_PUBLIC_URL is 'https://example.org:8o'; expected"),
        ("CMS_PUBLIC_URL", "https://exa mple.org", "CMS_PUBLIC_URL is 'https://exa mple.org'; expected"),
        ("CMS_PUBLIC_URL", "https://example.org/a b", "CMS_PUBLIC_URL is 'https://example.org/a b'; expected"),
        ("CMS_PUBLIC_URL", "https://exam\tple.org", "CMS_PUBLIC_URL is 'https://exam\\tple.org'; expected"),
        ("CMS_PUBLIC_URL", "https://exämple.org", "CMS_PUBLIC_URL is 'https://exämple.org'; expected"),
        ("CMS_PUBLIC_URL", "https://example..org", "CMS_PUBLIC_URL is 'https://example..org'; expected"),
        ("CMS_PUBLIC_URL", "https://-example.org", "CMS_PUBLIC_URL is 'https://-example.org'; expected"),
        ("CMS_PUBLIC_URL", "https://1.2.3", "CMS_PUBLIC_URL is 'https://1.2.3'; expected"),
        ("CMS_PUBLIC_URL", "https://[::1", "CMS_PUBLIC_URL is 'https://[::1'; expected"),
        ("CMS_PUBLIC_URL", "https://[::g]", "CMS_PUBLIC_URL is 'https://[::g]'; expected"),
        ("CMS_PUBLIC_URL", "https://", "CMS_PUBLIC_URL is 'https://'; expected"),
        ("CMS_PUBLIC_URL", "https://example.org/../id", "CMS_PUBLIC_URL is 'https://example.org/../id'; expected"),
        ("CMS_PUBLIC_URL", "https://example.org//id", "CMS_PUBLIC_URL is 'https://example.org//id'; expected"),
        ("CMS_PUBLIC_URL", "https://example.org/%69d", "CMS_PUBLIC_URL is 'https://example.org/%69d'; expected"),
        ("CMS_PUBLIC_URL", "https://example.org/id?a=1", "CMS_PUBLIC_URL is 'https://example.org/id?a=1'; expected"),
        ("CMS_PUBLIC_URL", "https://example.org/#id", "CMS_PUBLIC_URL is 'https://example.org/#id'; expected"),
        ("CMS_PUBLIC_URL", "https://example.org?", "CMS_PUBLIC_URL is 'https://example.org?'; expected"),
        ("CMS_PUBLIC_URL", "https://example.org#", "CMS_PUBLIC_URL is 'https://example.org#'; expected"),
        ("CMS_PUBLIC_URL", "https://example.org:0080", "CMS_PUBLIC_URL is 'https://example.org:0080'; expected"),
        ("CMS_PUBLIC_URL", "https://0x7f.1", "CMS_PUBLIC_URL is 'https://0x7f.1'; expected"),
        ("CMS_PUBLIC_URL", "https://[fe80::1%25eth0]", "CMS_PUBLIC_URL is 'https://[fe80::1%25eth0]'; expected"),
        ("CMS_ACCESS_TOKEN_SECONDS", "29", "CMS_ACCESS_TOKEN_SECONDS is '29'; expected"),
        ("CMS_DATABASE_POOL_TIMEOUT_SECONDS", "nan", "CMS_DATABASE_POOL_TIMEOUT_SECONDS is 'nan'; expected"),
        ("CMS_REGISTRATION", "maybe", "CMS_REGISTRATION is 'maybe'; expected open or closed."),
        ("CMS_CORS_ORIGINS", "*", "CMS_CORS_ORIGINS is '*'; expected"),
        ("CMS_CORS_ORIGINS", "null", "CMS_CORS_ORIGINS is 'null'; expected"),
        ("CMS_CORS_ORIGINS", "https://*.example.org", "CMS_CORS_ORIGINS is 'https://*.example.org'; expected"),
        ("CMS_CORS_ORIGINS", "https://example.org/", "CMS_CORS_ORIGINS is 'https://example.org/'; expected"),
        ("CMS_CORS_ORIGINS", "https://example.org:443", "CMS_CORS_ORIGINS is 'https://example.org:443'; expected"),
        ("CMS_CORS_ORIGINS", "https://example.org:99999", "CMS_CORS_ORIGINS is 'https://example.org:99999'; expected"),
        ("CMS_CORS_ORIGINS", "https://Example.org", "CMS_CORS_ORIGINS is 'https://Example.org'; expected"),
        ("CMS_CORS_ORIGINS", "https://[0:0::1]", "CMS_CORS_ORIGINS is 'https://[0:0::1]'; expected"),
        ("CMS_CORS_ORIGINS", "https://example.org:08443", "CMS_CORS_ORIGINS is 'https://example.org:08443'; expected"),
        ("CMS_CORS_ORIGINS", "https://0x7f.1", "CMS_CORS_ORIGINS is 'https://0x7f.1'; expected"),
        ("CMS_CORS_ORIGINS", "https://exämple.org", "CMS_CORS_ORIGINS is 'https://exämple.org'; expected"),
        ("CMS_CORS_ORIGINS", "https://exa mple.org", "CMS_CORS_ORIGINS is 'https://exa mple.org'; expected"),
        ("CMS_TRUSTED_PROXIES", "10.0.0.1/8", "CMS_TRUSTED_PROXIES is '10.0.0.1/8'; expected"),
        ("CMS_ADMIN_EMAIL", "admin", "CMS_ADMIN_EMAIL is 'admin'; expected an e-mail address."),
        ("CMS_REFRESH_ABSOLUTE_SECONDS", "60", "CMS_REFRESH_ABSOLUTE_SECONDS is 60; expected CMS_REFRESH_IDLE"),
    ],
)
def test_value_is_refused_in_one_line_when_it_is_wrong(name: str, text: str, complaint: str) -> None:
    message = refusal({**DEVELOPMENT, name: text})

    assert message.startswith(complaint)
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("CMS_SECRETKEY", "did you mean CMS_SECRET_KEY?"),
        ("CMS_WORKER", "did you mean CMS_WORKERS?"),
        ("CMS_XYZZY", "`cms-service settings` lists those there are."),
        ("CMS_LOG_LEVL", "did you mean CMS_LOG_LEVEL?"),
        ("CMS_SECRET_KEY_FIEL", "did you mean CMS_SECRET_KEY_FILE?"),
        ("CMS_SERVICE_NAME", "`cms-service settings` lists those there are."),
        ("CMS_FRONTEND_SERVICE_HOST_NAME", "`cms-service settings` lists those there are."),
    ],
)
def test_unknown_variable_is_refused_with_a_hint(name: str, hint: str) -> None:
    assert refusal({**DEVELOPMENT, name: "1"}) == f"{name} is not a setting; {hint}"


@pytest.mark.parametrize("service", ["CMS", "CMS_SERVICE", "CMS_FRONTEND", "CMS_POSTGRES", "CMS_DATABASE_POOL"])
@pytest.mark.parametrize("ip", ["10.96.0.7", "fd00:10:96::7"])
def test_service_links_of_kubernetes_are_no_settings(service: str, ip: str) -> None:
    url = f"tcp://[{ip}]:80" if ":" in ip else f"tcp://{ip}:80"
    links = {
        f"{service}_SERVICE_HOST": ip,
        f"{service}_SERVICE_PORT": "80",
        f"{service}_SERVICE_PORT_HTTP": "80",
        f"{service}_PORT": url,
        f"{service}_PORT_80_TCP": url,
        f"{service}_PORT_80_TCP_PROTO": "tcp",
        f"{service}_PORT_80_TCP_PORT": "80",
        f"{service}_PORT_80_TCP_ADDR": ip,
        f"{service}_PORT_53_UDP": url.replace("tcp", "udp"),
    }

    assert load_settings(DEVELOPMENT | links) == load_settings(DEVELOPMENT)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("CMS_PORT", "8o80"),
        ("CMS_PORT", "tcp://10.96.0.7"),
        ("CMS_FRONTEND_PORT", "80"),
        ("CMS_FRONTEND_SERVICE_HOST", "db.internal"),
        ("CMS_FRONTEND_SERVICE_HOST", "db"),
        ("CMS_FRONTEND_SERVICE_PORT", "eighty"),
        ("CMS_FRONTEND_PORT_80_TCP_PROTO", "80"),
    ],
)
def test_variable_is_refused_when_only_its_name_is_that_of_a_service_link(name: str, text: str) -> None:
    assert refusal({**DEVELOPMENT, name: text}).startswith(f"{name} is ")


def test_every_secret_is_read_from_a_file_when_its_variable_names_one(tmp_path: Path) -> None:
    secrets = {
        "CMS_DATABASE_URL": DATABASE_URL,
        "CMS_DATABASE_DIRECT_URL": DATABASE_URL,
        "CMS_SECRET_KEY": KEY,
        "CMS_SECRET_KEY_PREVIOUS": OTHER_KEY,
        "CMS_ADMIN_PASSWORD": "Zq81-administrator",
        "CMS_METRICS_TOKEN": BYTES.hex(),
    }
    files = {f"{name}_FILE": str(tmp_path / name.lower()) for name in secrets}
    for name, text in secrets.items():
        (tmp_path / name.lower()).write_text(f"{text}\n", encoding="utf-8")
    others = {name: text for name, text in PRODUCTION.items() if name not in secrets}

    assert load_settings(others | files) == load_settings(others | secrets)
    assert {variable_name(field) for field in SECRETS} == secrets.keys()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "CMS_SECRET_KEY_FILE names a file that cannot be read (No such file or directory); expected one line"),
        (b"", "CMS_SECRET_KEY_FILE names a file that is empty; expected one line with CMS_SECRET_KEY."),
        (b" \n", "CMS_SECRET_KEY_FILE names a file that is empty; expected"),
        (b"one\ntwo\n", "CMS_SECRET_KEY_FILE names a file that holds several lines; expected"),
        (b"\xff\xfe", "CMS_SECRET_KEY_FILE names a file that is not UTF-8 text; expected"),
        (b"a" * 70_000, "CMS_SECRET_KEY_FILE names a file that has more than 65536 bytes; expected"),
        (b"short", "CMS_SECRET_KEY is "),
    ],
)
def test_secret_is_refused_when_its_file_does_not_hold_it(
    tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)

    message = refusal({**PRODUCTION, "CMS_SECRET_KEY": "", "CMS_SECRET_KEY_FILE": str(path)})

    assert message.startswith(complaint)
    assert "short;" not in message
    assert str(path) not in message
    assert "\n" not in message


@pytest.mark.parametrize("path", [KEY, "~nobody-at-all/key", "/", "a\x00b", "key\nkey"])
def test_secret_is_not_shown_when_it_stands_in_place_of_a_path(path: str) -> None:
    message = refusal({**PRODUCTION, "CMS_SECRET_KEY": "", "CMS_SECRET_KEY_FILE": path})

    assert message.startswith("CMS_SECRET_KEY_FILE names a file that cannot be read (")
    assert path == "/" or path not in message
    assert "\n" not in message


def test_secret_is_refused_when_it_is_set_in_both_forms(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)

    message = refusal({**PRODUCTION, "CMS_SECRET_KEY_FILE": str(tmp_path / "key")})

    assert message == "CMS_SECRET_KEY and CMS_SECRET_KEY_FILE are both set; expected one of them."


def test_secret_is_read_from_a_pipe_when_its_variable_names_one() -> None:
    """As `CMS_SECRET_KEY_FILE=<(pass show key)` does in a shell. It can be read only once."""
    reader, writer = os.pipe()
    os.write(writer, KEY.encode())
    os.close(writer)

    settings = load_settings({**PRODUCTION, "CMS_SECRET_KEY": "", "CMS_SECRET_KEY_FILE": f"/dev/fd/{reader}"})

    os.close(reader)
    assert settings.secret_key == BYTES


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("https://accounts.example.org", "https://accounts.example.org"),
        ("https://accounts.example.org/", "https://accounts.example.org"),
        ("HTTPS://Accounts.Example.org/Id/", "https://accounts.example.org/Id"),
        ("https://example.org:8443/id/v1", "https://example.org:8443/id/v1"),
        ("http://cms_service:8000", "http://cms_service:8000"),
        ("http://192.0.2.7:8000", "http://192.0.2.7:8000"),
        ("http://[2001:db8::7]:8000", "http://[2001:db8::7]:8000"),
    ],
)
def test_public_url_is_understood_in_the_usual_spellings(given: str, used: str) -> None:
    assert load_settings({**DEVELOPMENT, "CMS_PUBLIC_URL": given}).public_url == used


@pytest.mark.parametrize(
    ("environ", "is_advised"),
    [
        ({}, True),
        ({"CMS_PUBLIC_URL": "https://accounts.example.org", "CMS_DATABASE_URL": DATABASE_URL}, True),
        ({"CMS_ENV": "production"}, False),
        ({**PRODUCTION, "CMS_ENV": "", "CMS_PORT": "http"}, False),
        ({**PRODUCTION, "CMS_ENV": "", "CMS_SECRET_KEY": "short"}, False),
    ],
)
def test_development_is_suggested_when_required_settings_are_missing(environ: dict[str, str], is_advised: bool) -> None:
    assert ("set CMS_ENV=development" in refusal(environ)) is is_advised


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("changeme", "is a placeholder"),
        ("ChangeMe-ChangeMe-ChangeMe-ChangeMe-ChangeMe", "is a placeholder"),
        ("your_key_here_your_key_here_your_key_here_00", "is a placeholder"),
        ("c3VwZXI=", "is too short (5 bytes)"),
        (b64encode(BYTES[:31]).decode(), "is too short (31 bytes)"),
        (BYTES[:31].hex(), "is too short (31 bytes)"),
        ("00" * 32, "is predictable"),
        (bytes(range(32)).hex(), "is predictable"),
        (BYTES[:16].hex() * 2, "is predictable"),
        (b64encode(b"this is nothing but a long sentence").decode(), "is predictable"),
        ("correcthorsebatterystaplecorrecthorsebattery", "is neither random base64 nor hex"),
        ("Correct horse battery staple, and then some!", "is neither base64 nor hex"),
    ],
)
def test_secret_key_is_refused_when_it_can_be_guessed(key: str, reason: str) -> None:
    message = refusal({**PRODUCTION, "CMS_SECRET_KEY": key})

    assert message.startswith(f"CMS_SECRET_KEY {reason}; expected at least 32 random bytes")
    assert key not in message


def test_secret_key_is_accepted_as_base64_base64url_and_hex() -> None:
    generator = random.Random(32)  # noqa: S311 - no secret, and the same ones every time: few random keys hold a word
    for _ in range(500):
        key = generator.randbytes(32)
        base64, base64url = b64encode(key).decode(), urlsafe_b64encode(key).decode()
        for text in (base64, base64.rstrip("="), base64url, base64url.rstrip("="), key.hex()):
            assert load_settings({**PRODUCTION, "CMS_SECRET_KEY": text}).secret_key == key


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({"CMS_ADMIN_PASSWORD": KEY}, "CMS_SECRET_KEY equals CMS_ADMIN_PASSWORD"),
        (
            {"CMS_ADMIN_PASSWORD": OTHER_KEY, "CMS_SECRET_KEY_PREVIOUS": OTHER_KEY},
            "CMS_SECRET_KEY_PREVIOUS equals CMS_ADMIN_PASSWORD",
        ),
        ({"CMS_SECRET_KEY_PREVIOUS": KEY}, "CMS_SECRET_KEY_PREVIOUS equals CMS_SECRET_KEY"),
        ({"CMS_SECRET_KEY_PREVIOUS": BYTES.hex()}, "CMS_SECRET_KEY_PREVIOUS equals CMS_SECRET_KEY"),
        ({"CMS_DATABASE_URL": f"postgresql://cms:{KEY.replace('/', '%2F')}@h/d"}, "CMS_SECRET_KEY is also in CMS_DATA"),
        ({"CMS_ADMIN_PASSWORD": DATABASE_PASSWORD}, "CMS_ADMIN_PASSWORD is also in CMS_DATABASE_URL"),
        (
            {"CMS_DATABASE_DIRECT_URL": f"postgresql://cms:{KEY.replace('/', '%2F')}@h/d"},
            "CMS_SECRET_KEY is also in CMS_DATABASE_DIRECT_URL",
        ),
        (
            {
                "CMS_ADMIN_PASSWORD": OTHER_KEY,
                "CMS_DATABASE_DIRECT_URL": f"postgresql://cms:{quote(OTHER_KEY, safe='')}@h/d",
            },
            "CMS_ADMIN_PASSWORD is also in CMS_DATABASE_DIRECT_URL",
        ),
        ({"CMS_DATABASE_URL": "postgresql://cms:changeme@h/d"}, "CMS_DATABASE_URL has a placeholder for a password"),
        ({"CMS_ADMIN_PASSWORD": "changeme-changeme"}, "CMS_ADMIN_PASSWORD is a placeholder"),
        ({"CMS_ADMIN_PASSWORD": "Zq81-ca"}, "CMS_ADMIN_PASSWORD is too short or too long"),
    ],
)
def test_secret_is_refused_when_it_is_reused_or_weak(environ: dict[str, str], complaint: str) -> None:
    message = refusal({**PRODUCTION, **environ})

    assert message.startswith(complaint)
    assert not any(text in message for text in environ.values())


@pytest.mark.parametrize(
    "url",
    [
        "mysql://cms:Zq81-canary@h/d",
        "postgresql://cms:Zq81-canary@h",
        "postgresql://cms:Zq81-canary@h:99999/d",
        "postgresql://cms:Zq81/canary@h/d",
        "postgresql://cms:Zq81-canary@/d",
        "postgresql://cms:Zq81-canary@h/d?target_session_attrs=any",
        "postgresql://cms:Zq81-canary@h/d?target_session_attrs=prefer-standby",
        "postgresql://cms:Zq81-canary@h,i:0/d",
        "postgresql://cms:Zq81-canary@h,i:x/d",
        "postgresql://cms:Zq81-canary@h,/d",
        "postgresql://cms:Zq81-canary@[::1],/d",
        "postgresql://cms:Zq81-canary@[::1]:0,h/d",
        "postgresql://cms:Zq81-canary@[::1]:99999,h/d",
        "Zq81-canary",
    ],
)
def test_database_url_is_refused_without_being_shown(url: str) -> None:
    message = refusal({**PRODUCTION, "CMS_DATABASE_URL": url})

    assert message.startswith("CMS_DATABASE_URL ")
    assert "Zq81" not in message


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgres://u:p%40@h/d", "postgresql+asyncpg://u:p%40@h/d"),
        ("postgresql://h:5433/d?sslmode=require", "postgresql+asyncpg://h:5433/d?ssl=require"),
        ("postgresql:///d?host=/run/postgresql", "postgresql+asyncpg:///d?host=/run/postgresql"),
        ("postgresql+asyncpg://h/d", "postgresql+asyncpg://h/d"),
        ("postgresql://u@h:5433,i/d", "postgresql+asyncpg://u@h:5433,i/d"),
        ("postgresql://[::1]:5433/d", "postgresql+asyncpg://[::1]:5433/d"),
        ("postgresql://[::1]:5433,[::2]/d", "postgresql+asyncpg:///d?host=[::1]:5433,[::2]"),
        (
            "postgresql://u:p%40@db,[::2]:1/d?sslmode=require",
            "postgresql+asyncpg://u:p%40@/d?ssl=require&host=db,[::2]:1",
        ),
        ("postgresql:///d?host=/a,/b&port=1,2", "postgresql+asyncpg:///d?host=/a,/b&port=1,2"),
        ("postgresql://h/d?target_session_attrs=primary", "postgresql+asyncpg://h/d"),
        ("postgresql://h/d?target_session_attrs=read-write", "postgresql+asyncpg://h/d"),
    ],
)
def test_database_url_is_understood_in_the_usual_spellings(given: str, used: str) -> None:
    assert load_settings({**DEVELOPMENT, "CMS_DATABASE_URL": given}).database_url == used


@pytest.mark.parametrize("text", ["ES256", "es256"])
def test_signing_algorithm_is_read_in_any_case(text: str) -> None:
    assert load_settings(DEVELOPMENT).signing_algorithm is SigningAlgorithm.EDDSA
    assert load_settings({**DEVELOPMENT, "CMS_SIGNING_ALGORITHM": text}).signing_algorithm is SigningAlgorithm.ES256
    assert "expected EdDSA or ES256" in refusal({**DEVELOPMENT, "CMS_SIGNING_ALGORITHM": "HS256"})


def test_signing_key_is_published_for_less_time_than_it_signs() -> None:
    message = refusal({**DEVELOPMENT, "CMS_SIGNING_KEY_SECONDS": "3600", "CMS_SIGNING_KEY_AHEAD_SECONDS": "3600"})

    assert message == "CMS_SIGNING_KEY_SECONDS is 3600; expected more than CMS_SIGNING_KEY_AHEAD_SECONDS (3600)."


def test_cheap_hashing_is_refused_in_production() -> None:
    assert load_settings(PRODUCTION).password_hashing is PasswordHashing.STANDARD
    assert load_settings(DEVELOPMENT).password_hashing is PasswordHashing.STANDARD
    assert load_settings({**DEVELOPMENT, "CMS_PASSWORD_HASHING": "cheapest"}).password_hashing == "cheapest"
    message = refusal({**PRODUCTION, "CMS_PASSWORD_HASHING": "cheapest"})
    assert message == "CMS_PASSWORD_HASHING is cheapest; expected standard in production."


def test_previous_secret_key_is_as_strict_as_the_present_one() -> None:
    assert load_settings({**PRODUCTION, "CMS_SECRET_KEY_PREVIOUS": OTHER_KEY}).secret_key_previous is not None
    assert refusal({**PRODUCTION, "CMS_SECRET_KEY_PREVIOUS": "00" * 32}).startswith(
        "CMS_SECRET_KEY_PREVIOUS is predictable"
    )


def test_direct_url_is_refused_when_it_stands_alone() -> None:
    assert "expected both" in refusal({**DEVELOPMENT, "CMS_DATABASE_DIRECT_URL": DATABASE_URL})


def test_lists_are_separated_by_commas() -> None:
    settings = load_settings(
        {
            **DEVELOPMENT,
            "CMS_CORS_ORIGINS": "https://a.example.org, http://localhost:3000",
            "CMS_TRUSTED_PROXIES": "10.0.0.0/8, 192.0.2.1, 2001:db8::/32",
        }
    )

    assert settings.cors_origins == ("https://a.example.org", "http://localhost:3000")
    assert settings.trusted_proxies == tuple(map(ip_network, ("10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32")))


def test_secrets_are_shown_nowhere() -> None:
    settings = load_settings({**PRODUCTION, "CMS_ADMIN_PASSWORD": "Zq81-administrator"})

    renderings = (render_settings(settings), render_settings_as_json(settings))
    for shown in (repr(settings), str(settings), pretty_repr(settings), *renderings):
        assert "Zq81" not in shown
        assert repr(settings.secret_key) not in shown
        assert KEY not in shown


def test_secret_is_shown_as_empty_when_it_is_not_set() -> None:
    lines = render_settings(load_settings(PRODUCTION)).splitlines()

    assert {"CMS_METRICS_TOKEN=", "CMS_SECRET_KEY_PREVIOUS=", "CMS_SECRET_KEY=…"} <= set(lines)


def test_settings_as_json_have_the_types_of_their_values() -> None:
    settings = load_settings({**PRODUCTION, "CMS_TRUSTED_PROXIES": "10.0.0.0/8", "CMS_DATA_DIR": "/var/lib/cms"})

    shown = json.loads(render_settings_as_json(settings))

    assert shown.keys() == set(map(variable_name, VARIABLES))
    assert shown["CMS_PORT"] == 8000
    assert shown["CMS_TRUSTED_PROXIES"] == ["10.0.0.0/8"]
    assert shown["CMS_DATA_DIR"] == "/var/lib/cms"
    assert (shown["CMS_SECRET_KEY"], shown["CMS_METRICS_TOKEN"]) == ("…", None)


def test_settings_survive_the_way_to_a_worker_process() -> None:
    settings = load_settings(PRODUCTION)

    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301 - our own bytes


def test_dotenv_is_read_in_development_and_yields_to_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("CMS_ENV=development\nCMS_PORT=8001\nCMS_WORKERS=2\nCMS_HOST=\nOTHER=1\n")
    monkeypatch.setenv("CMS_PORT", "8002")

    assert read_environment(tmp_path) == {"CMS_ENV": "development", "CMS_PORT": "8002", "CMS_WORKERS": "2"}


def test_dotenv_counts_when_the_environment_has_a_service_link_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("CMS_ENV=development\nCMS_PORT=8001\n")
    monkeypatch.setenv("CMS_PORT", "tcp://10.96.0.7:80")

    assert read_environment(tmp_path) == {"CMS_ENV": "development", "CMS_PORT": "8001"}


@pytest.mark.parametrize(
    ("in_file", "in_environment"),
    [("CMS_SECRET_KEY", "CMS_SECRET_KEY_FILE"), ("CMS_SECRET_KEY_FILE", "CMS_SECRET_KEY")],
)
def test_dotenv_yields_when_the_environment_has_the_secret_in_the_other_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_file: str, in_environment: str
) -> None:
    (tmp_path / ".env").write_text(f"CMS_ENV=development\n{in_file}=1\n")
    monkeypatch.setenv(in_environment, "2")

    assert read_environment(tmp_path) == {"CMS_ENV": "development", in_environment: "2"}


@pytest.mark.parametrize(("mode", "is_refused"), [(0o602, True), (0o666, True), (0o644, False), (0o660, False)])
def test_env_file_is_refused_when_everybody_can_change_it(tmp_path: Path, mode: int, is_refused: bool) -> None:
    path = tmp_path / ".env"
    path.write_text("CMS_ENV=development\n")
    path.chmod(mode)

    if is_refused:
        with pytest.raises(ConfigurationError, match="can be changed by everybody on this machine"):
            read_environment(tmp_path)
    else:
        assert read_environment(tmp_path)["CMS_ENV"] == "development"


@pytest.mark.parametrize("line", ["CMS_ENV=production", ""])
def test_dotenv_is_ignored_when_it_is_not_development(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    (tmp_path / ".env").write_text(f"{line}\nCMS_PORT=8001\n")
    monkeypatch.delenv("CMS_ENV", raising=False)

    assert "CMS_PORT" not in read_environment(tmp_path)


def test_env_example_is_what_the_settings_say() -> None:
    assert (REPOSITORY / ".env.example").read_text() == render_env_example()


def test_env_example_loads_when_every_line_is_taken(tmp_path: Path) -> None:
    assignments = [
        line.removeprefix("#") for line in render_env_example().splitlines() if "CMS_" in line and "=" in line
    ]
    environ = dict(line.split("=", 1) for line in assignments if not line.startswith(" "))

    settings = load_settings({**environ, "CMS_DATA_DIR": str(tmp_path)})

    assert {f"CMS_{field.upper()}" for field in Settings.__struct_fields__} - {"CMS_ENVIRONMENT"} <= environ.keys()
    assert settings.environment is Environment.DEVELOPMENT


def test_reference_has_one_section_for_every_setting() -> None:
    headings = re.findall(r"^### (\w+)$", render_settings_reference(), re.MULTILINE)

    assert sorted(headings) == sorted(variable_name(field) for field in Settings.__struct_fields__)


@pytest.mark.parametrize("field", VARIABLES)
def test_reference_tells_everything_about_the_setting(field: str) -> None:
    variable, name = VARIABLES[field], variable_name(field)
    _, _, following = render_settings_reference().partition(f"\n### {name}\n")
    section = re.split(r"^##", following, flags=re.MULTILINE)[0]

    assert variable.description in section
    assert f"- Expected: {variable.parser.expected}\n" in section
    assert [
        text for text in (variable.default, variable.development_default) if text and f"`{text}`" not in section
    ] == []
    assert ("**required in production**" in section) is variable.is_required_in_production
    assert (f"- In a file: `{name}_FILE`\n" in section) is variable.is_secret


def test_setting_that_defaults_to_nothing_says_so() -> None:
    assert "Default: none" in render_settings_reference().partition("### CMS_PASSWORD_WORDS")[2].partition("###")[0]
