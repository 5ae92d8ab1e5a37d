"""The path of CMS_PUBLIC_URL: where a proxy in front of the service publishes it below a path of its own.

The proxy removes that path from requests, so no route has it. Every address that leaves the service begins with it.
Litestar has `root_path` for this, but cuts a request's path where that text stands first, be it in the middle.
"""

from urllib.parse import quote, urlsplit

from litestar.types import HTTPScope, Scope

_STATE_KEY = "base_path"
_METADATA = ("oauth-authorization-server", "authzen-configuration")


def base_path_of(public_url: str) -> str:
    """Return the path without a slash at its end, so that paths of routes can follow. Empty where there is none.

    The setting allows no escapes, so requests spell the path in this one way.
    """
    return urlsplit(public_url).path.rstrip("/")


def put_base_path(scope: HTTPScope, base_path: str) -> None:
    """Put it into the state of a request."""
    scope["state"][_STATE_KEY] = base_path


def base_path_in(scope: Scope) -> str:
    """The base path that the envelope has put in the scope."""
    base_path: str = scope["state"][_STATE_KEY]
    return base_path


def public_path(scope: Scope, path: str) -> str:
    """The path at which clients reach what the service has at `path`."""
    return base_path_in(scope) + path


def requested_path(scope: Scope) -> str:
    """The path that the client has asked for, as a proxy in front of the service got it."""
    raw_path = scope.get("raw_path") or scope["path"].encode()
    path, base_path = quote(raw_path, safe="/:@!$&'()*+,;=%"), base_path_in(scope)
    is_metadata = path.startswith("/.well-known/") and path.endswith(base_path)
    return path if is_metadata else base_path + path


def metadata_paths(base_path: str) -> dict[bytes, str]:
    """Where clients look for the metadata of an issuer with a path, and the routes that answer there.

    The issuer's path stands behind the well-known one, so the proxy cannot remove it by its usual rule (RFC 8414,
    section 3.1; AuthZEN 1.0, section 9.2.1). Empty where the issuer has no path.
    """
    paths = [f"/.well-known/{name}" for name in _METADATA] if base_path else []
    return {f"{path}{base_path}".encode(): path for path in paths}
