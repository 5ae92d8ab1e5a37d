from polyfactory import Use
from polyfactory.factories.msgspec_factory import MsgspecFactory

from cms_service.schemas import UserCreate
from tests.factories.unique import unique, unique_email


class UserCreateFactory(MsgspecFactory[UserCreate]):
    """An account that nobody signs in to: hashing a password takes long."""

    email = Use(unique_email)
    display_name = "Ada Lovelace"
    external_id = Use(unique, "hr")
    password = None
    is_active = True
