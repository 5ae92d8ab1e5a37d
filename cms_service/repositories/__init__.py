"""All SQL, one aggregate in a file."""

from cms_service.repositories.access import AccessRepository
from cms_service.repositories.audit_event import AuditEventRepository
from cms_service.repositories.directory import DirectoryRepository
from cms_service.repositories.permission import PermissionRepository
from cms_service.repositories.principal import PrincipalRepository
from cms_service.repositories.refresh_token import PresentedSession, RefreshTokenRepository
from cms_service.repositories.role import RoleRepository
from cms_service.repositories.signing_key import SigningKeyRepository
from cms_service.repositories.user import Credentials, UserRepository

__all__ = [
    "AccessRepository",
    "AuditEventRepository",
    "Credentials",
    "DirectoryRepository",
    "PermissionRepository",
    "PresentedSession",
    "PrincipalRepository",
    "RefreshTokenRepository",
    "RoleRepository",
    "SigningKeyRepository",
    "UserRepository",
]
