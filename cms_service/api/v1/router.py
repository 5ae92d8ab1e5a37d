"""Version 1 of the API."""

from litestar import Router

from cms_service.api.v1.access import AccessController
from cms_service.api.v1.api_keys import ApiKeyController
from cms_service.api.v1.audit_events import AuditEventController
from cms_service.api.v1.auth import AuthController
from cms_service.api.v1.me import MeController
from cms_service.api.v1.oauth import OAuthController
from cms_service.api.v1.permissions import PermissionController
from cms_service.api.v1.roles import RoleController
from cms_service.api.v1.service_account_roles import ServiceAccountRoleController
from cms_service.api.v1.service_accounts import ServiceAccountController
from cms_service.api.v1.user_roles import UserRoleController
from cms_service.api.v1.user_sessions import UserSessionController
from cms_service.api.v1.user_throttle import UserThrottleController
from cms_service.api.v1.users import UserController

router = Router(
    path="/api/v1",
    route_handlers=[
        AuthController,
        MeController,
        UserController,
        UserRoleController,
        UserSessionController,
        UserThrottleController,
        RoleController,
        PermissionController,
        ServiceAccountController,
        ServiceAccountRoleController,
        ApiKeyController,
        OAuthController,
        AccessController,
        AuditEventController,
    ],
)
