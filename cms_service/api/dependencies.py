"""What handlers are given. Services live for one request, on its unit of work and for its actor.

Each provider depends on one other at the most: Litestar resolves siblings in a task group, which costs more than most
reads do.
"""

from collections.abc import AsyncIterator
from typing import Any, TypeAlias

from litestar import Request
from litestar.datastructures import State
from litestar.di import Provide

from cms_service.api.request_origin import origin_of
from cms_service.core.database import UnitOfWork, unit_of_work
from cms_service.core.security import Actor, Principal
from cms_service.services import (
    AssignmentService,
    AuditEventService,
    AuthService,
    KeyRing,
    PermissionService,
    RefreshService,
    RoleService,
    SessionService,
    SignInService,
    ThrottleService,
    TokenIssuer,
    TokenService,
    UserDirectory,
    UserService,
)

AnyRequest: TypeAlias = Request[Any, Any, State]


def actor_of(request: AnyRequest) -> Actor:
    """Whoever asks, known or not."""
    principal: Principal | None = request.scope.get("user")
    if principal is None:
        return Actor(origin=origin_of(request))
    issuer: TokenIssuer = request.app.state.issuer
    return Actor(
        principal.subject_id,
        principal.session_id,
        origin_of(request),
        principal.subject_type,
        is_recently_authenticated=issuer.is_recent(principal.authenticated_at),
        credential_id=principal.credential_id,
        narrowed_to=principal.narrowed_to,
        acting_service_id=principal.acting_service_id,
    )


async def provide_work(request: AnyRequest) -> AsyncIterator[UnitOfWork]:
    """The one generator among the dependencies: Litestar would close several at once."""
    engine = request.app.state.reading_engine if request.method == "GET" else request.app.state.engine
    async with unit_of_work(engine) as work:
        yield work


def provide_users(request: AnyRequest, work: UnitOfWork) -> UserService:
    state = request.app.state
    return UserService(work, actor_of(request), state.cursors, state.hasher, state.password_policy, state.throttle)


def provide_assignments(request: AnyRequest, work: UnitOfWork) -> AssignmentService:
    return AssignmentService(work, actor_of(request))


def provide_roles(request: AnyRequest, work: UnitOfWork) -> RoleService:
    return RoleService(work, actor_of(request), request.app.state.cursors)


def provide_permissions(request: AnyRequest, work: UnitOfWork) -> PermissionService:
    return PermissionService(work, actor_of(request), request.app.state.cursors)


def provide_sessions(request: AnyRequest, work: UnitOfWork) -> SessionService:
    return SessionService(work, actor_of(request))


def provide_auth(request: AnyRequest, work: UnitOfWork) -> AuthService:
    state = request.app.state
    return AuthService(work, actor_of(request), state.issuer, state.hasher, state.password_policy, state.throttle)


def provide_tokens(request: AnyRequest, work: UnitOfWork) -> TokenService:
    return TokenService(work, actor_of(request), request.app.state.issuer)


def provide_sign_ins(request: AnyRequest) -> SignInService:
    sign_ins: SignInService = request.app.state.sign_ins
    return sign_ins


def provide_refreshes(request: AnyRequest) -> RefreshService:
    refreshes: RefreshService = request.app.state.refreshes
    return refreshes


def provide_throttles(request: AnyRequest, work: UnitOfWork) -> ThrottleService:
    return ThrottleService(work, actor_of(request))


def provide_audit_events(request: AnyRequest, work: UnitOfWork) -> AuditEventService:
    return AuditEventService(work, request.app.state.cursors)


def provide_directory(request: AnyRequest) -> UserDirectory:
    directory: UserDirectory = request.app.state.directory
    return directory


def provide_key_ring(request: AnyRequest) -> KeyRing:
    key_ring: KeyRing = request.app.state.issuer.key_ring
    return key_ring


DEPENDENCIES = {
    "actor": Provide(actor_of, sync_to_thread=False),
    "work": Provide(provide_work),
    "users": Provide(provide_users, sync_to_thread=False),
    "assignments": Provide(provide_assignments, sync_to_thread=False),
    "roles": Provide(provide_roles, sync_to_thread=False),
    "permissions": Provide(provide_permissions, sync_to_thread=False),
    "sessions": Provide(provide_sessions, sync_to_thread=False),
    "auth": Provide(provide_auth, sync_to_thread=False),
    "tokens": Provide(provide_tokens, sync_to_thread=False),
    "sign_ins": Provide(provide_sign_ins, sync_to_thread=False),
    "refreshes": Provide(provide_refreshes, sync_to_thread=False),
    "throttles": Provide(provide_throttles, sync_to_thread=False),
    "audit_events": Provide(provide_audit_events, sync_to_thread=False),
    "directory": Provide(provide_directory, sync_to_thread=False),
    "key_ring": Provide(provide_key_ring, sync_to_thread=False),
}
