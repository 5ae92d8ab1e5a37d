"""What was tried on an account, for those who look after it."""

from uuid import UUID

from litestar import Controller, delete, get
from litestar.params import FromPath

from cms_service.api.dependencies import provided
from cms_service.api.problems import documented
from cms_service.core.exceptions import EscalationRefused
from cms_service.core.security import requires
from cms_service.schemas import ThrottleRead
from cms_service.services import ThrottleService


class UserThrottleController(Controller):
    path = "/users/{user_id:uuid}/throttle"
    tags = ("users",)
    dependencies = provided("throttles")

    @get(operation_id="getUserThrottle", summary="See failed sign-ins", guards=[requires("users:read")])
    async def get_user_throttle(self, throttles: ThrottleService, user_id: FromPath[UUID]) -> ThrottleRead:
        """How often somebody has failed to sign in to the account, and whether attempts are being held up."""
        return await throttles.get_of(user_id)

    @delete(
        operation_id="liftUserThrottle",
        summary="Let a user try again",
        guards=[requires("users:update")],
        responses=documented(EscalationRefused),
    )
    async def lift_user_throttle(self, throttles: ThrottleService, user_id: FromPath[UUID]) -> None:
        """Forgets the failures, so that anybody may try at once. Waits of known devices and sessions go on."""
        await throttles.lift_of(user_id)
