"""The role graph in statements. Deleted roles give nothing and pass nothing on."""

from typing import Any

from sqlalchemy import CTE, ColumnElement, and_, select, true

from cms_service.models import Permission, Role, RoleInheritance, RolePermission


def inherited_from(roots: Any) -> CTE:
    """`root_id` and `role_id`: each live role of `roots` with itself and all that it inherits."""
    reach = (
        select(Role.id.label("root_id"), Role.id.label("role_id"))
        .where(Role.id.in_(roots), Role.deleted_at.is_(None))
        .cte("inherited", recursive=True)
    )
    parents = _parents_of(reach.c.role_id)
    return reach.union(select(reach.c.root_id, parents.c.id).join(parents, true()))


def inherited_together(roots: Any) -> CTE:
    """`role_id`: the live roles of `roots` and all that any of them inherits."""
    reach = (
        select(Role.id.label("role_id"))
        .where(Role.id.in_(roots), Role.deleted_at.is_(None))
        .cte("inherited", recursive=True)
    )
    parents = _parents_of(reach.c.role_id)
    return reach.union(select(parents.c.id).select_from(reach).join(parents, true()))


def inheriting(role_id: Any) -> CTE:
    """`role_id`: the live role and all that inherit it."""
    reach = (
        select(Role.id.label("role_id"))
        .where(Role.id == role_id, Role.deleted_at.is_(None))
        .cte("inheriting", recursive=True)
    )
    children = _children_of(reach.c.role_id)
    return reach.union(select(children.c.id).select_from(reach).join(children, true()))


def giving(which: ColumnElement[bool]) -> CTE:
    """`permission` and `role_id`: the live roles that hold permissions of which `which` is true, or inherit them."""
    reach = (
        select(Permission.name.label("permission"), Role.id.label("role_id"))
        .join(RolePermission, RolePermission.permission_id == Permission.id)
        .join(Role, and_(Role.id == RolePermission.role_id, Role.deleted_at.is_(None)))
        .where(which)
        .cte("giving", recursive=True)
    )
    children = _children_of(reach.c.role_id)
    return reach.union(select(reach.c.permission, children.c.id).join(children, true()))


# With OFFSET, the planner looks up the links of one role at a time, in the index. A join of all tables at once it may
# well run as a hash join, which reads all roles again for every generation of a long chain.
def _parents_of(role_id: ColumnElement[Any]) -> Any:
    return (
        select(Role.id)
        .join(RoleInheritance, RoleInheritance.parent_id == Role.id)
        .where(RoleInheritance.role_id == role_id, Role.deleted_at.is_(None))
        .offset(0)
        .lateral()
    )


def _children_of(role_id: ColumnElement[Any]) -> Any:
    return (
        select(Role.id)
        .join(RoleInheritance, RoleInheritance.role_id == Role.id)
        .where(RoleInheritance.parent_id == role_id, Role.deleted_at.is_(None))
        .offset(0)
        .lateral()
    )
