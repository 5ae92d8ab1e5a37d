from polyfactory import Use
from polyfactory.factories.msgspec_factory import MsgspecFactory

from cms_service.schemas import ServiceAccountCreate
from tests.factories.unique import unique


class ServiceAccountCreateFactory(MsgspecFactory[ServiceAccountCreate]):
    name = Use(unique, "machine")
    description = "Publishes what others wrote."
    is_active = True
