"""The tables, one in a file."""

from cms_service.models._base import Base
from cms_service.models.audit_event import AuditEvent
from cms_service.models.permission import Permission
from cms_service.models.refresh_token import RefreshToken
from cms_service.models.role import Role
from cms_service.models.role_permission import RolePermission
from cms_service.models.signing_key import SigningKey
from cms_service.models.throttle import Throttle
from cms_service.models.user import User
from cms_service.models.user_role import UserRole

__all__ = [
    "AuditEvent",
    "Base",
    "Permission",
    "RefreshToken",
    "Role",
    "RolePermission",
    "SigningKey",
    "Throttle",
    "User",
    "UserRole",
]
