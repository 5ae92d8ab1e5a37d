"""On whose behalf something is done."""

from uuid import UUID

import msgspec

from cms_service.core.exceptions import AuthenticationRequired, ReauthenticationRequired
from cms_service.core.security.request_origin import RequestOrigin


class Actor(msgspec.Struct, frozen=True):
    """Who acts, with which session, from where. Without a user it is a stranger or the service itself."""

    user_id: UUID | None = None
    session_id: UUID | None = None
    origin: RequestOrigin | None = None
    is_recently_authenticated: bool = False
    """Whether the user proved who they are a short time ago, not only holds a session."""
    is_system: bool = False
    """The operator at the command line, who is above the rules for users."""

    def require_user_id(self) -> UUID:
        """Raises AuthenticationRequired where no user acts."""
        if self.user_id is None:
            raise AuthenticationRequired
        return self.user_id

    def require_recent_authentication(self) -> None:
        """Raises ReauthenticationRequired where the user was authenticated too long ago for what is sensitive."""
        if not self.is_recently_authenticated:
            raise ReauthenticationRequired

    def require_session_id(self) -> UUID:
        """Raises AuthenticationRequired where nobody acts in a session."""
        if self.session_id is None:
            raise AuthenticationRequired
        return self.session_id


SYSTEM = Actor(is_system=True)
