"""Services for handlers. They live for one request, on its unit of work and for its actor.

A controller names those that its handlers take. Litestar goes through all that a handler could take when it registers
it: declared for the whole application, they would make each start 10 ms longer.

Each provider depends on one other at the most. `DirectDependencies` resolves them one after the other: Litestar would
start a task for each.
"""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any, TypeAlias

from litestar import Request
from litestar.datastructures import State
from litestar.di import Provide

from cms_service.api.creating import Creating, IdempotencyKey
from cms_service.api.previews import DryRun
from cms_service.api.request_origin import origin_of
from cms_service.core.database import UnitOfWork, unit_of_work
from cms_service.core.security import Actor, Principal
from cms_service.services import (
    AccessSearchService,
    ApiKeyService,
    AssignmentService,
    AuditEventService,
    AuthService,
    ClientService,
    DecisionPoint,
    EvaluationService,
    ExplanationService,
    HolderService,
    IdempotencyService,
    InheritanceService,
    IntrospectionService,
    KeyRing,
    PermissionService,
    PreviewService,
    PublishedMetadata,
    RefreshService,
    RevocationService,
    RoleService,
    ServiceAccountRoleService,
    ServiceAccountService,
    SessionService,
    SignInService,
    ThrottleService,
    TokenIssuer,
    TokenService,
    UserDirectory,
    UserService,
)

READS = "reads"
"""Key of `opt`: a route that is not a GET and changes nothing."""

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
    state = request.app.state
    if request.method == "GET":
        opened = unit_of_work(state.reading_engine)
    elif request.route_handler.opt.get(READS):
        opened = unit_of_work(state.engine)
    else:
        opened = unit_of_work(state.engine, state.propagation, partial(state.readmission.readmit, request))
    async with opened as work:
        yield work


def provide_users(request: AnyRequest, work: UnitOfWork) -> UserService:
    state = request.app.state
    return UserService(work, actor_of(request), state.cursors, state.hasher, state.password_policy, state.throttle)


def provide_assignments(request: AnyRequest, work: UnitOfWork) -> AssignmentService:
    return AssignmentService(work, actor_of(request))


def provide_roles(request: AnyRequest, work: UnitOfWork) -> RoleService:
    return RoleService(work, actor_of(request), request.app.state.cursors)


def provide_inheritance(request: AnyRequest, work: UnitOfWork) -> InheritanceService:
    return InheritanceService(work, actor_of(request))


def provide_holders(request: AnyRequest, work: UnitOfWork) -> HolderService:
    return HolderService(work, request.app.state.cursors)


def provide_previews(request: AnyRequest, work: UnitOfWork, dry_run: DryRun = False) -> PreviewService:
    return PreviewService(work, actor_of(request), is_wanted=dry_run)


def provide_creating(request: AnyRequest, work: UnitOfWork, idempotency_key: IdempotencyKey = None) -> Creating:
    state = request.app.state
    idempotency = IdempotencyService(work, actor_of(request), state.answer_sealer, state.issuer.entropy)
    return Creating(idempotency, request, idempotency_key)


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


def provide_decisions(request: AnyRequest) -> DecisionPoint:
    decisions: DecisionPoint = request.app.state.decisions
    return decisions


def provide_service_accounts(request: AnyRequest, work: UnitOfWork) -> ServiceAccountService:
    return ServiceAccountService(work, actor_of(request), request.app.state.cursors)


def provide_service_account_roles(request: AnyRequest, work: UnitOfWork) -> ServiceAccountRoleService:
    return ServiceAccountRoleService(work, actor_of(request))


def provide_api_keys(request: AnyRequest, work: UnitOfWork) -> ApiKeyService:
    state = request.app.state
    issuer: TokenIssuer = state.issuer
    return ApiKeyService(work, actor_of(request), state.cursors, issuer.entropy, issuer.settings.api_key_days)


def provide_clients(request: AnyRequest) -> ClientService:
    clients: ClientService = request.app.state.clients
    return clients


def provide_introspections(request: AnyRequest, work: UnitOfWork) -> IntrospectionService:
    return IntrospectionService(work, request.app.state.introspector)


def provide_revocations(request: AnyRequest, work: UnitOfWork) -> RevocationService:
    state = request.app.state
    return RevocationService(
        work, actor_of(request), state.issuer, state.token_reader, state.credentials, state.clients
    )


def provide_server_metadata(request: AnyRequest) -> PublishedMetadata:
    metadata: PublishedMetadata = request.app.state.server_metadata
    return metadata


def provide_evaluations(request: AnyRequest) -> EvaluationService:
    return EvaluationService(request.app.state.decisions, request.scope["user"])


def provide_explanations(request: AnyRequest, work: UnitOfWork) -> ExplanationService:
    return ExplanationService(work, request.app.state.decisions, request.scope["user"])


def provide_access_search(request: AnyRequest, work: UnitOfWork) -> AccessSearchService:
    state = request.app.state
    return AccessSearchService(work, state.decisions, request.scope["user"], state.cursors)


def provide_key_ring(request: AnyRequest) -> KeyRing:
    key_ring: KeyRing = request.app.state.issuer.key_ring
    return key_ring


_PROVIDERS = {
    "work": Provide(provide_work),
    "users": Provide(provide_users, sync_to_thread=False),
    "assignments": Provide(provide_assignments, sync_to_thread=False),
    "roles": Provide(provide_roles, sync_to_thread=False),
    "inheritance": Provide(provide_inheritance, sync_to_thread=False),
    "holders": Provide(provide_holders, sync_to_thread=False),
    "previews": Provide(provide_previews, sync_to_thread=False),
    "creating": Provide(provide_creating, sync_to_thread=False),
    "permissions": Provide(provide_permissions, sync_to_thread=False),
    "sessions": Provide(provide_sessions, sync_to_thread=False),
    "auth": Provide(provide_auth, sync_to_thread=False),
    "tokens": Provide(provide_tokens, sync_to_thread=False),
    "sign_ins": Provide(provide_sign_ins, sync_to_thread=False),
    "refreshes": Provide(provide_refreshes, sync_to_thread=False),
    "throttles": Provide(provide_throttles, sync_to_thread=False),
    "audit_events": Provide(provide_audit_events, sync_to_thread=False),
    "directory": Provide(provide_directory, sync_to_thread=False),
    "decisions": Provide(provide_decisions, sync_to_thread=False),
    "evaluations": Provide(provide_evaluations, sync_to_thread=False),
    "explanations": Provide(provide_explanations, sync_to_thread=False),
    "access_search": Provide(provide_access_search, sync_to_thread=False),
    "service_accounts": Provide(provide_service_accounts, sync_to_thread=False),
    "service_account_roles": Provide(provide_service_account_roles, sync_to_thread=False),
    "api_keys": Provide(provide_api_keys, sync_to_thread=False),
    "clients": Provide(provide_clients, sync_to_thread=False),
    "introspections": Provide(provide_introspections, sync_to_thread=False),
    "revocations": Provide(provide_revocations, sync_to_thread=False),
    "server_metadata": Provide(provide_server_metadata, sync_to_thread=False),
    "key_ring": Provide(provide_key_ring, sync_to_thread=False),
}


def provided(*names: str) -> dict[str, Provide]:
    """The dependencies of a controller: services by the names of handlers' parameters, and the work that they need."""
    return {name: _PROVIDERS[name] for name in ("work", *names)}
