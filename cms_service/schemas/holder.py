"""Who has a role or holds a permission."""

from typing import Annotated

from msgspec import Meta, Struct

from cms_service.core.security import SubjectType
from cms_service.schemas._fields import ExpiresAt, PermissionName, Scope, UserId
from cms_service.schemas.role import RoleRef
from cms_service.schemas.user import UserRef


class SubjectRef(Struct):
    """A user or a service account, as other resources name it."""

    type: Annotated[SubjectType, Meta(examples=["user"])]
    id: Annotated[UserId, Meta(description="Id of that account.")]
    name: Annotated[
        str,
        Meta(description="The e-mail address of a user, the name of a service account.", examples=["ada@example.org"]),
    ]


class RoleUser(UserRef):
    """A user who has a role at this moment."""

    through: Annotated[
        list[RoleRef],
        Meta(description="The roles that were assigned to the user: this one, or such as inherit it."),
    ]


class PermissionGrant(Struct):
    """What makes somebody hold a permission."""

    permission: Annotated[PermissionName, Meta(description="The permission itself, or a wildcard that implies it.")]
    role: Annotated[RoleRef, Meta(description="The role that was assigned: it holds that, or inherits it.")]
    scope: Scope | None
    expires_at: ExpiresAt | None


class PermissionHolder(Struct):
    """Somebody who holds a permission at this moment."""

    subject: SubjectRef
    grants: Annotated[list[PermissionGrant], Meta(description="Every assignment that gives it.")]
