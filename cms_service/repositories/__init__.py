"""All SQL, one aggregate in a file."""

from cms_service.repositories.access import AccessRepository
from cms_service.repositories.audit_event import AuditEventRepository
from cms_service.repositories.directory import DirectoryRepository
from cms_service.repositories.housekeeping import HousekeepingRepository
from cms_service.repositories.permission import PermissionRepository
from cms_service.repositories.principal import PrincipalRepository
from cms_service.repositories.refresh_token import LiveSession, PresentedSession, RefreshTokenRepository
from cms_service.repositories.role import RoleRepository
from cms_service.repositories.rotation import RotationRepository
from cms_service.repositories.sign_in import Opened, SignInOrigin, SignInRepository
from cms_service.repositories.signing_key import SigningKeyRepository
from cms_service.repositories.throttle import (
    AccountThrottleRepository,
    Counter,
    Purpose,
    ThrottleRepository,
    ThrottleState,
)
from cms_service.repositories.user import Credentials, UserRepository

__all__ = [
    "AccessRepository",
    "AccountThrottleRepository",
    "AuditEventRepository",
    "Counter",
    "Credentials",
    "DirectoryRepository",
    "HousekeepingRepository",
    "LiveSession",
    "Opened",
    "PermissionRepository",
    "PresentedSession",
    "PrincipalRepository",
    "Purpose",
    "RefreshTokenRepository",
    "RoleRepository",
    "RotationRepository",
    "SignInOrigin",
    "SignInRepository",
    "SigningKeyRepository",
    "ThrottleRepository",
    "ThrottleState",
    "UserRepository",
]
