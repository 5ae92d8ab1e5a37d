"""Accounts."""

from contextlib import nullcontext
from typing import Any
from uuid import UUID

import msgspec
from advanced_alchemy.service import SQLAlchemyAsyncRepositoryService
from msgspec import UNSET

from cms_service.core.database import UnitOfWork
from cms_service.core.exceptions import AuthenticationRequired
from cms_service.core.security import (
    Actor,
    CursorCodec,
    PasswordHasher,
    PasswordPolicy,
    canonical_email,
    sought_email,
    stored_email,
)
from cms_service.models import User
from cms_service.repositories import RefreshTokenRepository, UserRepository
from cms_service.schemas import OwnUserUpdate, Page, UserCreate, UserQuery, UserRead, UserUpdate
from cms_service.services._listing import Listing
from cms_service.services._reading import read_user
from cms_service.services.access_policy import AccessPolicy
from cms_service.services.audit_trail import AuditTrail
from cms_service.services.enrolment import refuse_unacceptable
from cms_service.services.preconditions import Precondition
from cms_service.services.sign_in_throttle import SignInThrottle


class UserService(SQLAlchemyAsyncRepositoryService[User, UserRepository]):
    """Accounts of people: made, changed, put to sleep, deleted and brought back."""

    repository_type = UserRepository

    def __init__(  # noqa: PLR0913 - what it works with
        self,
        work: UnitOfWork,
        actor: Actor,
        cursors: CursorCodec,
        hasher: PasswordHasher,
        passwords: PasswordPolicy,
        throttle: SignInThrottle,
    ) -> None:
        super().__init__(session=work.session, wrap_exceptions=False)
        self._work = work
        self._actor = actor
        self._cursors = cursors
        self._hasher = hasher
        self._passwords = passwords
        self._throttle = throttle
        self._sessions = RefreshTokenRepository(session=work.session, wrap_exceptions=False)
        self._policy = AccessPolicy(work, actor)
        self._audit = AuditTrail(work, actor)

    async def list_users(self, query: UserQuery) -> Page[UserRead]:
        listing = Listing(self._cursors, f"users/{query.sort.value}")
        part = await self.repository.slice(
            query.sort.value,
            listing.window(query),
            is_deleted=query.is_deleted,
            q=query.q,
            email=None if query.email is None else sought_email(query.email),
            external_id=query.external_id,
            is_active=query.is_active,
            role=query.role,
            created_after=query.created_after,
            created_before=query.created_before,
        )
        return listing.page(part, read_user)

    async def create_user(self, data: UserCreate) -> UserRead:
        """A new account without any role.

        Raises:
            ValidationFailed: the address is not acceptable, or the password (PasswordTooWeak).
            EmailTaken, ExternalIdTaken: a live account has it.
        """
        await refuse_unacceptable(self._passwords, data.email, data.password, data.display_name)
        password_hash = None
        if data.password is not None:
            async with self._work.paused():
                password_hash = await self._hasher.hash(data.password)
        user = User(
            email=canonical_email(data.email),
            display_name=data.display_name,
            external_id=data.external_id,
            is_active=data.is_active,
            password_hash=password_hash,
            roles=set(),
        )
        created = read_user(await self.repository.add(user, auto_refresh=False))
        self._audit.record("user.created", "user", created.id, after=created)
        return created

    async def update_user(self, user_id: UUID, data: UserUpdate, precondition: Precondition) -> UserRead:
        """The account is as `data` says. Deactivating it ends its sessions.

        Raises:
            EscalationRefused: the account can do more than the actor.
            LastAdministrator: nobody active would hold everything.
            ReauthenticationRequired: for another e-mail address, the actor was authenticated too long ago.
        """
        if data.is_active is False:
            async with self._policy.withdrawal():
                return await self._update(user_id, data, precondition)
        return await self._update(user_id, data, precondition)

    async def update_own(self, data: OwnUserUpdate, precondition: Precondition) -> UserRead:
        """The actor's own account is as `data` says.

        Raises:
            ReauthenticationRequired: for another e-mail address, the actor was authenticated too long ago.
            EmailTaken: a live account has it.
            RateLimited: from this network, too many addresses were found to be taken.
        """
        ip = self._actor.origin.ip if self._actor.origin else None
        async with self._throttle.looking_for_addresses(ip) if data.email is not UNSET else nullcontext():
            user = await self.repository.lock_live(self._actor.require_user_id())
            return await self._change(user, data, precondition)

    async def delete_user(self, user_id: UUID, precondition: Precondition) -> None:
        """The account is gone, its sessions end and its address is free. It can be restored.

        Raises:
            EscalationRefused: the account can do more than the actor.
            LastAdministrator: nobody active would hold everything.
        """
        async with self._policy.withdrawal():
            user = await self.repository.lock_live(user_id)
            before = read_user(user)
            precondition.check(before)
            await self._policy.refuse_power_over(user_id)
            await self._end_sessions(user_id, "user_deleted")
            await self.repository.mark_deleted(user)
        self._audit.record("user.deleted", "user", user_id, before=before)

    async def restore_user(self, user_id: UUID) -> UserRead:
        """The deleted account is back with its roles and its password, but without its sessions.

        One that is not deleted is as it was, so that the request can be repeated.

        Raises:
            NotFound: there is no such account.
            AuthenticationRequired: it is the actor's own, and was deleted a moment ago.
            EmailTaken, ExternalIdTaken: a live account has it by now.
            EscalationRefused: the account would be able to do more than the actor.
        """
        user = await self.repository.lock_any(user_id)
        await self._policy.refuse_power_over(user_id)
        if user.deleted_at is None:
            return read_user(user)
        if user_id == self._actor.user_id:
            # Deleted while this request was under way: nobody restores themselves.
            raise AuthenticationRequired
        user.deleted_at = None
        await self._work.session.flush()
        restored = read_user(user)
        self._audit.record("user.restored", "user", user_id, after=restored)
        return restored

    async def activate_user(self, user_id: UUID) -> UserRead:
        """The account may sign in. Raises EscalationRefused where it can do more than the actor."""
        return await self.update_user(user_id, UserUpdate(is_active=True), Precondition(None))

    async def deactivate_user(self, user_id: UUID) -> UserRead:
        """The account cannot sign in and its sessions end. Raises LastAdministrator."""
        return await self.update_user(user_id, UserUpdate(is_active=False), Precondition(None))

    async def _update(self, user_id: UUID, data: UserUpdate, precondition: Precondition) -> UserRead:
        user = await self.repository.lock_live(user_id)
        if user_id == self._actor.user_id and not user.is_active:
            # Put to sleep while this request was under way: nobody wakes themselves.
            raise AuthenticationRequired
        await self._policy.refuse_power_over(user_id)
        if data.is_active is False:
            await self._end_sessions(user_id, "user_deactivated")
        return await self._change(user, data, precondition)

    async def _end_sessions(self, user_id: UUID, reason: str) -> None:
        for session_id in await self._sessions.revoke_all(user_id, reason):
            self._audit.record("session.ended", "session", session_id)

    async def _change(self, user: User, data: UserUpdate | OwnUserUpdate, precondition: Precondition) -> UserRead:
        before = read_user(user)
        precondition.check(before)
        changes: dict[str, Any] = {
            name: value for name, value in msgspec.structs.asdict(data).items() if value is not UNSET
        }
        # An unchanged address stays, also one that is older than the rule on look-alikes.
        if "email" in changes and stored_email(changes["email"]) == user.email:
            del changes["email"]
        if "email" in changes:
            changes["email"] = canonical_email(changes["email"])
            self._actor.require_recent_authentication()
            changes["email_verified_at"] = None
        for name, value in changes.items():
            setattr(user, name, value)
        await self._work.session.flush()
        after = read_user(user)
        if after != before:
            self._audit.record("user.updated", "user", user.id, before=before, after=after)
        return after
