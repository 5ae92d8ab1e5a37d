"""Looking up accounts: what every service does all the time."""

from uuid import UUID

import msgspec

from cms_service.core.exceptions import NotFound
from cms_service.repositories import DirectoryRepository
from cms_service.schemas import RoleRef, UserRead

_ROLES = msgspec.json.Decoder(list[RoleRef])


class UserDirectory:
    """One for the whole process: it needs neither a unit of work nor an actor."""

    def __init__(self, users: DirectoryRepository) -> None:
        self._users = users

    async def get_user(self, user_id: UUID) -> UserRead:
        """The account, with the roles that it has now. Raises NotFound."""
        members = await self._users.find_user(user_id)
        if members is None:
            raise NotFound("There is no such user.")
        roles = _ROLES.decode(members.pop("roles") or b"[]")
        return UserRead(**members, roles=sorted(roles, key=lambda role: role.name))
