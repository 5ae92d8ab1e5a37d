"""All decisions, one aggregate in a file."""

from cms_service.services.administrators import AdministratorService
from cms_service.services.assignments import AssignmentService
from cms_service.services.audit_events import AuditEventService, RefusalRecorder
from cms_service.services.auth import AuthService
from cms_service.services.authentication import AccessTokenAuthenticator, Authenticator
from cms_service.services.directory import UserDirectory
from cms_service.services.housekeeping import Housekeeper
from cms_service.services.key_ring import KeyRing, PublishedKeys
from cms_service.services.permissions import PermissionService
from cms_service.services.preconditions import Precondition, Versioned, entity_tag
from cms_service.services.roles import RoleService
from cms_service.services.sessions import SessionService
from cms_service.services.sign_in import SignInService
from cms_service.services.sign_in_throttle import SignInThrottle
from cms_service.services.signing_keys import KeySchedule, SigningKeyService
from cms_service.services.throttles import ThrottleService
from cms_service.services.token_issuer import TokenIssuer
from cms_service.services.tokens import RefreshService, TokenService
from cms_service.services.users import UserService

__all__ = [
    "AccessTokenAuthenticator",
    "AdministratorService",
    "AssignmentService",
    "AuditEventService",
    "AuthService",
    "Authenticator",
    "Housekeeper",
    "KeyRing",
    "KeySchedule",
    "PermissionService",
    "Precondition",
    "PublishedKeys",
    "RefreshService",
    "RefusalRecorder",
    "RoleService",
    "SessionService",
    "SignInService",
    "SignInThrottle",
    "SigningKeyService",
    "ThrottleService",
    "TokenIssuer",
    "TokenService",
    "UserDirectory",
    "UserService",
    "Versioned",
    "entity_tag",
]
