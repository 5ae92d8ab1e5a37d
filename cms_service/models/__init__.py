"""The tables, one in a file."""

from cms_service.models._assignment import Assignment
from cms_service.models._base import Base
from cms_service.models._snapshots import Snapshot, TransactionId
from cms_service.models.access_change import AccessChange
from cms_service.models.api_key import ApiKey
from cms_service.models.audit_event import AuditEvent, TargetType
from cms_service.models.cache_lease import CacheLease
from cms_service.models.idempotency_key import IdempotencyKey
from cms_service.models.permission import Permission
from cms_service.models.refresh_token import RefreshToken
from cms_service.models.revoked_token import RevokedToken
from cms_service.models.role import Role
from cms_service.models.role_inheritance import RoleInheritance
from cms_service.models.role_permission import RolePermission
from cms_service.models.service_account import ServiceAccount
from cms_service.models.service_account_role import ServiceAccountRole
from cms_service.models.signing_key import SigningKey
from cms_service.models.throttle import Throttle
from cms_service.models.user import User
from cms_service.models.user_role import UserRole

__all__ = [
    "AccessChange",
    "ApiKey",
    "Assignment",
    "AuditEvent",
    "Base",
    "CacheLease",
    "IdempotencyKey",
    "Permission",
    "RefreshToken",
    "RevokedToken",
    "Role",
    "RoleInheritance",
    "RolePermission",
    "ServiceAccount",
    "ServiceAccountRole",
    "SigningKey",
    "Snapshot",
    "TargetType",
    "Throttle",
    "TransactionId",
    "User",
    "UserRole",
]
