"""The invariants of access, checked in the transaction that would break them."""

from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from uuid import UUID

from cms_service.core.database import UnitOfWork
from cms_service.core.exceptions import EscalationRefused, LastAdministrator, ServiceUnavailable
from cms_service.core.security import EVERYTHING, Actor, Grant, exceeding
from cms_service.repositories import AccessRepository


class AccessPolicy:
    """Nobody grants what they do not hold, and somebody can always repair everything."""

    def __init__(self, work: UnitOfWork, actor: Actor) -> None:
        self._work = work
        self._actor = actor
        self._access = AccessRepository(work)

    async def refuse_escalation(self, granted: Iterable[Grant]) -> None:
        """Let the actor grant what it holds itself at this moment.

        Raises:
            EscalationRefused: it does not hold all of `granted`, in the scopes in which it would grant them.
        """
        granted = set(granted)
        if self._actor.is_system or not granted:
            return
        user_id = self._actor.user_id
        held = {Grant(*pair) for pair in await self._access.grants_in_force(user_id)} if user_id else set()
        if missing := exceeding(granted, held):
            names = ", ".join(sorted({grant.permission for grant in missing}))
            raise EscalationRefused(f"You do not hold {names} yourself.")

    async def refuse_power_over(self, user_id: UUID) -> None:
        """Let the actor take hold of an account that can do no more than the actor, now and later, or of its own.

        Whoever may change the address of an account, or wake it, can come to sign in to it; and nobody puts away those
        who stand above them.

        Raises:
            EscalationRefused: the account can do more.
        """
        if user_id != self._actor.user_id:
            await self.refuse_escalation(Grant(*pair) for pair in await self._access.grants_in_prospect(user_id))

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

        Roles that do not hold everything are taken away without waiting for anybody.

        Raises:
            ServiceUnavailable: one of them has come to hold everything just now; try again.
        """
        if await self._access.any_role_holds(role_ids, EVERYTHING):
            async with self.withdrawal():
                yield
            return
        yield
        await self._work.session.flush()
        if await self._access.any_role_holds(role_ids, EVERYTHING, is_locked=True):
            raise ServiceUnavailable(retry_after_seconds=1)
