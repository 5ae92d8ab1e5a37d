"""The invariants of access, checked in the transaction that would break them."""

from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import msgspec

from cms_service.core.database import UnitOfWork
from cms_service.core.exceptions import EscalationRefused, LastAdministrator, ServiceUnavailable
from cms_service.core.security import EVERYTHING, Actor, Grant, SubjectType, exceeding, narrowed
from cms_service.repositories import AccessRepository
from cms_service.schemas import RoleAssignment
from cms_service.services._holdings import HOLDINGS

MOST_NAMES = 10
"""How many permissions a refusal names."""


class AccessPolicy:
    """Nobody grants what they do not hold, nor for longer, and somebody can always repair everything."""

    def __init__(self, work: UnitOfWork, actor: Actor) -> None:
        self._work = work
        self._actor = actor
        self._access = AccessRepository(work)

    async def held(self) -> set[Grant]:
        """What the actor itself holds at this moment and its credential lets it use."""
        if self._actor.subject_id is None:
            return set()
        held = await self._access.grants_in_force(HOLDINGS[self._actor.subject_type].assignment, self._actor.subject_id)
        return {
            Grant(name, scope, until)
            for permission, scope, until in held
            for name in narrowed(frozenset([permission]), self._actor.narrowed_to)
        }

    async def refuse_escalation(self, granted: Iterable[Grant]) -> None:
        """Let the actor grant what it holds itself at this moment, for as long as it does.

        Raises:
            EscalationRefused: it does not hold all of `granted`, in the scopes in which it would grant them, or until
                they end.
        """
        granted = set(granted)
        if self._actor.is_system or not granted:
            return
        await self._refuse_exceeding(granted)
        self._work.on_changed_rights(partial(self._refuse_exceeding, granted))

    async def refuse_assignments(self, items: Collection[RoleAssignment]) -> None:
        """Let the actor give these roles, on these terms, to anybody: each gives all that it holds and inherits.

        Raises:
            EscalationRefused: as `refuse_escalation` does.
        """
        permissions = await self._access.permissions_of_roles({item.role_id for item in items})
        await self.refuse_escalation(
            Grant(name, item.scope, item.expires_at) for item in items for name in permissions[item.role_id]
        )

    async def refuse_inheritance(self, parent_ids: Iterable[UUID]) -> None:
        """Let the actor make a role inherit these: whoever has it gets all that they give, everywhere and for ever.

        Raises:
            EscalationRefused: as `refuse_escalation` does.
        """
        await self.refuse_assignments([RoleAssignment(parent_id) for parent_id in parent_ids])

    async def refuse_power_over(self, subject_id: UUID, subject_type: SubjectType = SubjectType.user) -> None:
        """Let the actor take hold of an account that can do no more than the actor, now and later, or of its own.

        A credential that is narrowed can do less than its own account.

        Whoever may change the address of an account, or wake it, can come to sign in to it; and nobody puts away those
        who stand above them.

        Raises:
            EscalationRefused: the account can do more, or for longer.
        """
        is_own = (subject_type, subject_id) == (self._actor.subject_type, self._actor.subject_id)
        if not is_own or self._actor.narrowed_to is not None:
            granted = await self._access.grants_in_prospect(HOLDINGS[subject_type].assignment, subject_id)
            await self.refuse_escalation(Grant(*each) for each in granted)

    async def _refuse_exceeding(self, granted: Collection[Grant]) -> None:
        held = await self.held()
        if missing := exceeding(granted, held):
            raise EscalationRefused(_explain(missing, held))

    @asynccontextmanager
    async def withdrawal(self) -> AsyncIterator[None]:
        """The block takes something away; afterwards somebody still holds everything, also if two do this at once.

        Enter it before locking any row.

        Raises:
            LastAdministrator: nobody would.
        """
        await self._access.lock_withdrawals()
        yield
        await self._work.session.flush()
        if not await self._access.has_lasting_holder(EVERYTHING):
            raise LastAdministrator

    @asynccontextmanager
    async def withdrawal_of_roles(self, role_ids: Collection[UUID]) -> AsyncIterator[None]:
        """The same for a block that takes away no roles but these, or shortens their assignments.

        Roles that do not give everything are taken away by many at once.

        Raises:
            ServiceUnavailable: one of them has come to give everything just now; try again.
        """
        if await self._access.any_role_holds(role_ids, EVERYTHING):
            async with self.withdrawal():
                yield
            return
        await self._access.lock_withdrawals(is_shared=True)
        if await self._access.any_role_holds(role_ids, EVERYTHING):
            raise ServiceUnavailable(retry_after_seconds=1)
        yield


def _explain(missing: Iterable[Grant], held: Collection[Grant]) -> str:
    """Which permissions the actor lacks, and which it holds, but not for long enough."""
    at_all = {msgspec.structs.replace(grant, until=datetime.min.replace(tzinfo=UTC)) for grant in missing}
    lacking = {grant.permission for grant in exceeding(at_all, held)}
    too_short = {grant.permission for grant in missing} - lacking
    sentences = []
    if lacking:
        sentences.append(f"You do not hold {_names(lacking)} yourself.")
    if too_short:
        sentences.append(f"You do not hold {_names(too_short)} for that long yourself.")
    return " ".join(sentences)


def _names(permissions: Collection[str]) -> str:
    named = ", ".join(sorted(permissions)[:MOST_NAMES])
    return named if len(permissions) <= MOST_NAMES else f"{named} and {len(permissions) - MOST_NAMES} more"
