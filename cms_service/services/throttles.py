"""What was tried on an account, for those who look after it."""

from uuid import UUID

from cms_service.core.database import UnitOfWork
from cms_service.core.exceptions import NotFound
from cms_service.core.security import Actor, stored_email
from cms_service.repositories import AccountThrottleRepository, UserRepository
from cms_service.schemas import ThrottleRead
from cms_service.services.access_policy import AccessPolicy
from cms_service.services.audit_trail import AuditTrail
from cms_service.services.sign_in_throttle import MOST_GUESSES_OF_STRANGERS


class ThrottleService:
    """Shows whether an account is being attacked, and lets its owner in again."""

    def __init__(self, work: UnitOfWork, actor: Actor) -> None:
        self._users = UserRepository(session=work.session, wrap_exceptions=False)
        self._throttles = AccountThrottleRepository(work)
        self._policy = AccessPolicy(work, actor)
        self._audit = AuditTrail(work, actor)

    async def get_of(self, user_id: UUID) -> ThrottleRead:
        """Raises NotFound where there is no such user."""
        await self._users.get_live(user_id)
        state = await self._throttles.state(user_id)
        return ThrottleRead(
            failures=state.failures,
            blocked_until=state.blocked_until,
            is_closed_to_strangers=state.failures >= MOST_GUESSES_OF_STRANGERS,
        )

    async def lift_of(self, user_id: UUID) -> None:
        """Strangers may try again at once, and no failure counts any more.

        Raises:
            NotFound: there is no such user.
            EscalationRefused: the account can do more than the actor, who could guess its password without end.
        """
        await self._users.get_live(user_id)
        await self._policy.refuse_power_over(user_id)
        await self._lift(user_id)

    async def lift_by_email(self, email: str) -> None:
        """The same, of the account with the address, for the operator.

        Raises:
            ValidationFailed: that is no address.
            NotFound: no account has it.
        """
        credentials = await self._users.find_credentials_by_email(stored_email(email))
        if credentials is None:
            raise NotFound("There is no account with this address.")
        await self._lift(credentials.user_id)

    async def _lift(self, user_id: UUID) -> None:
        await self._throttles.forget(user_id)
        self._audit.record("user.throttle_lifted", "user", user_id)
