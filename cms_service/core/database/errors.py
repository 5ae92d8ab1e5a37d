"""What an error of the database means. Classified by SQLSTATE, since the exception classes in between do not tell."""

from collections.abc import Iterator

import asyncpg
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
    "uq_service_accounts_name_live": NameTaken,
}
"""What the breach of a unique index means to the caller."""

CONFLICTS = frozenset({"23505", "23503", "23P01", "23001"})
AWAY = frozenset({"40001", "40P01", "55P03", "55000", "3D000", "25006"})
AWAY_CLASSES = frozenset({"08", "28", "53", "57", "58"})
ENDS_CONNECTION_CLASSES = frozenset({"08", "57", "58"})
NOT_MIGRATED = frozenset({"42P01", "42703"})
"""A table or a column that is not there yet: this version was started before its migrations."""


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
            case asyncpg.PostgresError():
                return _translate_state(cause)
            case _ if _is_lost(cause):
                return _away()
    return None


def is_answer(error: BaseException) -> bool:
    """Whether the server is there, and has only refused a statement."""
    return isinstance(error, asyncpg.PostgresError) and (error.sqlstate or "")[:2] not in ENDS_CONNECTION_CLASSES


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


def _is_lost(error: BaseException) -> bool:
    """Whether the server, or a connection to it, is out of reach."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    # An InterfaceError that is a ValueError as well complains about our arguments.
    is_closed = isinstance(error, asyncpg.InterfaceError) and not isinstance(error, ValueError)
    return is_closed or isinstance(error, asyncpg.InternalClientError | PoolTimeoutError | OSError | TimeoutError)


def _translate_state(error: asyncpg.PostgresError) -> ServiceError | None:
    state = error.sqlstate or ""
    if state in AWAY | NOT_MIGRATED or state[:2] in AWAY_CLASSES:
        return _away()
    if state in CONFLICTS:
        return UNIQUENESS.get(error.constraint_name or "", Conflict)()
    return None


def _away() -> ServiceUnavailable:
    return ServiceUnavailable(retry_after_seconds=RETRY_AFTER_SECONDS)
