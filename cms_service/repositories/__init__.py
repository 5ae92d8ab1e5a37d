"""All SQL, one aggregate in a file."""

from cms_service.repositories.access import AccessRepository
from cms_service.repositories.access_search import (
    AccessSearchRepository,
    Sought,
)
from cms_service.repositories.api_key import ApiKeyRepository
from cms_service.repositories.audit_event import AuditEventRepository
from cms_service.repositories.audit_names import AuditNameRepository, Reference
from cms_service.repositories.cache_lease import Change, HearingRepository, LeaseRepository, News
from cms_service.repositories.credential import USE_INTERVAL_SECONDS, CredentialRepository, LiveApiKey
from cms_service.repositories.directory import DirectoryRepository
from cms_service.repositories.explanation import (
    AccountState,
    ExplanationRepository,
    GrantingRoles,
)
from cms_service.repositories.holders import SERVICES, USERS, HolderRepository
from cms_service.repositories.housekeeping import HousekeepingRepository
from cms_service.repositories.idempotency import IdempotencyRepository
from cms_service.repositories.inspection import InspectionRepository
from cms_service.repositories.permission import PermissionRepository
from cms_service.repositories.preview import AccountChanges, PreviewRepository, RoleChange
from cms_service.repositories.refresh_token import LiveSession, PresentedSession, RefreshTokenRepository
from cms_service.repositories.role import RoleRepository
from cms_service.repositories.role_graph import RoleGraph, RoleGraphRepository
from cms_service.repositories.rotation import RotationRepository
from cms_service.repositories.service_account import ServiceAccountRepository
from cms_service.repositories.sign_in import Opened, SignInOrigin, SignInRepository
from cms_service.repositories.signing_key import SigningKeyRepository
from cms_service.repositories.subject import (
    HeldRole,
    RoleClosure,
    SessionFacts,
    Subject,
    SubjectRepository,
)
from cms_service.repositories.throttle import (
    AccountThrottleRepository,
    Counter,
    Purpose,
    ThrottleRepository,
)
from cms_service.repositories.user import Credentials, UserRepository

__all__ = [
    "SERVICES",
    "USERS",
    "USE_INTERVAL_SECONDS",
    "AccessRepository",
    "AccessSearchRepository",
    "AccountChanges",
    "AccountState",
    "AccountThrottleRepository",
    "ApiKeyRepository",
    "AuditEventRepository",
    "AuditNameRepository",
    "Change",
    "Counter",
    "CredentialRepository",
    "Credentials",
    "DirectoryRepository",
    "ExplanationRepository",
    "GrantingRoles",
    "HearingRepository",
    "HeldRole",
    "HolderRepository",
    "HousekeepingRepository",
    "IdempotencyRepository",
    "InspectionRepository",
    "LeaseRepository",
    "LiveApiKey",
    "LiveSession",
    "News",
    "Opened",
    "PermissionRepository",
    "PresentedSession",
    "PreviewRepository",
    "Purpose",
    "Reference",
    "RefreshTokenRepository",
    "RoleChange",
    "RoleClosure",
    "RoleGraph",
    "RoleGraphRepository",
    "RoleRepository",
    "RotationRepository",
    "ServiceAccountRepository",
    "SessionFacts",
    "SignInOrigin",
    "SignInRepository",
    "SigningKeyRepository",
    "Sought",
    "Subject",
    "SubjectRepository",
    "ThrottleRepository",
    "UserRepository",
]
