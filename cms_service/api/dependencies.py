"""What handlers are given. Services live for one request, on its unit of work and for its actor."""

from collections.abc import AsyncIterator
from typing import Any

from litestar import Request
from litestar.datastructures import State
from litestar.di import Provide

from cms_service.api.request_origin import origin_of
from cms_service.core.database import UnitOfWork, unit_of_work
from cms_service.core.security import Actor, CursorCodec, PasswordHasher, Principal
from cms_service.services import (
    AssignmentService,
    AuditEventService,
    AuthService,
    KeyRing,
    PermissionService,
    RoleService,
    SessionService,
    TokenIssuer,
    UserDirectory,
    UserService,
)


async def provide_work(request: Request[Any, Any, State]) -> AsyncIterator[UnitOfWork]:
    """The one generator among the dependencies: Litestar would close several at once."""
    async with unit_of_work(request.app.state.engine, is_read_only=request.method == "GET") as work:
        yield work


def provide_actor(request: Request[Any, Any, State]) -> Actor:
    return actor_of(request)


def actor_of(request: Request[Any, Any, State]) -> Actor:
    """Whoever asks, known or not."""
    principal: Principal | None = request.scope.get("user")
    if principal is None:
        return Actor(origin=origin_of(request))
    return Actor(principal.user_id, principal.session_id, origin_of(request))


def provide_users(work: UnitOfWork, actor: Actor, state: State) -> UserService:
    cursors: CursorCodec = state.cursors
    hasher: PasswordHasher = state.hasher
    return UserService(work, actor, cursors, hasher)


def provide_assignments(work: UnitOfWork, actor: Actor) -> AssignmentService:
    return AssignmentService(work, actor)


def provide_roles(work: UnitOfWork, actor: Actor, state: State) -> RoleService:
    return RoleService(work, actor, state.cursors)


def provide_permissions(work: UnitOfWork, actor: Actor, state: State) -> PermissionService:
    return PermissionService(work, actor, state.cursors)


def provide_sessions(work: UnitOfWork, actor: Actor) -> SessionService:
    return SessionService(work, actor)


def provide_auth(work: UnitOfWork, actor: Actor, state: State) -> AuthService:
    issuer: TokenIssuer = state.issuer
    return AuthService(work, actor, issuer, state.hasher)


def provide_audit_events(work: UnitOfWork, state: State) -> AuditEventService:
    return AuditEventService(work, state.cursors)


def provide_directory(state: State) -> UserDirectory:
    directory: UserDirectory = state.directory
    return directory


def provide_key_ring(state: State) -> KeyRing:
    key_ring: KeyRing = state.issuer.key_ring
    return key_ring


DEPENDENCIES = {
    "work": Provide(provide_work),
    "actor": Provide(provide_actor, sync_to_thread=False),
    "users": Provide(provide_users, sync_to_thread=False),
    "assignments": Provide(provide_assignments, sync_to_thread=False),
    "roles": Provide(provide_roles, sync_to_thread=False),
    "permissions": Provide(provide_permissions, sync_to_thread=False),
    "sessions": Provide(provide_sessions, sync_to_thread=False),
    "auth": Provide(provide_auth, sync_to_thread=False),
    "audit_events": Provide(provide_audit_events, sync_to_thread=False),
    "directory": Provide(provide_directory, sync_to_thread=False),
    "key_ring": Provide(provide_key_ring, sync_to_thread=False),
}
