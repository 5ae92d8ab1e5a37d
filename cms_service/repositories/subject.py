"""Who may do what, as decisions need it: whole subjects, in one statement each."""

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Float, Select, String, Uuid, and_, bindparam, case, cast, func, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased

from cms_service.core.database import FastLane, Question
from cms_service.models import (
    Assignment,
    Permission,
    RefreshToken,
    RolePermission,
    ServiceAccount,
    ServiceAccountRole,
    User,
    UserRole,
)
from cms_service.repositories._inheritance import inherited_from


class HeldRole(msgspec.Struct, frozen=True, array_like=True):
    """An assignment that is not over. Instants are the database's, in seconds since the epoch."""

    role_id: UUID
    scope: str | None
    not_before: float | None
    expires_at: float | None


class RoleClosure(msgspec.Struct, frozen=True):
    """A role together with all that it inherits."""

    role_ids: frozenset[UUID]
    permissions: frozenset[str]


class Subject(msgspec.Struct, frozen=True):
    """A user or a service account that counts."""

    id: UUID
    names: frozenset[str]
    """By which it can be asked about, besides its id."""
    held_roles: list[HeldRole]


class ReadSubject(msgspec.Struct, frozen=True):
    """A subject and all that its roles amount to, read at one moment."""

    subject: Subject
    closures: dict[UUID, RoleClosure]
    now: float
    """The database's clock."""


class SessionFacts(msgspec.Struct, frozen=True):
    """A session that is live."""

    user_id: UUID
    expires_at: float
    """By the database's clock, unless it is refreshed before."""


class _Closure(msgspec.Struct, array_like=True):
    root: UUID
    role_ids: frozenset[UUID]
    permissions: frozenset[str]


_HELD = msgspec.json.Decoder(list[HeldRole])
_CLOSURES = msgspec.json.Decoder(list[_Closure])


def _epoch(instant: Any) -> Any:
    return cast(func.extract("epoch", instant), Float)


def _closures(roots: Any) -> Any:
    """JSON of `_Closure` for each live role of `roots`, or null where there is none."""
    reach = inherited_from(roots)
    # One role at a time, for the reason that `_inheritance` gives.
    links = select(RolePermission.permission_id).where(RolePermission.role_id == reach.c.role_id).offset(0).lateral()
    held = (
        select(
            reach.c.root_id,
            func.array_agg(reach.c.role_id.distinct()).label("role_ids"),
            func.coalesce(
                func.array_agg(Permission.name.distinct()).filter(Permission.name.is_not(None)),
                cast([], ARRAY(String)),
            ).label("permissions"),
        )
        .select_from(reach)
        .outerjoin(links, true())
        .outerjoin(Permission, Permission.id == links.c.permission_id)
        .group_by(reach.c.root_id)
        .subquery()
    )
    return select(
        func.json_agg(func.json_build_array(held.c.root_id, held.c.role_ids, held.c.permissions))
    ).scalar_subquery()


def _subject(
    account: type[User] | type[ServiceAccount], assignment: type[Assignment], owner: Any, *names: Any
) -> Select[Any]:
    held = select(assignment).where(owner == bindparam("subject_id", type_=Uuid), assignment.is_not_over())
    roles = held.with_only_columns(
        func.json_agg(
            func.json_build_array(
                assignment.role_id, assignment.scope, _epoch(assignment.not_before), _epoch(assignment.expires_at)
            )
        )
    ).scalar_subquery()
    return select(
        account.id,
        *(name.label(f"name_{index}") for index, name in enumerate(names)),
        roles.label("held_roles"),
        _closures(held.with_only_columns(assignment.role_id)).label("closures"),
        _epoch(func.now()).label("now"),
    ).where(account.id == bindparam("subject_id", type_=Uuid), account.is_active, account.deleted_at.is_(None))


# What holds an @ is taken for an address: no external id can come to mean somebody else.
_EXTERNAL_NAME = case((~User.external_id.contains("@", autoescape=True), User.external_id))
_SUBJECTS = {
    "user": Question(_subject(User, UserRole, UserRole.user_id, User.email, _EXTERNAL_NAME)),
    "service": Question(
        _subject(ServiceAccount, ServiceAccountRole, ServiceAccountRole.service_account_id, ServiceAccount.name)
    ),
}
_name = bindparam("name", type_=String)
_is_address = _name.contains("@", autoescape=True)
_named = aliased(User)
_IDS = {
    "user": Question(
        select(User.id).where(
            User.deleted_at.is_(None),
            ~select(_named.id).where(_named.id == bindparam("but", type_=Uuid)).exists(),
            or_(and_(_is_address, User.email == _name), and_(~_is_address, User.external_id == _name)),
        )
    ),
    "service": Question(
        select(ServiceAccount.id).where(ServiceAccount.deleted_at.is_(None), ServiceAccount.name == _name)
    ),
}
_SESSION = Question(
    select(
        RefreshToken.user_id,
        _epoch(func.least(RefreshToken.idle_expires_at, RefreshToken.expires_at)).label("expires_at"),
    ).where(
        RefreshToken.id == bindparam("session_id", type_=Uuid),
        RefreshToken.revoked_at.is_(None),
        RefreshToken.idle_expires_at > func.now(),
        RefreshToken.expires_at > func.now(),
    )
)
_PERMISSIONS = Question(select(func.array_agg(Permission.name).label("names")))


class SubjectRepository:
    """Reads on the fast lane, outside any unit of work."""

    def __init__(self, lane: FastLane) -> None:
        self._lane = lane

    async def find_subject(self, subject_type: str, subject_id: UUID) -> ReadSubject | None:
        """The `user` or the `service`, if there is one and it is active."""
        row = await self._lane.ask(_SUBJECTS[subject_type], subject_id=subject_id)
        if row is None:
            return None
        names = frozenset(value for name, value in row.items() if name.startswith("name_") and value is not None)
        subject = Subject(row["id"], names, _HELD.decode(row["held_roles"] or "[]"))
        return ReadSubject(subject, _read_closures(row["closures"], subject.held_roles), row["now"])

    async def find_id(self, subject_type: str, name: str, but: UUID | None = None) -> UUID | None:
        """The id of a live account by a name that is not its id: of users the canonical address or the external id.

        None where an account, be it dead, has the id `but`.
        """
        row = await self._lane.ask(_IDS[subject_type], name=name, but=but)
        return None if row is None else row["id"]

    async def find_session(self, session_id: UUID) -> SessionFacts | None:
        """The session, if it is live; its account may not be."""
        row = await self._lane.ask(_SESSION, session_id=session_id)
        return None if row is None else SessionFacts(row["user_id"], row["expires_at"])

    async def list_permissions(self) -> frozenset[str]:
        """The names of all permissions that there are."""
        row = await self._lane.ask(_PERMISSIONS)
        return frozenset((row and row["names"]) or ())


def _read_closures(found: str | None, held_roles: list[HeldRole]) -> dict[UUID, RoleClosure]:
    closures = {held.role_id: RoleClosure(frozenset([held.role_id]), frozenset()) for held in held_roles}
    for closure in _CLOSURES.decode(found or "[]"):
        closures[closure.root] = RoleClosure(closure.role_ids, closure.permissions)
    return closures
