"""What the environment says about a deployment, without asking anybody."""

import resource
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address
from urllib.parse import urlsplit

from cms_service.core.config import CONNECTIONS_PER_WORKER, LogLevel, PasswordHashing, Settings, read_traces_exporter
from cms_service.core.exceptions import ConfigurationError
from cms_service.core.observability import refuse_unusable_tracing
from cms_service.schemas import Finding
from cms_service.services._findings import fail, ok, warn

WIDEST_PUBLIC_PREFIX = {4: 16, 6: 32}
SPARE_FILES = 64


def check_settings(settings: Settings) -> Iterator[Finding]:
    """What is legal and seldom meant, in production; in development, where anything goes, hardly anything."""
    yield ok("settings", f"all can be read, for {settings.environment}")
    yield _open_files(settings)
    yield _tracing()
    yield _password_hashing(settings)
    if settings.is_development:
        return
    yield _public_url(settings)
    yield _trusted_proxies(settings)
    yield _cors_origins(settings)
    yield _admin_password(settings)
    yield _metrics_token(settings)
    yield _log_level(settings)


def _public_url(settings: Settings) -> Finding:
    url = urlsplit(settings.public_url)
    if _is_loopback(url.hostname or ""):
        return warn(
            "public_url",
            f"{settings.public_url} is this machine alone",
            "Set CMS_PUBLIC_URL to where clients reach the service: it is the issuer of every token.",
        )
    if url.scheme != "https":
        return warn(
            "public_url",
            f"{settings.public_url} is not encrypted",
            "End TLS in front of the service and set CMS_PUBLIC_URL to its https:// address; a new issuer makes every "
            "access token invalid, and clients refresh.",
        )
    return ok("public_url", settings.public_url)


def _trusted_proxies(settings: Settings) -> Finding:
    proxies = settings.trusted_proxies
    shown = ", ".join(map(str, proxies))
    if any(network.prefixlen == 0 for network in proxies):
        return fail(
            "trusted_proxies",
            f"{shown} is everybody: any client may claim any address",
            "Set CMS_TRUSTED_PROXIES to the addresses from which the proxies reach the service, no more.",
        )
    if wide := [str(network) for network in proxies if _is_wide(network)]:
        return warn(
            "trusted_proxies",
            f"{', '.join(wide)} holds many public addresses; each may claim to be any client",
            "Set CMS_TRUSTED_PROXIES to the addresses from which the proxies reach the service, no more.",
        )
    if not proxies and not _is_loopback(settings.host):
        return warn(
            "trusted_proxies",
            f"none, and the service listens on {settings.host}",
            "Behind a proxy, set CMS_TRUSTED_PROXIES to its address; otherwise every client has the proxy's, and one "
            "who guesses passwords slows down all. Without a proxy all is well.",
        )
    return ok("trusted_proxies", shown or "none, and only this machine reaches the service")


def _cors_origins(settings: Settings) -> Finding:
    plain = [origin for origin in settings.cors_origins if origin.startswith("http://")]
    if plain:
        return warn(
            "cors_origins",
            f"{', '.join(plain)} is not encrypted: whoever is on the way can change its pages",
            "Let CMS_CORS_ORIGINS name https:// origins only.",
        )
    return ok("cors_origins", ", ".join(settings.cors_origins) or "none")


def _admin_password(settings: Settings) -> Finding:
    if settings.admin_password is not None:
        return warn(
            "admin_password",
            "CMS_ADMIN_PASSWORD is set, which only `cms-service create-admin` reads",
            "Remove it from the environment of the service once there is an administrator.",
        )
    return ok("admin_password", "not in the environment")


def _metrics_token(settings: Settings) -> Finding:
    if settings.metrics_token is None:
        return warn(
            "metrics_token",
            "none: whoever reaches /metrics reads how many sign in and fail to, what is asked for and how often, and "
            "which version this is",
            "Set CMS_METRICS_TOKEN (`openssl rand -hex 32`) and give it to Prometheus. Where the proxy refuses "
            "/metrics and nobody else reaches the service, all is well.",
        )
    return ok("metrics_token", "set")


def _log_level(settings: Settings) -> Finding:
    if settings.log_level is LogLevel.DEBUG:
        return warn("log_level", "debug: every probe is a line", "Set CMS_LOG_LEVEL=info.")
    return ok("log_level", settings.log_level)


def _tracing() -> Finding:
    """Standard variables of OpenTelemetry decide, which are no settings; `serve` refuses what this refuses."""
    try:
        exporter = read_traces_exporter()
        refuse_unusable_tracing(exporter)
    except ConfigurationError as error:
        return fail("tracing", str(error), "Correct the variable or remove it: `cms-service serve` does not start.")
    return ok("tracing", "off" if exporter is None else f"spans go to {exporter}")


def _password_hashing(settings: Settings) -> Finding:
    """Production refuses cheap hashes."""
    if settings.password_hashing is PasswordHashing.CHEAPEST:
        return warn(
            "password_hashing",
            "cheapest: whoever comes to see the hashes finds the passwords",
            "Unset CMS_PASSWORD_HASHING, except for tests.",
        )
    return ok("password_hashing", settings.password_hashing)


def _open_files(settings: Settings) -> Finding:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = CONNECTIONS_PER_WORKER + settings.database_pool_size + settings.database_fast_lane_connections
    needed += SPARE_FILES
    if limit != resource.RLIM_INFINITY and limit < needed:
        return warn(
            "open_files",
            f"a process may open {limit} files, and a busy worker opens up to {needed}",
            f"Raise the limit (ulimit -n, LimitNOFILE=) to {2 * CONNECTIONS_PER_WORKER} or more.",
        )
    return ok("open_files", "no limit" if limit == resource.RLIM_INFINITY else f"a process may open {limit}")


def _is_wide(network: IPv4Network | IPv6Network) -> bool:
    return not network.is_private and network.prefixlen < WIDEST_PUBLIC_PREFIX[network.version]


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
