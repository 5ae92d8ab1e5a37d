"""Request bodies that are valid and, where the service wants it so, unique."""

from tests.factories.auth import PASSWORD, LoginRequestFactory, RegisterRequestFactory
from tests.factories.permission import PermissionCreateFactory
from tests.factories.role import RoleCreateFactory
from tests.factories.service_account import ServiceAccountCreateFactory
from tests.factories.unique import unique, unique_email
from tests.factories.user import UserCreateFactory

__all__ = [
    "PASSWORD",
    "LoginRequestFactory",
    "PermissionCreateFactory",
    "RegisterRequestFactory",
    "RoleCreateFactory",
    "ServiceAccountCreateFactory",
    "UserCreateFactory",
    "unique",
    "unique_email",
]
