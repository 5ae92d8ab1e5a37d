"""Which role inherits which."""

from collections.abc import Collection
from uuid import UUID

from cms_service.core.database import UnitOfWork
from cms_service.core.exceptions import RoleCycle, SystemProtected, ValidationFailed
from cms_service.core.security import EVERYTHING, Actor
from cms_service.models import Role
from cms_service.repositories import RoleGraphRepository, RoleRepository
from cms_service.schemas import Page, RoleParentsReplace, RoleRead, RoleRef
from cms_service.services._lineage import Lineage
from cms_service.services._listing import whole
from cms_service.services._reading import read_role
from cms_service.services._references import missing_roles
from cms_service.services.access_policy import AccessPolicy
from cms_service.services.audit_trail import AuditTrail
from cms_service.services.preconditions import Precondition

MOST_NAMES = 12
"""How many roles of a circle a refusal names."""


class InheritanceService:
    """Lets roles inherit roles: whoever has a role has what its parents give, and what those inherit."""

    def __init__(self, work: UnitOfWork, actor: Actor) -> None:
        self._actor = actor
        self._roles = RoleRepository(session=work.session, wrap_exceptions=False)
        self._graph = RoleGraphRepository(work)
        self._policy = AccessPolicy(work, actor)
        self._audit = AuditTrail(work, actor)

    async def list_parents(self, role_id: UUID) -> Page[RoleRef]:
        """What the role inherits directly. Raises NotFound."""
        return whole(read_role(await self._roles.get_live(role_id)).parents)

    async def replace_parents(self, role_id: UUID, data: RoleParentsReplace, precondition: Precondition) -> RoleRead:
        """The role inherits exactly these.

        Raises:
            NotFound: there is no such role.
            ValidationFailed: a parent does not exist.
            RoleCycle: the role would inherit itself.
            EscalationRefused: a parent that is added gives what the actor does not hold for ever.
            SystemProtected: it is the administrator, who holds everything.
            LastAdministrator: nobody active would hold everything.
        """
        async with self._policy.withdrawal():
            role = await self._roles.lock_live(role_id)
            before = read_role(role)
            precondition.check(before)
            wanted = await self._roles.find_many(data.parent_ids)
            if violations := missing_roles(data.parent_ids, wanted, "/parent_ids"):
                raise ValidationFailed(*violations)
            present = {parent.id for parent in role.parents}
            added, removed = wanted.keys() - present, present - wanted.keys()
            if not added and not removed:
                return before
            if role.is_system and EVERYTHING in {permission.name for permission in role.permissions}:
                raise SystemProtected("The administrator holds everything, and that stays.")
            await self._refuse_cycle(role, [wanted[parent_id] for parent_id in added])
            await self._policy.refuse_inheritance(added)
            await self._graph.link(role_id, added, self._actor.subject_id)
            await self._graph.unlink(role_id, removed)
            after = read_role(await self._roles.touch(role))
        self._audit.record("role.parents_changed", "role", role_id, before=before, after=after)
        return after

    async def _refuse_cycle(self, role: Role, added: Collection[Role]) -> None:
        above = await self._graph.links_above([parent.id for parent in added])
        lineage = Lineage(sorted(added, key=lambda each: each.name), above)
        if lineage.reaches(role.id):
            names = [each.name for each in (role, *lineage.way_to(role.id))]
            raise RoleCycle(f"{_shortened(names)} would be a circle.")


def _shortened(names: list[str]) -> str:
    if len(names) > MOST_NAMES:
        names = [*names[: MOST_NAMES - 2], "…", names[-1]]
    return " → ".join(names)
