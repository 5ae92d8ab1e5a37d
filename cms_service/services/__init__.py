"""All decisions, one aggregate in a file."""

from cms_service.services.administrators import AdministratorService
from cms_service.services.assignments import AssignmentService
from cms_service.services.audit_events import AuditEventService, RefusalRecorder
from cms_service.services.auth import AuthService
from cms_service.services.authentication import AccessTokenAuthenticator, Authenticator
from cms_service.services.directory import UserDirectory
from cms_service.services.key_ring import KeyRing
from cms_service.services.permissions import PermissionService
from cms_service.services.preconditions import Precondition, Versioned, entity_tag
from cms_service.services.roles import RoleService
from cms_service.services.sessions import SessionService
from cms_service.services.tokens import TokenIssuer, TokenService
from cms_service.services.users import UserService

__all__ = [
    "AccessTokenAuthenticator",
    "AdministratorService",
    "AssignmentService",
    "AuditEventService",
    "AuthService",
    "Authenticator",
    "KeyRing",
    "PermissionService",
    "Precondition",
    "RefusalRecorder",
    "RoleService",
    "SessionService",
    "TokenIssuer",
    "TokenService",
    "UserDirectory",
    "UserService",
    "Versioned",
    "entity_tag",
]
