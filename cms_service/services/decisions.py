"""Yes or no: what other services ask."""

from functools import lru_cache
from uuid import UUID

import msgspec

from cms_service.core.security import SubjectType, sought_email
from cms_service.services.access_reader import AccessReader
from cms_service.services.rights import Rights

_UUID_LENGTH = 36
_SUBJECT_TYPES = {str(kind): kind for kind in SubjectType}


class Question(msgspec.Struct, frozen=True):
    """Whether a subject may do something somewhere."""

    subject_type: str
    """`user` or `service`; nobody else may do anything."""
    subject_id: str
    """The id; of users the external id or the address, of service accounts the name."""
    permission: str
    """`resource:action`."""
    scopes: tuple[str, ...] = ()
    """What the resource is and is part of, each as `type:id`."""


class Judge:
    """Knows what a subject may do at a moment."""

    __slots__ = ("_reader", "_rights")

    def __init__(self, rights: Rights | None, reader: AccessReader) -> None:
        self._rights = rights
        self._reader = reader

    async def decide(self, permission: str, scopes: tuple[str, ...]) -> bool:
        """Whether the subject may. Wildcards imply permissions that there are, and no others."""
        rights = self._rights
        if rights is None:
            return False
        if rights.has(permission, scopes):
            return True
        return rights.has_wildcard(permission, scopes) and permission in await self._reader.list_permissions()


class DecisionPoint:
    """Decides in memory while that may be trusted."""

    def __init__(self, reader: AccessReader) -> None:
        self._reader = reader

    async def decide(self, question: Question) -> bool:
        """Whether the subject may. Never for unknown subjects and for permissions that there are not."""
        judge = await self.judge_of(question.subject_type, question.subject_id)
        return await judge.decide(question.permission, question.scopes)

    async def judge_of(self, subject_type: str, subject_id: str) -> Judge:
        """Decides many questions about the same subject, as of now."""
        kind = _SUBJECT_TYPES.get(subject_type)
        if kind is None:
            return Judge(None, self._reader)
        known = _uuid(subject_id)
        rights = None if known is None else await self._reader.find_rights(kind, known)
        if rights is None:
            named = await self._find_named(kind, subject_id, known)
            rights = None if named is None else await self._reader.find_rights(kind, named)
        return Judge(rights, self._reader)

    async def find_subject(self, subject_type: str, subject_id: str) -> tuple[SubjectType, UUID] | None:
        """Which account is meant. There may be none with such an id, or it may not be active."""
        kind = _SUBJECT_TYPES.get(subject_type)
        if kind is None:
            return None
        known = _uuid(subject_id)
        if known is not None and await self._reader.find_rights(kind, known) is not None:
            return kind, known
        found = await self._find_named(kind, subject_id, known) or known
        return None if found is None else (kind, found)

    async def _find_named(self, kind: SubjectType, name: str, known: UUID | None) -> UUID | None:
        """The account of which this is another name than its id. Other systems, too, may call their users by UUIDs."""
        return await self._reader.find_id(kind, _canonical(kind, name), known)


def _uuid(text: str) -> UUID | None:
    # Longer texts never come into the cache: callers choose them.
    return _uuid_of(text) if len(text) == _UUID_LENGTH else None


@lru_cache(10_000)
def _uuid_of(text: str) -> UUID | None:
    try:
        known = UUID(text)
    except ValueError:
        return None
    # Python takes more for a UUID than other systems do.
    return known if str(known) == text.lower() else None


def _canonical(kind: SubjectType, name: str) -> str:
    return sought_email(name) if kind is SubjectType.user and "@" in name else name
