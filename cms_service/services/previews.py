"""Trying a write out: who would gain and who would lose what."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar
from uuid import UUID

from cms_service.core.database import UnitOfWork
from cms_service.core.security import Actor, Grant, SubjectType, exceeding, implies
from cms_service.repositories import (
    SERVICES,
    USERS,
    AccessRepository,
    AccountChanges,
    HolderRepository,
    PreviewRepository,
    RoleChange,
    RoleGraphRepository,
)
from cms_service.schemas import MOST_CHANGES, AccessPreview, ChangedGrant, ChangedGrants, SubjectRef
from cms_service.services._graph_changes import changes_between
from cms_service.services._holdings import HOLDINGS
from cms_service.services.access_policy import AccessPolicy

T = TypeVar("T")


class Previewed(Exception):
    """A write was only tried out. It leaves as every exception does, so that nothing of it is kept."""

    def __init__(self, preview: AccessPreview) -> None:
        super().__init__()
        self.preview = preview


class PreviewService:
    """Lets writes happen, or only shows what they would change. The writes do not know which of the two it is."""

    def __init__(self, work: UnitOfWork, actor: Actor, *, is_wanted: bool) -> None:
        self._work = work
        self._is_wanted = is_wanted
        self._access = AccessRepository(work)
        self._graph = RoleGraphRepository(work)
        self._holders = HolderRepository(work)
        self._previews = PreviewRepository(work)
        self._policy = AccessPolicy(work, actor)

    async def of_roles(self, write: Callable[[], Awaitable[T]]) -> T:
        """The write changes what roles give, to whoever has them.

        Raises:
            Previewed: it was only tried out.
        """
        if not self._is_wanted:
            return await write()
        await self._access.lock_withdrawals()
        before = await self._graph.read()
        await write()
        await self._work.session.flush()
        # Beside the loop: other requests go on where thousands of roles are compared.
        changes = await asyncio.to_thread(changes_between, before, await self._graph.read())
        shown = await self._shown()
        found = await self._previews.compare(changes, [each is SubjectType.user for each in shown], MOST_CHANGES)
        raise Previewed(
            AccessPreview(
                gains=await self._read_changes(changes, found[True]),
                losses=await self._read_changes(changes, found[False]),
            )
        )

    async def of_account(self, kind: SubjectType, account_id: UUID, write: Callable[[], Awaitable[T]]) -> T:
        """The write changes which roles this user or service account has.

        Raises:
            Previewed: it was only tried out.
        """
        if not self._is_wanted:
            return await write()
        await self._access.lock_withdrawals()
        before = await self._grants(kind, account_id)
        await write()
        after = await self._grants(kind, account_id)
        gains, losses = exceeding(after, before), exceeding(before, after)
        names = await self._holders.names(HOLDINGS[kind], [account_id])
        is_shown = kind in await self._shown()
        subject = SubjectRef(kind, account_id, names[account_id]) if is_shown else None
        raise Previewed(AccessPreview(gains=_changed(subject, gains), losses=_changed(subject, losses)))

    async def _grants(self, kind: SubjectType, account_id: UUID) -> set[Grant]:
        found = await self._access.grants_in_force(HOLDINGS[kind].assignment, account_id)
        return {Grant(name, scope) for name, scope, _ in found}

    async def _shown(self) -> list[SubjectType]:
        """Whose names the actor may see."""
        held = {grant.permission for grant in await self._policy.held() if grant.scope is None}
        needed = {SubjectType.user: "users:read", SubjectType.service: "service_accounts:read"}
        return [each for each, permission in needed.items() if implies(held, permission)]

    async def _read_changes(self, changes: list[RoleChange], found: AccountChanges) -> ChangedGrants:
        names: dict[bool, dict[UUID, str]] = {}
        for is_user, holding in ((True, USERS), (False, SERVICES)):
            ids = {each.account_id for each in found.first if each.is_user is is_user}
            names[is_user] = await self._holders.names(holding, ids)
        items = [
            ChangedGrant(
                SubjectRef(
                    SubjectType.user if each.is_user else SubjectType.service,
                    each.account_id,
                    names[each.is_user][each.account_id],
                ),
                permission,
                each.scope,
            )
            for each in found.first
            # Else it was removed for good while this was computed.
            if each.account_id in names[each.is_user]
            for permission in changes[each.change].permissions
        ]
        return ChangedGrants(found.total, found.subjects, items[:MOST_CHANGES])


def _changed(subject: SubjectRef | None, grants: Collection[Grant]) -> ChangedGrants:
    items = [ChangedGrant(subject, grant.permission, grant.scope) for grant in grants] if subject else []
    return ChangedGrants(len(grants), min(1, len(grants)), items[:MOST_CHANGES])
