"""Rows as the API shows them. Members are named one by one, so that a new column stays inside until it is let out."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import msgspec

from cms_service.models import (
    AuditEvent,
    Permission,
    RefreshToken,
    Role,
    ServiceAccountRole,
    TargetType,
    User,
    UserRole,
)
from cms_service.schemas import (
    AssignedRole,
    AuditEventRead,
    PermissionRead,
    PermissionRef,
    PermissionSource,
    RoleRead,
    RoleRef,
    SessionRead,
    UserRead,
    UserRef,
)

ACTOR_TYPES: tuple[TargetType, ...] = ("user", "service_account")
_ROLES = msgspec.json.Decoder(list[RoleRef])


def read_user(user: User) -> UserRead:
    return UserRead(
        id=user.id,
        email=user.email,
        display_name=user.display_name,
        external_id=user.external_id,
        is_active=user.is_active,
        email_verified_at=user.email_verified_at,
        created_at=user.created_at,
        updated_at=user.updated_at,
        version=user.version,
        roles=[refer_to_role(role) for role in sorted(user.roles, key=lambda role: role.name)],
    )


def read_members(members: dict[str, Any]) -> UserRead:
    """The same, from what `DirectoryRepository` and `SignInRepository` find."""
    roles = _ROLES.decode(members.pop("roles") or b"[]")
    return UserRead(**members, roles=sorted(roles, key=lambda role: role.name))


def refer_to_user(user: User) -> UserRef:
    return UserRef(user.id, user.email, user.display_name)


def read_role(role: Role) -> RoleRead:
    return RoleRead(
        id=role.id,
        name=role.name,
        title=role.title,
        description=role.description,
        is_system=role.is_system,
        created_at=role.created_at,
        updated_at=role.updated_at,
        version=role.version,
        permissions=[
            refer_to_permission(permission)
            for permission in sorted(role.permissions, key=lambda permission: permission.name)
        ],
        parents=[refer_to_role(parent) for parent in sorted(role.parents, key=lambda parent: parent.name)],
    )


def refer_to_role(role: Role) -> RoleRef:
    return RoleRef(role.id, role.name, role.title)


def read_permission(permission: Permission) -> PermissionRead:
    return PermissionRead(
        id=permission.id,
        name=permission.name,
        description=permission.description,
        is_system=permission.is_system,
        created_at=permission.created_at,
        updated_at=permission.updated_at,
        version=permission.version,
    )


def refer_to_permission(permission: Permission) -> PermissionRef:
    return PermissionRef(permission.id, permission.name)


def read_assignment(assignment: UserRole | ServiceAccountRole, role: Role) -> AssignedRole:
    return AssignedRole(
        id=assignment.id,
        role=refer_to_role(role),
        scope=assignment.scope,
        not_before=assignment.not_before,
        expires_at=assignment.expires_at,
        reason=assignment.reason,
        granted_by=assignment.granted_by,
        granted_at=assignment.granted_at,
    )


def read_source(assignment: UserRole | ServiceAccountRole, role: Role, way: Iterable[Role]) -> PermissionSource:
    return PermissionSource(
        **msgspec.structs.asdict(read_assignment(assignment, role)), via=[refer_to_role(each) for each in way]
    )


def read_session(session: RefreshToken, current_id: UUID | None) -> SessionRead:
    return SessionRead(
        id=session.id,
        created_at=session.created_at,
        last_used_at=session.last_used_at,
        expires_at=min(session.idle_expires_at, session.expires_at),
        ip=session.ip,
        user_agent=session.user_agent,
        is_current=session.id == current_id,
    )


def read_audit_event(event: AuditEvent, names: Mapping[tuple[str, UUID], str]) -> AuditEventRead:
    """`names` holds those that are known, by the type and the id of what has them."""

    def name_of(target_type: str | None, target_id: UUID | None) -> str | None:
        return None if target_type is None or target_id is None else names.get((target_type, target_id))

    # The trail does not say of what type the actor is; only one table has the id.
    actor_type = next((each for each in ACTOR_TYPES if name_of(each, event.actor_id) is not None), None)
    return AuditEventRead(
        id=event.id,
        at=event.at,
        actor_id=event.actor_id,
        actor_type=actor_type,
        actor_name=name_of(actor_type, event.actor_id),
        session_id=event.session_id,
        action=event.action,
        target_type=event.target_type,
        target_id=event.target_id,
        target_name=name_of(event.target_type, event.target_id),
        before=event.before,
        after=event.after,
        request_id=event.request_id,
        ip=event.ip,
        credential_id=event.credential_id,
        credential_name=name_of("api_key", event.credential_id),
        on_behalf_of=event.on_behalf_of,
        on_behalf_of_name=name_of("user", event.on_behalf_of),
    )
