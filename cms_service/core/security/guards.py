"""What a route asks of its caller. Guards are pure functions of the principal on the connection."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from cms_service.core.exceptions import AuthenticationRequired, PermissionDenied
from cms_service.core.security.principal import Principal, SubjectType

PUBLIC = "public"
"""Key of `opt`: the route asks nothing of its caller, and credentials on the request are not looked at."""


async def authenticated(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let everyone in whose credential was verified.

    Raises:
        AuthenticationRequired: there is none.
    """
    principal_of(connection)


async def authenticated_user(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let every user in whose credential was verified, whoever acts on their behalf.

    Raises:
        AuthenticationRequired: there is none.
        PermissionDenied: it is a service account's.
    """
    if principal_of(connection).subject_type is not SubjectType.user:
        raise PermissionDenied("This is for users; service accounts have no account of their own here.")


class requires:  # noqa: N801 - reads as a sentence where it is used: `guards=[requires("users:read")]`
    """Let those in who hold `permission` everywhere."""

    def __init__(self, permission: str) -> None:
        self.permission = permission

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        if not principal_of(connection).holds(self.permission):
            raise PermissionDenied(f"This needs the permission {self.permission}.")


def principal_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Principal:
    """The verified caller.

    Raises:
        AuthenticationRequired: nobody is.
    """
    principal: Principal | None = connection.scope.get("user")
    if principal is None:
        raise AuthenticationRequired
    return principal
