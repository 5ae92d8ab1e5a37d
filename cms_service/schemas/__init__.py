"""What goes over the wire, one resource in a file. Plain data."""

from cms_service.schemas._fields import CHECK, IS_NEW_PASSWORD, ROLE_NAME_PATTERN, SCOPE_PATTERN, TEXT_PATTERN
from cms_service.schemas.assignment import (
    AssignedRole,
    EffectivePermission,
    RoleAssignment,
    RoleAssignmentsReplace,
    RoleAssignmentTerms,
)
from cms_service.schemas.audit_event import AuditEventQuery, AuditEventRead
from cms_service.schemas.auth import (
    AccessTokenResponse,
    LoginRequest,
    LoginResponse,
    LogoutRequest,
    PasswordChange,
    ReauthenticationRequest,
    RefreshRequest,
    RegisterRequest,
    TokenResponse,
)
from cms_service.schemas.jwks import JsonWebKey, JsonWebKeySet
from cms_service.schemas.page import ListQuery, Page
from cms_service.schemas.permission import (
    PermissionCreate,
    PermissionQuery,
    PermissionRead,
    PermissionRef,
    PermissionSort,
    PermissionUpdate,
)
from cms_service.schemas.problem import FieldError, Problem, ValidationProblem
from cms_service.schemas.role import (
    RoleCreate,
    RolePermissionsReplace,
    RoleQuery,
    RoleRead,
    RoleRef,
    RoleSort,
    RoleUpdate,
)
from cms_service.schemas.session import SessionRead
from cms_service.schemas.signing_key import SigningKeyRead, SigningKeyState
from cms_service.schemas.throttle import ThrottleRead
from cms_service.schemas.user import OwnUserUpdate, UserCreate, UserQuery, UserRead, UserRef, UserSort, UserUpdate

__all__ = [
    "CHECK",
    "IS_NEW_PASSWORD",
    "ROLE_NAME_PATTERN",
    "SCOPE_PATTERN",
    "TEXT_PATTERN",
    "AccessTokenResponse",
    "AssignedRole",
    "AuditEventQuery",
    "AuditEventRead",
    "EffectivePermission",
    "FieldError",
    "JsonWebKey",
    "JsonWebKeySet",
    "ListQuery",
    "LoginRequest",
    "LoginResponse",
    "LogoutRequest",
    "OwnUserUpdate",
    "Page",
    "PasswordChange",
    "PermissionCreate",
    "PermissionQuery",
    "PermissionRead",
    "PermissionRef",
    "PermissionSort",
    "PermissionUpdate",
    "Problem",
    "ReauthenticationRequest",
    "RefreshRequest",
    "RegisterRequest",
    "RoleAssignment",
    "RoleAssignmentTerms",
    "RoleAssignmentsReplace",
    "RoleCreate",
    "RolePermissionsReplace",
    "RoleQuery",
    "RoleRead",
    "RoleRef",
    "RoleSort",
    "RoleUpdate",
    "SessionRead",
    "SigningKeyRead",
    "SigningKeyState",
    "ThrottleRead",
    "TokenResponse",
    "UserCreate",
    "UserQuery",
    "UserRead",
    "UserRef",
    "UserSort",
    "UserUpdate",
    "ValidationProblem",
]
