"""Writing down who changed what, in the same transaction as the change."""

from typing import Any
from uuid import UUID

import msgspec

from cms_service.core.database import UnitOfWork
from cms_service.core.security import Actor
from cms_service.models import AuditEvent, TargetType
from cms_service.repositories import AuditEventRepository


class AuditTrail:
    """The events of one unit of work."""

    def __init__(self, work: UnitOfWork, actor: Actor) -> None:
        self._events = AuditEventRepository(session=work.session, wrap_exceptions=False)
        self._actor = actor

    def record(  # noqa: PLR0913 - an event is made of its columns
        self,
        action: str,
        target_type: TargetType | None = None,
        target_id: UUID | None = None,
        *,
        before: Any = None,
        after: Any = None,
        actor_id: UUID | None = None,
    ) -> None:
        """`action` (`user.updated`) has happened to the target; it is written with the unit of work.

        `before` and `after` are what the API shows of it, which never holds a secret; members that differ are kept.
        `actor_id` names who acts where the request itself proves it only now, as a sign-in does.
        """
        old, new = _members(before), _members(after)
        if old is not None and new is not None:
            changed = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
            old = {name: value for name, value in old.items() if name in changed}
            new = {name: value for name, value in new.items() if name in changed}
        origin = self._actor.origin
        event = AuditEvent(
            actor_id=actor_id or self._actor.acting_id,
            session_id=self._actor.session_id,
            credential_id=self._actor.credential_id,
            on_behalf_of=self._actor.on_behalf_of,
            action=action,
            target_type=target_type,
            target_id=target_id,
            before=old,
            after=new,
            request_id=origin.request_id if origin else None,
            ip=origin.ip if origin else None,
        )
        self._events.append(event)


def _members(resource: Any) -> dict[str, Any] | None:
    members: dict[str, Any] | None = msgspec.to_builtins(resource)
    return members
