"""What can go wrong, as meanings. One table, in `cms_service.api.problems`, gives each its HTTP status."""

from collections.abc import Sequence
from typing import ClassVar

import msgspec


class Violation(msgspec.Struct, frozen=True):
    """One way in which the input breaks its contract."""

    pointer: str
    """RFC 6901 pointer into the body (`/email`), or `query/NAME` or `header/NAME`."""
    code: str
    """Stable machine-readable reason, e.g. `too_short`."""
    detail: str
    """One sentence for people. Never repeats the offending value, which may be a secret."""


class ServiceError(Exception):
    """A refusal that the caller is told about."""

    code: ClassVar[str]
    """Stable name in the problem document, and the last segment of its `type`."""
    title: ClassVar[str]
    """The same for every occurrence (RFC 9457 §3.1.3)."""
    keeps_writes: ClassVar[bool] = False
    """Whether what was written before the refusal is committed: the trace of a refusal must outlive it."""
    is_audited: ClassVar[bool] = False
    """Whether the refusal itself is recorded in the audit trail, in a transaction of its own."""

    def __init__(self, detail: str | None = None, *, retry_after_seconds: int | None = None) -> None:
        self.detail = detail if detail is not None else self.title
        self.retry_after_seconds = retry_after_seconds
        super().__init__(self.detail)


class ValidationFailed(ServiceError):
    """The request was understood and breaks its contract; `violations` holds every breach, not the first."""

    code = "validation_failed"
    title = "The request is not valid."

    def __init__(self, *violations: Violation) -> None:
        super().__init__(" ".join(violation.detail for violation in violations))
        self.violations = violations


class PasswordTooWeak(ValidationFailed):
    code = "password_too_weak"
    title = "The password is too weak."


class MalformedJson(ServiceError):
    code = "malformed_json"
    title = "The body is not well-formed JSON."


class UnsupportedMediaType(ServiceError):
    code = "unsupported_media_type"
    title = "The content type of the body is not supported."


class UnsupportedContentEncoding(ServiceError):
    code = "unsupported_content_encoding"
    title = "The content coding of the body is not supported."


class BodyTooLarge(ServiceError):
    code = "body_too_large"
    title = "The body is too large."


class AuthenticationRequired(ServiceError):
    code = "authentication_required"
    title = "Authentication is required."


class TokenInvalid(ServiceError):
    code = "token_invalid"
    title = "The access token is not valid."


class TokenExpired(ServiceError):
    code = "token_expired"
    title = "The access token has expired."


class ReauthenticationRequired(ServiceError):
    """The credential is good, and the user proved who they are too long ago for what is wanted (RFC 9470)."""

    code = "reauthentication_required"
    title = "Enter your password again first."


class InvalidCredentials(ServiceError):
    """Unknown, wrong, inactive and deleted are one answer: a failed sign-in does not reveal which accounts exist."""

    code = "invalid_credentials"
    title = "The e-mail address or the password is wrong."
    keeps_writes = True


class RefreshTokenInvalid(ServiceError):
    code = "refresh_token_invalid"
    title = "The refresh token is not valid."


class RefreshTokenReused(ServiceError):
    """The session was revoked because a spent refresh token came back (RFC 9700 §4.14.2)."""

    code = "refresh_token_reused"
    title = "The refresh token was used before; its session has been ended."
    keeps_writes = True


class PermissionDenied(ServiceError):
    code = "permission_denied"
    title = "You do not have the permission that this needs."
    is_audited = True


class EscalationRefused(ServiceError):
    """Nobody grants, by any route, a permission that they do not hold, nor reaches above themselves."""

    code = "escalation_refused"
    title = "This goes beyond what you hold yourself."
    is_audited = True


class RegistrationClosed(ServiceError):
    code = "registration_closed"
    title = "Registration is closed."


class NotFound(ServiceError):
    code = "not_found"
    title = "There is no such resource."


class MethodNotAllowed(ServiceError):
    code = "method_not_allowed"
    title = "The method is not allowed here."


class Conflict(ServiceError):
    code = "conflict"
    title = "The request conflicts with the present state."


class EmailTaken(Conflict):
    code = "email_taken"
    title = "The e-mail address is taken."


class NameTaken(Conflict):
    code = "name_taken"
    title = "The name is taken."


class ExternalIdTaken(Conflict):
    code = "external_id_taken"
    title = "The external id is taken."


class SystemProtected(Conflict):
    """What the service itself relies on is not renamed, emptied or deleted."""

    code = "system_protected"
    title = "This belongs to the service itself and stays as it is."


class RoleCycle(Conflict):
    """Roles inherit each other in one direction only."""

    code = "role_cycle"
    title = "A role does not inherit itself."


class LastAdministrator(Conflict):
    code = "last_administrator"
    title = "At least one active administrator must remain."
    is_audited = True


class RequestInProgress(Conflict):
    """The same request, by its idempotency key, is being answered at this moment."""

    code = "request_in_progress"
    title = "The same request is being answered at this moment."

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, retry_after_seconds=1)


class IdempotencyKeyReused(ServiceError):
    """A key stands for one request; another one must not get its answer."""

    code = "idempotency_key_reused"
    title = "The idempotency key was used for another request."


class PreconditionFailed(ServiceError):
    code = "precondition_failed"
    title = "The resource has changed since it was read."


class PreconditionRequired(ServiceError):
    code = "precondition_required"
    title = "If-Match is required."


class RateLimited(ServiceError):
    """Attempts are being held up. Nothing was tried."""

    code = "rate_limited"
    title = "Too many attempts."

    def __init__(
        self, detail: str | None = None, *, policy: str = "default", quota: int = 1, retry_after_seconds: int = 1
    ) -> None:
        super().__init__(detail, retry_after_seconds=retry_after_seconds)
        self.policy = policy
        """Name of the limit that was reached."""
        self.quota = quota
        """How many attempts in a row it lets through at once."""


class ServiceUnavailable(ServiceError):
    """A dependency is away; the same request may succeed later."""

    code = "service_unavailable"
    title = "The service is unavailable at the moment."


class NotMigrated(ServiceUnavailable):
    """The database is older than this version; a migration helps, and waiting alone does not."""


class Overloaded(ServiceError):
    """More work is queued than can be done in time; nothing was started."""

    code = "overloaded"
    title = "The service is busy."


class InternalError(ServiceError):
    code = "internal_error"
    title = "The service made a mistake."


class ConfigurationError(Exception):
    """A setting is missing or wrong. The text is one line for the operator."""


class MigrationRefused(Exception):
    """The database cannot be brought to a revision. The text is one line for the operator."""


class SettingsRefused(ConfigurationError):
    """Settings are missing or wrong. The text has a line for each problem, then the advice, if there is any."""

    def __init__(self, problems: Sequence[str], advice: str | None = None) -> None:
        super().__init__("\n".join([*problems, *([advice] if advice else [])]))
        self.problems = tuple(problems)
        self.advice = advice
