"""What an error of the database means. Classified by SQLSTATE, since the exception classes in between do not tell."""

from collections.abc import Iterator

from advanced_alchemy.exceptions import NotFoundError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm.exc import StaleDataError

from cms_service.core.exceptions import (
    Conflict,
    EmailTaken,
    ExternalIdTaken,
    NameTaken,
    NotFound,
    PreconditionFailed,
    ServiceError,
    ServiceUnavailable,
)

RETRY_AFTER_SECONDS = 1

UNIQUENESS: dict[str, type[Conflict]] = {
    "uq_users_email_live": EmailTaken,
    "uq_users_external_id_live": ExternalIdTaken,
    "uq_roles_name_live": NameTaken,
    "uq_permissions_name": NameTaken,
}
"""What the breach of a unique index means to the caller."""

CONFLICTS = frozenset({"23505", "23503", "23P01", "23001"})
AWAY = frozenset({"40001", "40P01", "55P03", "3D000", "25006"})
AWAY_CLASSES = frozenset({"08", "53", "57"})


def translate_error(error: BaseException) -> ServiceError | None:
    """The refusal that `error` amounts to, or None where it is a mistake of this service.

    SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html
    """
    for cause in _causes(error):
        match cause:
            case ServiceError():
                return cause
            case NotFoundError():
                return NotFound()
            case StaleDataError():
                return PreconditionFailed()
            case DBAPIError():
                return _translate_driver_error(cause)
            case PoolTimeoutError() | OSError() | TimeoutError():
                return ServiceUnavailable(retry_after_seconds=RETRY_AFTER_SECONDS)
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and what it was raised from; of a group, its members (Litestar groups errors of clean-up)."""
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from _causes(member)
        return
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _translate_driver_error(error: DBAPIError) -> ServiceError | None:
    driver_error = error.orig.__cause__ if error.orig else None
    state: str = getattr(error.orig, "sqlstate", None) or ""
    is_network = isinstance(driver_error, OSError | TimeoutError)
    if error.connection_invalidated or is_network or state in AWAY or state[:2] in AWAY_CLASSES:
        return ServiceUnavailable(retry_after_seconds=RETRY_AFTER_SECONDS)
    if state in CONFLICTS:
        return UNIQUENESS.get(getattr(driver_error, "constraint_name", None) or "", Conflict)()
    return None
