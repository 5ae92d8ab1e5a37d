"""Looking up accounts: what every service does all the time."""

from uuid import UUID

from cms_service.core.exceptions import NotFound
from cms_service.repositories import DirectoryRepository
from cms_service.schemas import UserRead
from cms_service.services._reading import read_members


class UserDirectory:
    """One for the whole process: it needs neither a unit of work nor an actor."""

    def __init__(self, users: DirectoryRepository) -> None:
        self._users = users

    async def get_user(self, user_id: UUID) -> UserRead:
        """The account, with the roles that it has now. Raises NotFound."""
        members = await self._users.find_user(user_id)
        if members is None:
            raise NotFound("There is no such user.")
        return read_members(members)
