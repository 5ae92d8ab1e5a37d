from polyfactory import Use
from polyfactory.factories.msgspec_factory import MsgspecFactory

from cms_service.schemas import PermissionCreate
from tests.factories.unique import unique


def unique_permission() -> str:
    return f"{unique('articles')}:publish"


class PermissionCreateFactory(MsgspecFactory[PermissionCreate]):
    name = Use(unique_permission)
    description = "Publish articles."
