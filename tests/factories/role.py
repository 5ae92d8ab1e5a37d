from uuid import UUID

from polyfactory import Use
from polyfactory.factories.msgspec_factory import MsgspecFactory

from cms_service.schemas import RoleCreate
from tests.factories.unique import unique


class RoleCreateFactory(MsgspecFactory[RoleCreate]):
    name = Use(unique, "editor")
    title = "Editor"
    description = "Publishes what others wrote."
    permission_ids = Use(list[UUID])
    parent_ids = Use(list[UUID])
