"""What the operator decides. The fields below are the only list of settings: everything else is made from it."""

import os
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import msgspec

from cms_service.core.config.credentials import account_password, bearer_token, postgres_url, secret_key
from cms_service.core.config.variables import (
    Variable,
    directory,
    email_address,
    ip_address,
    ip_networks,
    one_of,
    seconds,
    whole_number,
    words,
)
from cms_service.core.config.web_addresses import web_origins, web_url

_PREFIX = "CMS_"
_DAY_SECONDS = 86_400
LONGEST_API_KEY_DAYS = 365
CONNECTIONS_PER_WORKER = 1024
"""More wait to be accepted. Most are idle: a proxy or a client keeps them for its next request."""


class Environment(StrEnum):
    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Registration(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


class SigningAlgorithm(StrEnum):
    """As JOSE names them (RFC 8037 §3.1, RFC 7518 §3.4)."""

    EDDSA = "EdDSA"
    ES256 = "ES256"


class PasswordHashing(StrEnum):
    STANDARD = "standard"
    CHEAPEST = "cheapest"


class LogFormat(StrEnum):
    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the environment decides, read once and checked. Secrets do not show in its repr."""

    environment: Annotated[
        Environment,
        Variable(
            name="CMS_ENV",
            parser=one_of(Environment),
            default="production",
            description="In development the service brings its own database, migrates it, makes its first "
            "administrator and reads `.env`. In production it does nothing by itself and accepts no default secret.",
        ),
    ]
    host: Annotated[
        str,
        Variable(
            parser=ip_address(),
            default="127.0.0.1",
            description="The address to listen on; `0.0.0.0` in a container.",
        ),
    ]
    port: Annotated[
        int,
        Variable(parser=whole_number(1, 65_535), default="8000", description="The TCP port to listen on."),
    ]
    workers: Annotated[
        int,
        Variable(
            parser=whole_number(1, 64),
            default="1",
            description="Worker processes. Each has its own database connections and caches.",
        ),
    ]
    drain_seconds: Annotated[
        float,
        Variable(
            parser=seconds(0, 300),
            default="5",
            development_default="0",
            description="For how long after SIGTERM requests are still served while readiness says no: as long as it "
            "takes until everybody who sends requests here has noticed.",
        ),
    ]
    keep_alive_seconds: Annotated[
        int,
        Variable(
            parser=whole_number(1, 3600),
            default="75",
            description="How long a connection may be idle, or take to send the headers of a request, before it is "
            "closed. Longer than the proxy in front keeps its connections, so that the proxy is the one that closes "
            "them.",
        ),
    ]
    public_url: Annotated[
        str,
        Variable(
            parser=web_url(),
            is_required_in_production=True,
            computed_default="`http://127.0.0.1` and the port, in development",
            example="https://accounts.example.org",
            description="Where clients reach the service. It is the issuer (`iss`) and the audience (`aud`) "
            "of access tokens; the Host header never is. It may have a path, which a proxy removes from requests.",
        ),
    ]
    database_url: Annotated[
        str | None,
        Variable(
            parser=postgres_url(),
            is_secret=True,
            is_required_in_production=True,
            computed_default="a PostgreSQL of its own under `CMS_DATA_DIR`, in development",
            example="postgresql://cms:PASSWORD@db.internal:5432/cms",
            description="The PostgreSQL database; of several hosts, separated by commas, the primary is used. It may "
            "point at pgbouncer in transaction mode.",
        ),
    ]
    database_direct_url: Annotated[
        str | None,
        Variable(
            parser=postgres_url(),
            is_secret=True,
            computed_default="`CMS_DATABASE_URL`",
            example="postgresql://cms:PASSWORD@db.internal:5432/cms",
            description="The same database without a pooler between: migrations and listening need sessions of their "
            "own. Where the two differ, statements are not prepared across transactions.",
        ),
    ]
    database_pool_size: Annotated[
        int,
        Variable(
            parser=whole_number(1, 200),
            default="10",
            description="The most database connections that one worker opens for whatever writes or lists.",
        ),
    ]
    database_fast_lane_connections: Annotated[
        int,
        Variable(
            parser=whole_number(1, 100),
            default="8",
            description="The most connections that one worker opens besides, for what happens on every request.",
        ),
    ]
    database_pool_timeout_seconds: Annotated[
        float,
        Variable(
            parser=seconds(0.1, 30),
            default="1.0",
            description="How long a request waits for a free connection before it is answered 503.",
        ),
    ]
    database_connect_timeout_seconds: Annotated[
        float,
        Variable(
            parser=seconds(0.1, 30),
            default="1.0",
            description="How long opening a connection may take.",
        ),
    ]
    database_command_timeout_seconds: Annotated[
        float,
        Variable(
            parser=seconds(0.1, 300),
            default="1.5",
            description="How long one statement may run (`statement_timeout`).",
        ),
    ]
    database_lock_timeout_seconds: Annotated[
        float,
        Variable(
            parser=seconds(0.1, 300),
            default="1.0",
            description="How long one statement waits for a row or table lock (`lock_timeout`).",
        ),
    ]
    data_dir: Annotated[
        Path,
        Variable(
            parser=directory(),
            default=".data",
            description="Where development keeps its database and its generated secret key.",
        ),
    ]
    pg_bin: Annotated[
        Path | None,
        Variable(
            parser=directory(),
            computed_default="the binaries of the development dependencies, else those of the system",
            example="/usr/lib/postgresql/17/bin",
            description="Development only: the folder with `initdb` and `postgres` for the service's own database.",
        ),
    ]
    secret_key: Annotated[
        bytes,
        Variable(
            parser=secret_key(),
            is_secret=True,
            is_required_in_production=True,
            computed_default="made by the first start and kept in `CMS_DATA_DIR`, in development",
            description="Protects the signing keys in the database, refresh tokens, device tokens and cursors. "
            "All replicas share it. Make one with `openssl rand -base64 32`.",
        ),
    ]
    secret_key_previous: Annotated[
        bytes | None,
        Variable(
            parser=secret_key(),
            is_secret=True,
            description="A second secret key that is accepted besides, while the secret key is changed: what it "
            "protects is still read, and nothing new is made with it.",
        ),
    ]
    signing_algorithm: Annotated[
        SigningAlgorithm,
        Variable(
            parser=one_of(SigningAlgorithm),
            default="EdDSA",
            description="How access tokens are signed. A change makes the next key at once.",
        ),
    ]
    signing_key_seconds: Annotated[
        int,
        Variable(
            parser=whole_number(2, 365 * _DAY_SECONDS),
            default="7776000",
            description="How long a key signs access tokens before the next one takes over.",
        ),
    ]
    signing_key_ahead_seconds: Annotated[
        int,
        Variable(
            parser=whole_number(1, 30 * _DAY_SECONDS),
            default="86400",
            description="How long before it signs a key is published. Less than `CMS_SIGNING_KEY_SECONDS`, and more "
            "than verifiers cache the key set.",
        ),
    ]
    admin_email: Annotated[
        str,
        Variable(
            parser=email_address(),
            default="admin@example.org",
            description="The first administrator's e-mail address.",
        ),
    ]
    admin_password: Annotated[
        str | None,
        Variable(
            parser=account_password(),
            is_secret=True,
            computed_default="made and shown once by the first start, in development",
            description="The first administrator's password. In production `cms-service create-admin` takes it, and "
            "asks for one where there is none.",
        ),
    ]
    registration: Annotated[
        Registration,
        Variable(
            parser=one_of(Registration),
            default="closed",
            development_default="open",
            description="Whether anybody may register an account, or administrators make them. Open registration "
            "reveals whether an e-mail address has an account.",
        ),
    ]
    password_min_characters: Annotated[
        int,
        Variable(
            parser=whole_number(8, 64),
            default="15",
            description="How many characters a new password has at least. Fewer than 15 are too few where nothing but "
            "the password protects an account (NIST SP 800-63B-4).",
        ),
    ]
    password_words: Annotated[
        tuple[str, ...],
        Variable(
            parser=words(),
            default="",
            example="acme,acme news",
            description="Words that every guesser knows here, such as the name of the platform. No password is made of "
            "them, nor of the user's own words.",
        ),
    ]
    access_token_seconds: Annotated[
        int,
        Variable(
            parser=whole_number(30, 3600),
            default="300",
            description="How long an access token lives.",
        ),
    ]
    refresh_idle_seconds: Annotated[
        int,
        Variable(
            parser=whole_number(60, 365 * _DAY_SECONDS),
            default="604800",
            description="A session ends when it is not refreshed for this long.",
        ),
    ]
    refresh_absolute_seconds: Annotated[
        int,
        Variable(
            parser=whole_number(60, 365 * _DAY_SECONDS),
            default="2592000",
            description="A session ends this long after login, however busy it is. Not less than "
            "`CMS_REFRESH_IDLE_SECONDS`.",
        ),
    ]
    refresh_grace_seconds: Annotated[
        int,
        Variable(
            parser=whole_number(0, 60),
            default="10",
            description="For how long a client that missed the answer to a refresh may repeat it. With 0, tabs that "
            "refresh at the same moment sign each other out.",
        ),
    ]
    api_key_days: Annotated[
        int,
        Variable(
            parser=whole_number(1, LONGEST_API_KEY_DAYS),
            default="90",
            description="How long an API key lives that is made without `expires_at`. No key lives longer than "
            f"{LONGEST_API_KEY_DAYS} days.",
        ),
    ]
    reauthentication_seconds: Annotated[
        int,
        Variable(
            parser=whole_number(1, _DAY_SECONDS),
            default="600",
            description="For how long after entering the password a user may change an e-mail address or the password.",
        ),
    ]
    throttle_network_failures: Annotated[
        int,
        Variable(
            parser=whole_number(1, 1_000_000),
            default="50",
            description="So many sign-ins of one network (an IPv4 address, an IPv6 /64) may fail, without an hour in "
            "between in which none does, before each further failure makes it wait longer, up to a minute.",
        ),
    ]
    housekeeping_seconds: Annotated[
        int,
        Variable(
            parser=whole_number(1, _DAY_SECONDS),
            default="600",
            description="How often sessions that have ended and counters that hold up nobody are deleted. Of all "
            "workers and replicas, one does it at a time.",
        ),
    ]
    max_staleness_ms: Annotated[
        int,
        Variable(
            parser=whole_number(200, 10_000),
            default="1000",
            description="For how many milliseconds a worker answers from memory that cannot hear of changes, and the "
            "longest that a change of access waits for such a worker before it is answered.",
        ),
    ]
    cached_subjects: Annotated[
        int,
        Variable(
            parser=whole_number(100, 1_000_000),
            default="20000",
            description="How many users, sessions and service accounts a worker remembers of each, about 1 KB a user.",
        ),
    ]
    cors_origins: Annotated[
        tuple[str, ...],
        Variable(
            parser=web_origins(),
            default="",
            example="https://editor.example.org",
            description="The web origins whose pages may call the service from a browser.",
        ),
    ]
    trusted_proxies: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        Variable(
            parser=ip_networks(),
            default="",
            example="10.0.0.0/8",
            description="The reverse proxies whose X-Forwarded-For is believed; that of others is ignored.",
        ),
    ]
    password_hashing: Annotated[
        PasswordHashing,
        Variable(
            parser=one_of(PasswordHashing),
            default="standard",
            description="`standard` is Argon2id with 19 MiB and two passes. `cheapest` protects no password and makes "
            "sign-ins fast: for the test suite of a client. Production refuses it.",
        ),
    ]
    hash_concurrency: Annotated[
        int,
        Variable(
            parser=whole_number(1, 256),
            computed_default="the number of processors",
            description="How many passwords one worker hashes at once. Each takes 19 MiB and one processor.",
        ),
    ]
    hash_queue_size: Annotated[
        int,
        Variable(
            parser=whole_number(1, 10_000),
            default="64",
            description="How many more may wait for that; beyond it the answer is 503.",
        ),
    ]
    metrics_token: Annotated[
        str | None,
        Variable(
            parser=bearer_token(),
            is_secret=True,
            description="The bearer token that `/metrics` asks for. Without it, the path is open to everybody who "
            "reaches it. Make one with `openssl rand -hex 32`.",
        ),
    ]
    log_format: Annotated[
        LogFormat,
        Variable(
            parser=one_of(LogFormat),
            default="json",
            development_default="console",
            description="One JSON object a line, or text for people.",
        ),
    ]
    log_level: Annotated[
        LogLevel,
        Variable(parser=one_of(LogLevel), default="info", description="What is logged from this severity on."),
    ]

    @property
    def is_development(self) -> bool:
        return self.environment is Environment.DEVELOPMENT

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(field, self._shown(field, variable)) for field, variable in VARIABLES.items()]

    def _shown(self, field: str, variable: Variable) -> Any:
        value = getattr(self, field)
        return "…" if variable.is_secret and value is not None else value


def _variables() -> dict[str, Variable]:
    return {
        field: next(item for item in hint.__metadata__ if isinstance(item, Variable))
        for field, hint in get_type_hints(Settings, include_extras=True).items()
    }


VARIABLES = _variables()
"""Every variable under the name of its field in Settings."""
SECRETS = tuple(field for field, variable in VARIABLES.items() if variable.is_secret)
"""The fields whose text may be in a file, which a variable with the suffix `_FILE` names."""


def variable_name(field: str) -> str:
    return VARIABLES[field].name or _PREFIX + field.upper()


def processor_count() -> int:
    """Return how many processors this process may use, which in a container can be fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
