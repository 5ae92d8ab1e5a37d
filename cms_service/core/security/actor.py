"""On whose behalf something is done."""

from uuid import UUID

import msgspec

from cms_service.core.exceptions import AuthenticationRequired, PermissionDenied, ReauthenticationRequired
from cms_service.core.security.principal import SubjectType
from cms_service.core.security.request_origin import RequestOrigin


class Actor(msgspec.Struct, frozen=True):
    """Who acts, with which session, from where. Without a subject it is a stranger or the service itself."""

    subject_id: UUID | None = None
    """Whose rights decide: a user, or a service account that acts for itself."""
    session_id: UUID | None = None
    origin: RequestOrigin | None = None
    subject_type: SubjectType = SubjectType.user
    is_recently_authenticated: bool = False
    """Whether the user proved who they are a short time ago, not only holds a session."""
    is_system: bool = False
    """The operator at the command line, who is above the rules for users."""
    credential_id: UUID | None = None
    """The API key that was used."""
    narrowed_to: frozenset[str] | None = None
    """The permissions that the credential narrows its subject's to; None narrows nothing."""
    acting_service_id: UUID | None = None
    """The service account that acts on behalf of the user, if one does."""

    @property
    def user_id(self) -> UUID | None:
        """The user whose rights decide, if it is a user."""
        return self.subject_id if self.subject_type is SubjectType.user else None

    @property
    def acting_id(self) -> UUID | None:
        """Who acts: the service account where one acts on behalf of a user, else the subject itself."""
        return self.acting_service_id or self.subject_id

    @property
    def on_behalf_of(self) -> UUID | None:
        """The user for whom a service account acts, if one does."""
        return self.subject_id if self.acting_service_id else None

    def require_user_id(self) -> UUID:
        """Raises AuthenticationRequired where nobody acts, and PermissionDenied where a service account does."""
        if self.subject_id is None:
            raise AuthenticationRequired
        if self.user_id is None:
            raise PermissionDenied("This is for users.")
        return self.user_id

    def require_recent_authentication(self) -> None:
        """Raises ReauthenticationRequired where the user was authenticated too long ago for what is sensitive."""
        if not self.is_recently_authenticated:
            raise ReauthenticationRequired

    def require_session_id(self) -> UUID:
        """Raises AuthenticationRequired where nobody acts in a session."""
        self.require_user_id()
        if self.session_id is None:
            raise AuthenticationRequired
        return self.session_id


SYSTEM = Actor(is_system=True)
