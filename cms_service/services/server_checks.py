"""Whether the service can work with the PostgreSQL that its settings name."""

from collections.abc import Iterator

from cms_service.core.config import Settings
from cms_service.core.database import ServerFacts, Unreachable, head_revision, is_newer, pending_revisions
from cms_service.core.security import LEEWAY_SECONDS
from cms_service.schemas import Finding
from cms_service.services._findings import GRANT_ADVICE, fail, ok, warn

OLDEST_VERSION = 15
NOTICEABLE_SKEW_SECONDS = 2.0
CONNECTIONS_BESIDE_POOLS = 4
"""Of each worker: the direct line, one for readiness, and two for looking at callers again before they write."""
REPLICAS_AT_ONCE = 2
"""A rolling update runs the new one beside the old one."""


def check_servers(
    settings: Settings, runtime: ServerFacts | Unreachable, direct: ServerFacts | Unreachable
) -> Iterator[Finding]:
    """`runtime` is what CMS_DATABASE_URL leads to, `direct` what CMS_DATABASE_DIRECT_URL does."""
    yield _reach("database", "CMS_DATABASE_URL", runtime)
    yield _direct(runtime, direct)
    if isinstance(runtime, Unreachable) or isinstance(direct, Unreachable):
        return
    yield _pooler(runtime, is_same_address=settings.database_url == settings.database_direct_url)
    yield _version(direct)
    yield _encryption(runtime)
    yield _connections(settings, runtime, direct)
    yield _clock(direct)
    if direct.is_granted:
        yield _migrations(direct)


def _reach(check: str, variable: str, server: ServerFacts | Unreachable) -> Finding:
    if isinstance(server, Unreachable) and server.is_refused:
        return fail(check, f"{server.address}: {server.reason}", "GRANT CONNECT ON DATABASE to that role.")
    if isinstance(server, Unreachable) and server.is_local:
        return fail(
            check,
            f"{server.address}: {server.reason}",
            "Let HOME be a folder that this user can read, or name the files in PGSSLCERT, PGSSLKEY and PGSSLROOTCERT.",
        )
    if isinstance(server, Unreachable):
        return fail(
            check,
            f"{server.address}: {server.reason}",
            f"Start PostgreSQL, or correct {variable}: host, port, user, password.",
        )
    if not server.is_writable:
        return fail(
            check,
            f"{server.address} cannot be written: it is a standby, or read-only by its settings",
            f"Let {variable} lead to the primary.",
        )
    if not server.is_granted:
        return fail(check, f"{server.address} may not read the table alembic_version", GRANT_ADVICE)
    return ok(check, server.address)


def _direct(runtime: ServerFacts | Unreachable, direct: ServerFacts | Unreachable) -> Finding:
    reach = _reach("direct_database", "CMS_DATABASE_DIRECT_URL", direct)
    if isinstance(direct, Unreachable) or reach.advice is not None:
        return reach
    if isinstance(runtime, ServerFacts) and runtime.identity != direct.identity:
        return fail(
            "direct_database",
            f"{direct.address} is another database than CMS_DATABASE_URL leads to",
            "Let both URLs lead to the same database of the same server.",
        )
    if direct.is_pooled or not direct.is_heard:
        return fail(
            "direct_database",
            f"{direct.address} is a connection pooler; migrations and LISTEN need sessions of their own",
            "Set CMS_DATABASE_DIRECT_URL to the address of PostgreSQL itself.",
        )
    return ok("direct_database", f"{direct.address}; LISTEN works")


def _pooler(runtime: ServerFacts, *, is_same_address: bool) -> Finding:
    if runtime.is_pooled and is_same_address:
        return fail(
            "pooler",
            "CMS_DATABASE_URL leads through a connection pooler, and the service does not know",
            "Set CMS_DATABASE_DIRECT_URL to PostgreSQL itself: where the two differ, nothing is prepared across "
            "transactions.",
        )
    if runtime.is_pooled:
        return ok("pooler", "in between, and the service knows; timeouts are those of the role (ALTER ROLE)")
    if not is_same_address:
        return warn(
            "pooler",
            "none, although CMS_DATABASE_DIRECT_URL differs from CMS_DATABASE_URL",
            "Remove CMS_DATABASE_DIRECT_URL: without it the service prepares its statements, and is faster.",
        )
    return ok("pooler", "none")


def _version(server: ServerFacts) -> Finding:
    if server.major_version < OLDEST_VERSION or server.encoding != "UTF8":
        return fail(
            "database_version",
            f"PostgreSQL {server.version}, encoding {server.encoding}",
            f"Use PostgreSQL {OLDEST_VERSION} or newer with a database in UTF8.",
        )
    return ok("database_version", f"PostgreSQL {server.version}")


def _encryption(server: ServerFacts) -> Finding:
    if server.is_pooled or server.is_local:
        return ok("database_encryption", "up to the pooler" if server.is_pooled else "not needed on this machine")
    if not server.is_encrypted:
        return warn(
            "database_encryption",
            "what goes to PostgreSQL and back can be read on the way",
            "Add ?sslmode=verify-full to the URL, and name the certificate authority's file in PGSSLROOTCERT; or "
            "=require, where its certificate cannot be checked.",
        )
    return ok("database_encryption", "TLS")


def _connections(settings: Settings, runtime: ServerFacts, direct: ServerFacts) -> Finding:
    pools = settings.database_pool_size + settings.database_fast_lane_connections
    each = 1 if runtime.is_pooled else pools + CONNECTIONS_BESIDE_POOLS
    needed, limit = settings.workers * each, direct.connection_limit
    found = f"one replica opens up to {needed}, and PostgreSQL allows {limit}"
    advice = (
        "Raise max_connections (or the limit of the role or the database), lower CMS_WORKERS or "
        "CMS_DATABASE_POOL_SIZE, or put pgbouncer in between."
    )
    if needed > limit:
        return fail("connections", found, advice)
    if REPLICAS_AT_ONCE * needed > limit:
        return warn("connections", f"{found}: too few for the two replicas of a rolling update", advice)
    return ok("connections", f"{found}: enough for {limit // needed} replicas")


def _clock(server: ServerFacts) -> Finding:
    ahead = server.clock_ahead_seconds
    # What the way took may be the whole difference.
    skew = max(abs(ahead) - server.clock_uncertainty_seconds, 0.0)
    found = f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} the database's"
    advice = "Let NTP (chrony, systemd-timesyncd) set the clocks of this machine and of PostgreSQL's."
    if skew > LEEWAY_SECONDS:
        return fail("clock", f"{found}: access tokens are refused", advice)
    if skew > NOTICEABLE_SKEW_SECONDS:
        return warn("clock", found, advice)
    return ok("clock", found)


def _migrations(server: ServerFacts) -> Finding:
    if is_newer(server.revision):
        return warn(
            "migrations",
            f"the database is at {server.revision}, which a later version has made",
            "Nothing during a rolling update; otherwise deploy that version. Do not go back below it for long.",
        )
    if pending := pending_revisions(server.revision):
        return fail(
            "migrations",
            f"the database is at {server.revision or 'base'}; pending: {', '.join(pending)}",
            "Run `cms-service migrate`.",
        )
    return ok("migrations", f"the database is at {head_revision()}, the newest")
