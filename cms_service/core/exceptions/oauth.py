"""Refusals of the OAuth 2 endpoints, whose form and words are those of the standard."""


class OAuthRefused(Exception):
    """A request to an OAuth endpoint is refused (RFC 6749 §5.2)."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        """One of the standard's codes."""
        self.description = description


class InvalidClient(OAuthRefused):
    """The client did not prove who it is. Unknown, wrong, inactive and deleted are one answer."""

    def __init__(self, description: str = "The client is unknown, or its secret is wrong or no longer counts.") -> None:
        super().__init__("invalid_client", description)


class InvalidRequest(OAuthRefused):
    """The request breaks the form that the standard gives it."""

    def __init__(self, description: str) -> None:
        super().__init__("invalid_request", description)
