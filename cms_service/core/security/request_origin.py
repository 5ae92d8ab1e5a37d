"""Where a request came from."""

import msgspec


class RequestOrigin(msgspec.Struct, frozen=True):
    """What audit trail, throttles and sessions remember about a request."""

    request_id: str
    ip: str | None
    """Address of the client, past the trusted proxies; None when the server does not know it."""
    user_agent: str | None
    """Without control characters, at most 512 characters."""
