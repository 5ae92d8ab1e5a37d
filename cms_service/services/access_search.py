"""Who may do what: looked for by subject, resource or action."""

from collections.abc import Sequence
from hashlib import sha256
from typing import TypeAlias
from uuid import UUID

import msgspec

from cms_service.core.database import Position, UnitOfWork
from cms_service.core.exceptions import ValidationFailed, Violation
from cms_service.core.security import CursorCodec, Principal, SubjectType, implying
from cms_service.repositories import AccessSearchRepository, Sought
from cms_service.schemas import (
    DEFAULT_RESULTS,
    MOST_RESULTS,
    AccessSubject,
    ActionSearchAnswer,
    ActionSearchRequest,
    FoundAction,
    FoundResource,
    FoundSubject,
    PageRequest,
    ResourceSearchAnswer,
    ResourceSearchContext,
    ResourceSearchRequest,
    SearchPage,
    SubjectSearchAnswer,
    SubjectSearchRequest,
)
from cms_service.services._holdings import HOLDINGS
from cms_service.services._questions import permission_of, require_may_ask, scopes_of, surroundings_of
from cms_service.services.decisions import DecisionPoint

INCLUDE_TOTAL = "include_total"
"""Member of `page.properties` that has all results of a subject search counted."""
_NOBODY = UUID(int=0)
_Request: TypeAlias = SubjectSearchRequest | ResourceSearchRequest | ActionSearchRequest


class AccessSearchService:
    """Searches the database, not the memory that decisions are made in: what is found is what is true now."""

    def __init__(self, work: UnitOfWork, decisions: DecisionPoint, principal: Principal, cursors: CursorCodec) -> None:
        self._repository = AccessSearchRepository(work)
        self._decisions = decisions
        self._principal = principal
        self._cursors = cursors

    async def find_subjects(self, data: SubjectSearchRequest) -> SubjectSearchAnswer:
        """Accounts that may, by their ids. Raises ValidationFailed."""
        paging = _Paging(self._cursors, data)
        permission, scopes = permission_of(data.action, data.resource), scopes_of(data.resource)
        kind = data.subject.type
        if kind not in SubjectType.__members__ or not await self._repository.is_permission(permission):
            return SubjectSearchAnswer(paging.page([], 0), [])
        sought = Sought(HOLDINGS[SubjectType(kind)], implying(permission), scopes)
        found = await self._repository.find_holders(sought, paging.after.id, paging.limit + 1)
        total = await self._repository.count_holders(sought) if paging.includes_total else None
        page = paging.page([Position("", holder) for holder in found], total)
        return SubjectSearchAnswer(page, [FoundSubject(kind, str(holder)) for holder in found[: paging.limit]])

    async def find_resources(self, data: ResourceSearchRequest) -> ResourceSearchAnswer:
        """Scopes of the type in which the subject holds the permission.

        Raises PermissionDenied where the caller may not ask, and ValidationFailed.
        """
        require_may_ask(self._principal, data.subject)
        paging = _Paging(self._cursors, data)
        kind, permission = data.resource.type, permission_of(data.action, data.resource)
        surroundings = surroundings_of(data.resource)
        subject = await self._find(data.subject)
        if subject is None or not await self._repository.is_permission(permission):
            return ResourceSearchAnswer(paging.page([], 0), ResourceSearchContext(all=False), [])
        subject_type, subject_id = subject
        sought = Sought(HOLDINGS[subject_type], implying(permission), surroundings)
        after, limit = paging.after.sort_value, paging.limit
        found = await self._repository.find_scopes(sought, subject_id, kind, after, limit + 1)
        total = await self._repository.count_scopes(sought, subject_id, kind)
        return ResourceSearchAnswer(
            paging.page([Position(scope, _NOBODY) for scope in found], total),
            ResourceSearchContext(all=await self._repository.holds(sought, subject_id)),
            [FoundResource(kind, scope.partition(":")[2]) for scope in found[:limit]],
        )

    async def find_actions(self, data: ActionSearchRequest) -> ActionSearchAnswer:
        """What the subject may do of all that is defined. Raises as `find_resources` does."""
        require_may_ask(self._principal, data.subject)
        paging = _Paging(self._cursors, data)
        kind, scopes = data.resource.type, scopes_of(data.resource)
        subject = await self._find(data.subject)
        names: Sequence[str] = ()
        if subject is not None:
            subject_type, subject_id = subject
            names = sorted(await self._repository.find_permissions(HOLDINGS[subject_type], subject_id, kind, scopes))
        rest = [name for name in names if name > paging.after.sort_value]
        page = paging.page([Position(name, _NOBODY) for name in rest[: paging.limit + 1]], len(names))
        return ActionSearchAnswer(page, [FoundAction(name.partition(":")[2]) for name in rest[: paging.limit]])

    async def _find(self, subject: AccessSubject) -> tuple[SubjectType, UUID] | None:
        return await self._decisions.find_subject(subject.type, subject.id)


class _Paging:
    """Which part of the results is wanted. A token is good for the same entities only (AuthZEN §8.2)."""

    def __init__(self, cursors: CursorCodec, data: _Request) -> None:
        wanted = data.page or PageRequest()
        self._cursors = cursors
        self._listing = _listing(data)
        self.limit = min(DEFAULT_RESULTS if wanted.limit is None else wanted.limit, MOST_RESULTS)
        self.includes_total = (wanted.properties or {}).get(INCLUDE_TOTAL) is True
        self.after = self._decode(wanted.token) if wanted.token else Position("", _NOBODY)
        self._is_first = not wanted.token

    def page(self, found: Sequence[Position], total: int | None) -> SearchPage:
        """`found` holds one more than was asked for where there are more. A first part that is all tells the total."""
        count = min(len(found), self.limit)
        has_more = len(found) > count
        if total is None and self._is_first and not has_more:
            total = count
        page = SearchPage(next_token="", count=count)
        if has_more:
            page.next_token = self._cursors.encode(self._listing, found[count - 1] if count else self.after)
        if total is not None:
            page.total = total
        return page

    def _decode(self, token: str) -> Position:
        try:
            return self._cursors.decode(self._listing, token)
        except ValidationFailed:
            detail = "The token is not one that this search gave out."
            raise ValidationFailed(Violation("/page/token", "bad_cursor", detail)) from None


def _listing(data: _Request) -> str:
    entities = {name: getattr(data, name) for name in data.__struct_fields__ if name != "page"}
    digest = sha256(msgspec.json.encode(entities, order="sorted")).hexdigest()[:32]
    return f"access/{type(data).__name__}/{digest}"
